"""The one way to a stage's problems: generated, or from files."""

from __future__ import annotations

from typing import Literal

from grpo.config.schema import DataConfig
from grpo.data import arithmetic
from grpo.types import Problem


def load_split(data: DataConfig, which: Literal["train", "held_out"], path: str | None = None) -> list[Problem]:
    """Training or held-out problems; the two share none. `path` names a file that is the whole split instead.

    Raises ValueError naming the rows or keys at fault.
    """
    if data.source == "arithmetic" and path is None:
        train, held_out = arithmetic.generate(data.arithmetic)
        return train if which == "train" else held_out
    from grpo.data.files import load_problems

    return load_problems(data, which, path)
