"""The one way to a stage's problems: generated or from files, training and held-out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from grpo.config.schema import DataConfig
from grpo.data import arithmetic
from grpo.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Problems of one stage; the two parts share none."""

    train: list[Problem]
    held_out: list[Problem]


def load_dataset(data: DataConfig, path: str | None = None) -> Dataset:
    """`path` (a stage's `data_from`) replaces `data.path`. Raises ValueError naming the rows or keys at fault."""
    if path is not None:
        data = replace(data, source="files", path=path)
    if data.source == "arithmetic":
        train, held_out = arithmetic.generate(data.arithmetic)
        return Dataset(train=train, held_out=held_out)
    from grpo.data.files import load_problems

    return Dataset(train=load_problems(data, "train"), held_out=load_problems(data, "held_out"))
