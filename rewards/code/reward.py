"""Reward for answers that are Python programs, judged by the tests of their row."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from grpo.rewards.code.cases import Tests, read_tests
from grpo.rewards.code.extract import last_code_block
from grpo.rewards.code.functional import run_asserts
from grpo.rewards.code.launch import FileSystem, Launcher
from grpo.rewards.code.limits import Limits, SandboxError
from grpo.rewards.code.sandbox import Sandbox
from grpo.rewards.code.scripts import run_script
from grpo.rewards.code.verdict import TestsUnusableError, Verdict
from grpo.rewards.text import completion_text
from grpo.types import Message

DEFAULTS = Limits()
NO_CODE = "no code block after the reasoning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of one completion."""

    value: float | None
    """NaN: it could not be judged, which the suite counts as an error; None: the row has no tests."""
    reason: str = ""
    timed_out: bool = False
    passed: bool = False


class CodeTests:
    """1.0 where a completion's program passes the tests of its row, else 0.0, or the share it passes.

    The program is the last Python block after the reasoning. The data column `tests` has one of

    - text or a list of texts: Python statements that call what the answer defines; each assert or call at the top
      level is one test, see `functional.run_asserts`;
    - a list of `{"input": ..., "output": ...}`: the program reads the one and prints the other, see
      `scripts.run_script`;
    - None: the reward does not apply.

    Every program runs in a sandbox of its own. What cannot be judged (the sandbox failed, or the tests of the row are
    unusable) is NaN. Logs the shares `code/passed`, `code/no_code`, `code/timed_out` and
    `code/sandbox_errors` (all that is NaN) of the rows with tests, and the reasons as column `code_reason`.
    """

    def __init__(
        self,
        *,
        all_or_nothing: bool = True,
        workers: int | None = None,
        cpu_seconds: int = DEFAULTS.cpu_seconds,
        wall_seconds: float = DEFAULTS.wall_seconds,
        memory_mb: int = DEFAULTS.memory_bytes >> 20,
        python: str | None = None,
        read_only: Sequence[str] = ("/usr",),
    ) -> None:
        """Check the machine and the settings.

        `workers` is how many programs run at once (None: one per core, at most 8); the others are fields of `Limits`
        and `FileSystem`. A batch may take completions × `wall_seconds` ÷ `workers`, which the suite's deadline cuts.

        Raises:
            SandboxUnavailableError: programs cannot be isolated here. There is no way to run them without.
            ValueError: a number is out of range.
        """
        if workers is not None and workers < 1:
            raise ValueError(f"workers {workers} must be at least 1")
        self._workers = workers or min(8, len(os.sched_getaffinity(0)))
        self._all_or_nothing = all_or_nothing
        limits = Limits(cpu_seconds=cpu_seconds, wall_seconds=wall_seconds, memory_bytes=memory_mb << 20)
        self._sandbox: Launcher = Sandbox(limits, FileSystem(read_only=tuple(read_only), python=python))

    def __call__(
        self,
        completions: Sequence[str | Sequence[Message]],
        tests: Sequence[Any],
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Judge every completion.

        Raises:
            ValueError: a cell of `tests` is none of the three kinds.
        """
        programs = [last_code_block(completion_text(completion)) for completion in completions]
        cells = [read_tests(cell) for cell in tests]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="code") as pool:
            judgements = list(pool.map(self._judge, programs, cells))
        if log_extra is not None:
            log_extra("code_reason", [judgement.reason for judgement in judgements])
        if log_metric is not None:
            _log_shares([judgement for judgement in judgements if judgement.value is not None], log_metric)
        return [judgement.value for judgement in judgements]

    def _judge(self, program: str | None, tests: Tests | None) -> Judgement:
        if tests is None:
            return Judgement(value=None, reason="no tests")
        if program is None:
            return Judgement(value=0.0, reason=NO_CODE)
        try:
            verdict = self._verdict(program, tests)
        except (SandboxError, TestsUnusableError, OSError) as error:  # OSError: the machine is out of something
            return Judgement(value=math.nan, reason=f"not judged: {error}")
        value = float(verdict.all_passed) if self._all_or_nothing else verdict.passed / verdict.total
        reason = verdict.reason and f"{verdict.passed} of {verdict.total} passed; {verdict.reason}"
        return Judgement(value=value, reason=reason, timed_out=verdict.timed_out, passed=verdict.all_passed)

    def _verdict(self, program: str, tests: Tests) -> Verdict:
        if tests.asserts:
            return run_asserts(self._sandbox, program, tests.asserts, stop_at_failure=self._all_or_nothing)
        return run_script(self._sandbox, program, tests.input_output, stop_at_failure=self._all_or_nothing)


def _log_shares(judgements: Sequence[Judgement], log_metric: Callable[[str, float], None]) -> None:
    if not judgements:
        return
    counts = {
        "code/passed": sum(judgement.passed for judgement in judgements),
        "code/no_code": sum(judgement.reason == NO_CODE for judgement in judgements),
        "code/timed_out": sum(judgement.timed_out for judgement in judgements),
        "code/sandbox_errors": sum(math.isnan(judgement.value or 0.0) for judgement in judgements),
    }
    for name, count in counts.items():
        log_metric(name, count / len(judgements))
