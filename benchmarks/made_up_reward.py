"""A reward for models that have learnt nothing: half of their completions get it, so that no group is dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def even_sum(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """1 where the sum of a completion's token ids is even."""
    return [float(sum(ids) % 2 == 0) for ids in completion_ids]
