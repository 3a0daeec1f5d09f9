"""Names that rewards go by: their labels, the arguments of a call, and what a mistyped one may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

SUPPLIED = ("trainer_state", "log_extra", "log_metric")
"""Given only to functions that name them; never taken from the data."""
BATCH_ARGUMENTS = ("prompts", "completions", "completion_ids", "answer")
"""Made from the items themselves; a data column of the same name is not passed."""


def labels_of(names: Sequence[str]) -> tuple[str, ...]:
    """The function's own name where that is unique, for metrics and settings; else the whole name."""
    short = [name.rpartition(":")[2].rpartition(".")[2] for name in names]
    return tuple(name if short.count(label) > 1 else label for name, label in zip(names, short, strict=True))


def hint(name: str, candidates: Iterable[str]) -> str:
    """`; did you mean 'a' or 'b'?`, or nothing where nothing is near."""
    near = difflib.get_close_matches(name, [c for c in candidates if not c.startswith("__")], n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(c) for c in near)}?" if near else ""
