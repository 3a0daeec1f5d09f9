"""The one way to a stage's problems: generated, or from files."""

from __future__ import annotations

from typing import Literal

from grpo.config.slices import DataConfig
from grpo.data import arithmetic
from grpo.types import Problem


def path_of(data_from: str) -> str | None:
    """The file that `data_from` names; None for `base`, the stage's own `data`."""
    return None if data_from == "base" else data_from


def is_generated(data: DataConfig, path: str | None = None) -> bool:
    """Whether `load_split` generates the problems, and reads none from a file."""
    return data.source == "arithmetic" and path is None


def load_split(data: DataConfig, which: Literal["train", "held_out"], path: str | None = None) -> list[Problem]:
    """Training or held-out problems; the two share none. `path` names a file that is the whole split instead,
    also a data set that a stage wrote, whose columns do not depend on `data`.

    Raises ValueError naming the rows or keys at fault.
    """
    if is_generated(data, path):
        make = arithmetic.training_problems if which == "train" else arithmetic.held_out_problems
        return make(data.arithmetic)
    from grpo.data.files import load_problems
    from grpo.data.trace_file import is_trace_file, read_traces

    if path is not None and is_trace_file(path):
        return read_traces(path)[: data.rows if which == "train" else data.eval_rows]

    return load_problems(data, which, path)
