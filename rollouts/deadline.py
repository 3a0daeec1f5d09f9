"""A named deadline around one engine call, native code included."""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from pathlib import Path
from types import TracebackType

from grpo.rollouts.engine import EngineDeadlineError

GRACE_SECONDS = 30.0
"""From the deadline to the end of the process, for a call that does not come back to Python."""
EXIT_STATUS = 70
"""Exit status of a process that had to be ended (EX_SOFTWARE)."""


class Deadline:
    """Context manager: the wait `wait` may take `seconds`.

    Python loops call `check` and get an EngineDeadlineError. Native code cannot be interrupted: once the deadline
    has passed, the stacks of all threads go to `log_path`, and after `grace_seconds` more the process ends with a
    message on its standard error and EXIT_STATUS.
    """

    def __init__(
        self, wait: str, seconds: float, log_path: Path | None = None, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._wait = wait
        self._seconds = seconds
        self._log_path = log_path
        self._grace_seconds = grace_seconds
        self._done = threading.Event()
        self._began = 0.0
        self._console = -1

    def __enter__(self) -> Deadline:
        # A copy: during the call, standard error may be redirected to the engine's log.
        self._console = os.dup(2)
        self._began = time.monotonic()
        self._watchdog = threading.Thread(target=self._watch, name=f"deadline: {self._wait}", daemon=True)
        self._watchdog.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._watchdog.join()
        os.close(self._console)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raises EngineDeadlineError, naming the wait, once the deadline has passed."""
        if time.monotonic() - self._began > self._seconds:
            raise EngineDeadlineError(self._message())

    def _message(self) -> str:
        return (
            f"{self._wait} took longer than its deadline of {self._seconds:g} s "
            f"(rollout.deadline_seconds raises it; the engine's log is {self._log_path or 'not kept'})"
        )

    def _watch(self) -> None:
        if self._done.wait(self._seconds):
            return
        with open(self._log_path or os.devnull, "a") as log:
            print(f"Deadline passed: {self._message()}. Stacks of all threads:", file=log, flush=True)
            faulthandler.dump_traceback(file=log, all_threads=True)
        if self._done.wait(self._grace_seconds):
            return
        farewell = f"grpo: {self._message()} and did not react for {self._grace_seconds:g} s more; ending the process\n"
        os.write(self._console, farewell.encode())
        os._exit(EXIT_STATUS)
