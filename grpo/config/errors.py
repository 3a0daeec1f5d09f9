"""One error type for everything wrong with a config, and the search for the key that was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

CLOSE_ENOUGH = 0.6
"""Below this similarity (0 to 1) no key is suggested."""


class ConfigError(ValueError):
    """A config that cannot run; the message names key, value and what would be valid. Exit code 2."""


def nearest(key: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `key`, or None when nothing is close.

    The last part of a dotted key weighs more than the whole, so that `lr` finds `optimizer.lr`;
    among equals the shortest path wins, so that the top-level slice comes before a stage's copy.
    """
    best: tuple[float, int, str] | None = None
    for candidate in candidates:
        if candidate == key:
            continue
        whole = SequenceMatcher(None, key, candidate).ratio()
        last = likeness(key.rpartition(".")[2], candidate.rpartition(".")[2])
        ranked = (round(0.6 * last + 0.4 * whole, 3), -len(candidate), candidate)
        if best is None or ranked > best:
            best = ranked
    return best[2] if best is not None and best[0] >= CLOSE_ENOUGH else None


def likeness(word: str, candidate: str) -> float:
    """From 0 to 1; the beginning of a candidate counts as close (`price`), and so do its letters in another order."""
    begins = 0.9 if len(word) >= 3 and candidate.startswith(word) else 0.0
    swapped = 0.95 if sorted(word) == sorted(candidate) else 0.0
    return max(begins, swapped, SequenceMatcher(None, word, candidate).ratio())


def unknown(what: str, name: str, candidates: Iterable[str], listed: Iterable[str] = ()) -> str:
    """`unknown key x; did you mean y?`, or the valid names in `listed` when nothing is close."""
    close = nearest(name, candidates)
    message = f"unknown {what} {name}"
    if close is not None:
        message += f"; did you mean {close}?"
    names = list(listed)
    if names:
        message += f" (valid: {', '.join(names)})" if close is not None else f"; valid: {', '.join(names)}"
    return message


def unknown_key(key: str, keys: Iterable[str], groups: Iterable[str] = ()) -> str:
    """`unknown key a.b; did you mean a.c?`, or what there is beside it when nothing is close."""
    keys = set(keys)
    level = key.rpartition(".")[0]
    while level and level not in keys:
        level = level.rpartition(".")[0]
    depth = level.count(".") + 1 if level else 0
    beside = sorted(one for one in keys if one.count(".") == depth and (not level or one.startswith(level + ".")))
    close = nearest(key, {*keys, *groups})
    return unknown("key", key, {*keys, *groups}, () if close is not None else beside)
