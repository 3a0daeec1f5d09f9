"""Try a reward function on rows before a run depends on it.

Loads the function in the worker process that the trainer would use and reports the length, range and errors of what it
returns, its time, whether it gives the same values again (in another order, one by one, in a new process, from
threads), and what it makes of empty, huge, odd and conversational completions.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from grpo.rewards import configured, registry
from grpo.rewards.call import RewardDeadlineError
from grpo.rewards.check.rows import TEMPLATE, Case, RowOptions, RowsError, built_in_cases, cases_from
from grpo.rewards.check.subject import Subject
from grpo.rewards.check.trials import Finding, examine

MARKS = {"ok": "  ", "warning": "- ", "problem": "! "}
MAX_LINE = 400
"""Longer texts are cut in the table; tracebacks of a failed import are not."""


def main(argv: Sequence[str] | None = None) -> int:
    """0: nothing would break a run; 1: something would (with `--strict`, warnings too); 2: wrong usage."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not 0 < arguments.deadline < math.inf:
        parser.error(f"--deadline {arguments.deadline:g} must be a positive number of seconds")
    if arguments.rows < 1 or arguments.batch < 1:
        parser.error(f"--rows {arguments.rows} and --batch {arguments.batch} must be at least 1")
    try:
        _check_name(arguments.function)
        settings = dict(_setting(text) for text in arguments.set)
        cases = _cases(arguments)
    except ValueError as error:
        parser.error(str(error))
    try:
        subject = Subject(arguments.function, settings, arguments.deadline)
    except (ValueError, RewardDeadlineError) as error:
        return _not_loaded(parser, str(error))
    print(f"{arguments.function}: {len(cases)} completions of {len({case.item.problem.id for case in cases})} rows\n")
    with closing(subject):
        levels = Counter(_print(finding) for finding in examine(subject, cases, arguments.batch))
    print(f"\n{_plural(levels['problem'], 'problem')}, {_plural(levels['warning'], 'warning')}")
    return int(levels["problem"] > 0 or (arguments.strict and levels["warning"] > 0))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grpo.rewards.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("function", help="registered name, pkg.module.fn or path/file.py:fn")
    parser.add_argument("--data", type=Path, metavar="ROWS.jsonl", help="rows to try it on (default: four sums)")
    parser.add_argument(
        "--rows", type=int, default=RowOptions().limit, help="most rows of --data (default %(default)s)"
    )
    parser.add_argument("--prompt-column", default="prompt", help="column of the prompt (default %(default)s)")
    parser.add_argument("--answer-column", default="answer", help="column of the gold answer (default %(default)s)")
    parser.add_argument(
        "--template", default=TEMPLATE, help="completion made from a gold answer, with {answer} (default %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the function; VALUE is JSON or text",
    )
    parser.add_argument("--deadline", type=float, default=10.0, help="seconds for one call here (default %(default)s)")
    parser.add_argument(
        "--batch", type=int, default=256, help="completions of a step, to estimate its time (default %(default)s)"
    )
    parser.add_argument("--strict", action="store_true", help="warnings count as problems")
    return parser


def _check_name(name: str) -> None:
    """What can be told without importing anything: that there is such a registered name or such a file."""
    path, colon, _ = name.rpartition(":")
    if not (Path(path).suffix == ".py" and Path(path).is_file() if colon else "." in name):
        registry.resolve(name)


def _not_loaded(parser: argparse.ArgumentParser, text: str) -> int:
    """The user's own traceback as it is; without one where a name or a setting is wrong, which is usage."""
    frames = [line for line in text.splitlines() if line.lstrip().startswith('File "')]
    if frames and any(str(module.__file__) in frames[-1] for module in (registry, configured)):
        parser.error(text.partition("\n")[0])
    print(text, file=sys.stderr)
    return 1


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"--set {text!r} must be KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _cases(arguments: argparse.Namespace) -> list[Case]:
    if "{answer}" not in arguments.template:
        raise RowsError(f"--template {arguments.template!r} must have {{answer}} in it")
    if arguments.data is None:
        return built_in_cases(arguments.template)
    options = RowOptions(
        prompt=arguments.prompt_column,
        answer=arguments.answer_column,
        template=arguments.template,
        limit=arguments.rows,
    )
    return cases_from(arguments.data, options)


def _print(finding: Finding) -> str:
    text = finding.text if len(finding.text) <= MAX_LINE else finding.text[:MAX_LINE] + " …"
    first, *others = text.split("\n")
    print(f"{MARKS[finding.level]}{finding.what:<22}{first}", *(f"{'':<24}{line}" for line in others), sep="\n")
    sys.stdout.flush()
    return finding.level


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


if __name__ == "__main__":
    sys.exit(main())
