"""The one way to a stage's problems: generated, or from files."""

from __future__ import annotations

from typing import Literal

from grpo.config.slices import DataConfig
from grpo.data import arithmetic
from grpo.types import Problem


def load_split(data: DataConfig, which: Literal["train", "held_out"], path: str | None = None) -> list[Problem]:
    """Training or held-out problems; the two share none. `path` names a file that is the whole split instead.

    Raises ValueError naming the rows or keys at fault.
    """
    if data.source == "arithmetic" and path is None:
        make = arithmetic.training_problems if which == "train" else arithmetic.held_out_problems
        return make(data.arithmetic)
    from grpo.data.files import load_problems

    return load_problems(data, which, path)
