"""Verdicts that were given before: a group shares one gold, and most of its answers repeat."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable

from grpo.rewards.math.result import Result, Verdict

Key = tuple[str, str, str]
"""Gold, text, mode."""
MAX_BYTES = 64 << 20
ENTRY_BYTES = 500
"""Of the containers around the texts of one entry."""
NOT_KEPT = (Verdict.TIMED_OUT, Verdict.ERROR)
"""These say something about the machine, perhaps; the next attempt may end otherwise."""


class VerdictCache:
    """Least recently used first out; safe for threads and for forks."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, tuple[Result, int]] = OrderedDict()
        self._bytes = 0
        self._renew_lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What the entries take, estimated."""
        return self._bytes

    def known(self, keys: Iterable[Key]) -> dict[Key, Result]:
        """Those of `keys` that are kept."""
        found = {}
        with self._lock:
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None:
                    self._entries.move_to_end(key)
                    found[key] = entry[0]
        return found

    def keep(self, results: Iterable[tuple[Key, Result]]) -> None:
        """Add verdicts, except timeouts and errors, and let the oldest go."""
        with self._lock:
            for key, result in results:
                if result.verdict in NOT_KEPT or key in self._entries:
                    continue
                size = ENTRY_BYTES + sys.getsizeof(key[0]) + sys.getsizeof(key[1]) + sys.getsizeof(result.extracted)
                self._entries[key] = (result, size)
                self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._entries.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0
