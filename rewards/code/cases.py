"""The data column `tests` of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo.rewards.code.scripts import InputOutput

KINDS = 'Python text, a list of Python texts, or a list of {"input": text, "output": text}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """The tests of one row: one kind, at least one test."""

    __test__ = False  # pytest collects classes whose names start with Test

    asserts: tuple[str, ...] = ()
    input_output: tuple[InputOutput, ...] = ()


def read_tests(cell: Any) -> Tests | None:
    """The tests in a cell of the column, None for a row without.

    Raises:
        ValueError: the cell is none of the kinds, or empty.
    """
    if cell is None:
        return None
    tests = [cell] if isinstance(cell, str) else cell
    if not isinstance(tests, list) or not tests:
        raise ValueError(f"tests {str(cell)[:80]!r} must be {KINDS}")
    if all(isinstance(test, str) for test in tests):
        return Tests(asserts=tuple(tests))
    if not all(_is_input_output(test) for test in tests):
        wrong = next(test for test in tests if not _is_input_output(test))
        raise ValueError(f"test {str(wrong)[:80]!r} does not fit: tests are {KINDS}")
    return Tests(input_output=tuple(InputOutput(input=test["input"], output=test["output"]) for test in tests))


def _is_input_output(test: Any) -> bool:
    return isinstance(test, dict) and all(isinstance(test.get(key), str) for key in ("input", "output"))
