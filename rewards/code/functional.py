"""Functional tests: Python asserts about the functions and classes that an answer defines.

Two sandboxes: the answer in one, the tests in the other, plain data between them. The answer's process knows neither
the tests, nor an expected value, nor the way a verdict is sent, so exiting early, printing, patching modules, walking
the stack or overloading `==` gains nothing. What remains to an answer is to return what the tests expect.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from grpo.rewards.code.launch import Launcher
from grpo.rewards.code.limits import SandboxError, SandboxResult
from grpo.rewards.code.verdict import TestsUnusableError, Verdict

GRACE_SECONDS = 2.0
"""For an answer's process to end after its tests; then it is killed, which changes no verdict."""


def run_asserts(sandbox: Launcher, program: str, tests: Sequence[str], *, stop_at_failure: bool) -> Verdict:
    """Run the answer `program`, then the asserts and calls at the top level of `tests`, each counting as one test.

    Raises:
        TestsUnusableError: the tests do not parse, check nothing, or pass objects that are no plain data.
        SandboxError: a sandbox did not start or did not end.
    """
    task = json.dumps({"tests": list(tests), "stop_at_failure": stop_at_failure}).encode()
    server = _inside("server") | {"answer.py": program.encode(errors="replace")}
    tester = _inside("judge") | {"tests.json": task}
    with ExitStack() as stack:
        # This process keeps no end of the pipes, so that each side sees when the other is gone.
        with _pipe() as (requests_out, requests_in), _pipe() as (replies_out, replies_in):
            answer = stack.enter_context(
                sandbox.start(server, ["-m", "inside.server"], stdin=requests_out, stdout=replies_in)
            )
            arguments = ["-m", "inside.judge", str(requests_in)]
            judge = stack.enter_context(sandbox.start(tester, arguments, stdin=replies_out, extra=requests_in))
        judged = judge.finish(sandbox.limits.wall_seconds)
        ended = answer.finish(GRACE_SECONDS)
    return _verdict(judged, ended)


def _verdict(judged: SandboxResult, ended: SandboxResult) -> Verdict:
    if judged.exit_code and judged.killed_by is None:
        raise SandboxError(f"the process of the tests failed: {judged.stderr.decode(errors='replace')[-500:]}")
    *lines, _unfinished = judged.stdout.split(b"\n")
    reports: list[dict[str, Any]] = [json.loads(line) for line in lines]
    unusable = next((report["bad_tests"] for report in reports if "bad_tests" in report), None)
    if unusable is not None:
        raise TestsUnusableError(str(unusable))
    if not reports:
        raise SandboxError(f"the process of the tests was ended before the first ({judged.killed_by})")
    failures = [report.get("why") or report.get("failed") for report in reports[1:] if not report.get("passed")]
    timed_out = "cpu" in (judged.killed_by, ended.killed_by) or judged.killed_by == "wall"
    passed = sum(bool(report.get("passed")) for report in reports[1:])
    total = int(reports[0]["total"])
    reason = str(failures[0]) if failures else f"the tests were ended ({judged.killed_by})"
    return Verdict(
        passed=passed,
        total=total,
        timed_out=timed_out and passed < total,
        reason="" if passed == total else "out of time" if timed_out else reason,
    )


@functools.cache
def _inside(script: str) -> dict[str, bytes]:
    """A script of the package `inside` and what it imports, by their paths in the sandbox."""
    folder = Path(__file__).parent / "inside"
    names = ("__init__", "codec", "remote", "peer", script)
    return {f"inside/{name}.py": (folder / f"{name}.py").read_bytes() for name in names}


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe, closed here when the block ends."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for descriptor in ends:
            os.close(descriptor)
