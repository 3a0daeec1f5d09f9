"""From the text of an answer to its tree. `parse` is the entry; nothing is evaluated here."""

from grpo.rewards.math.parsing.statements import parse

__all__ = ["parse"]
