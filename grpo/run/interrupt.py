"""Ctrl-C and SIGTERM end a run at a step border, where it can be saved."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

HANDLED = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, the first SIGINT or SIGTERM only sets `requested`; a second one ends the process at once.

    The loop reads `requested` at step borders, saves and leaves. The second signal meets the system's default
    action, set by the first: it works even while the process is inside a long call into compiled code. As after
    SIGKILL, workers must notice by themselves that their parent is gone. Forked children start without the handlers.
    """

    def __init__(self, resume_hint: str = "resume=auto") -> None:
        """`resume_hint`: the override that continues the run, printed at the first signal."""
        self._hint = resume_hint
        self._previous: dict[signal.Signals, Any] = {}
        self._owner: int | None = None
        self._received: signal.Signals | None = None

    @property
    def requested(self) -> str | None:
        """Name of the signal that asked to stop, such as `SIGTERM`, or None."""
        return self._received.name if self._received else None

    @property
    def exit_code(self) -> int:
        """Shell convention for the signal that asked to stop: 128 + its number; 0 without one."""
        return 128 + self._received if self._received else 0

    def __enter__(self) -> Interruption:
        """
        Raises:
            RuntimeError: not in the main thread, where alone handlers can be set.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("Interruption must be entered in the main thread")
        self._owner = os.getpid()
        for number in HANDLED:
            self._previous[number] = signal.signal(number, self._receive)
        _entered.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in _entered:
            _entered.remove(self)
        if os.getpid() != self._owner:
            return
        for number, previous in self._previous.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        for handled in HANDLED:
            signal.signal(handled, signal.SIG_DFL)
        self._received = signal.Signals(number)
        line = f"{self.requested}: stopping after this step and saving; a second signal ends at once. "
        os.write(2, (line + f"Continue with {self._hint}\n").encode())  # print may be what was interrupted


_entered: list[Interruption] = []


def _forget_in_child() -> None:
    if _entered:
        _entered.clear()
        # Ctrl-C reaches every process of the terminal's group, but the parent's step still needs its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget_in_child)
