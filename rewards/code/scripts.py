"""Tests of whole programs: text on standard input, and what must come out on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grpo.rewards.code.launch import FOLDER, Launcher
from grpo.rewards.code.limits import SandboxResult
from grpo.rewards.code.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOutput:
    input: str
    output: str


def run_script(sandbox: Launcher, program: str, tests: Sequence[InputOutput], *, stop_at_failure: bool) -> Verdict:
    """Run the program once per test, each time in a fresh sandbox, and compare what it prints out here.

    A test passes when the program exits with 0 and prints the expected lines; blanks at the end of a line and blank
    lines at the end do not count. After one test has run out of time the rest are not tried and count as not passed.

    Raises:
        SandboxError: a sandbox did not start or did not end.
    """
    files = {"answer.py": program.encode(errors="replace")}
    passed, reason, timed_out = 0, "", False
    for number, test in enumerate(tests, 1):
        result = sandbox.run(files, [f"{FOLDER}/answer.py"], test.input.encode())
        failure = _failure(result, test.output)
        passed += failure is None
        if failure is not None:
            reason = reason or f"test {number}: {failure}"
            timed_out = result.killed_by in ("cpu", "wall")
            if timed_out or stop_at_failure:
                break
    return Verdict(passed=passed, total=len(tests), timed_out=timed_out, reason=reason)


def _failure(result: SandboxResult, expected: str) -> str | None:
    if result.killed_by is not None:
        return f"ended by a limit or signal ({result.killed_by})"
    if result.exit_code:
        said = result.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return f"exit code {result.exit_code}: {said[:200]}"
    if _lines(result.stdout.decode(errors="replace")) != _lines(expected):
        return "another output"
    return None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]
