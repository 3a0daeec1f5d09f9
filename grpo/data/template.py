"""The template every completion follows: `<think>reasoning</think><answer>result</answer>`."""

from __future__ import annotations

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def demonstration(reasoning: str, answer: str) -> str:
    """A full completion to imitate, without the end-of-sequence token."""
    return f"<think>{reasoning}</think><answer>{answer}</answer>"
