"""Values out of files that others may have written."""

from __future__ import annotations

import pytest

from grpo.track.loose import interval


@pytest.mark.parametrize(
    ("value", "ends"),
    [
        ([0.25, 1], (0.25, 1.0)),
        ([None, 0.5], (None, 0.5)),
        ([0.1], (None, None)),
        ("ab", (None, None)),
        (None, (None, None)),
    ],
)
def test_interval(value: object, ends: tuple[float | None, float | None]) -> None:
    assert interval(value) == ends
