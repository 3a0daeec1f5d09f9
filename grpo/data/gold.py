"""The gold answer in a worked solution: behind a marker (`#### 24`), or in the braces it opens (`\\boxed{24}`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A worked solution, taken apart."""

    reasoning: str
    gold: str


class NoGoldError(ValueError):
    """The marker is missing, or nothing follows it."""


def split_solution(text: str, marker: str) -> Solution:
    """Split at the last `marker`.

    A marker that ends with `{` opens the gold, which ends at the matching `}`; the reasoning is then the whole text,
    with only marker and brace taken away, as the sentence around a boxed answer needs it.

    Raises:
        NoGoldError: there is no marker, no closing brace, or nothing in between.
    """
    before, found, rest = text.rpartition(marker)
    if not found:
        raise NoGoldError(f"there is no marker {marker!r}")
    if marker.endswith("{"):
        end = closing_brace(rest)
        if end is None:
            raise NoGoldError(f"the brace that the last {marker!r} opens is never closed")
        gold, reasoning = rest[:end], before + rest[:end] + rest[end + 1 :]
    else:
        gold, reasoning = rest, before
    if not gold.strip():
        raise NoGoldError(f"nothing follows the marker {marker!r}")
    return Solution(reasoning=reasoning, gold=gold.strip())


def closing_brace(text: str) -> int | None:
    """Where the brace opened just before `text` is closed; a backslash takes the meaning from the next character."""
    depth, place = 1, 0
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 2
            continue
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return place
        place += 1
    return None
