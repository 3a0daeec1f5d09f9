"""Problems from files and hub data sets, with a report of every row that is no use."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from grpo.config.slices import DataConfig
from grpo.data.convert import BadRowError, problem_of
from grpo.data.rows import Row, read_rows
from grpo.types import Problem

Which = Literal["train", "held_out"]
LISTED_BAD_ROWS = 10
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    number: int
    """Line of a .jsonl file, or row of a table; counts from 1."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """What became of the rows that were looked at."""

    source: str
    """The file or hub id."""
    total: int
    """Rows looked at."""
    kept: int
    """Rows that gave a problem."""
    bad: tuple[BadRow, ...]

    def __str__(self) -> str:
        lines = [f"{self.source}: {len(self.bad)} of {self.total} rows are bad"]
        lines += [f"  row {bad.number}: {bad.reason}" for bad in self.bad[:LISTED_BAD_ROWS]]
        if len(self.bad) > LISTED_BAD_ROWS:
            lines.append(f"  and {len(self.bad) - LISTED_BAD_ROWS} more")
        return "\n".join(lines)


def load_problems(data: DataConfig, which: Which = "train", path_override: str | None = None) -> list[Problem]:
    """The problems of `read_problems`; rows left out are logged as a warning."""
    problems, report = read_problems(data, which, path_override)
    if report.bad:
        log.warning("%s; they are left out (data.on_bad_row=skip)", report)
    return problems


def read_problems(
    data: DataConfig, which: Which = "train", path_override: str | None = None
) -> tuple[list[Problem], RowReport]:
    """Training or held-out problems of `data`, in file order.

    Held out are the first `eval_rows` good rows of `eval_path`, or, without one, the last `eval_rows` rows of `path`,
    which training then leaves out. `path_override` names the set itself: no rows of it are set aside. A problem's
    id is the row's `id` column, or `train/17` and `held_out/17` for row 17.

    Raises:
        ValueError: nothing usable in the file, or bad rows with `on_bad_row: fail` (the first ten are listed).
    """
    if data.on_bad_row not in ("fail", "skip"):
        raise ValueError(f"data.on_bad_row {data.on_bad_row!r}: valid are 'fail' and 'skip'")
    rows, limit, source = _chosen_rows(data, which, path_override)
    problems, report = _converted(rows, limit, data, source=source, prefix=which)
    if report.bad and data.on_bad_row == "fail":
        raise ValueError(f"{report}\nMend the rows, or leave them out with data.on_bad_row=skip")
    if not problems and limit != 0:
        raise ValueError(f"{report}\nNo usable row is left")
    return problems, report


def _chosen_rows(data: DataConfig, which: Which, path_override: str | None) -> tuple[Sequence[Row], int | None, str]:
    """Rows to look at, the most problems to take from them (None: all), and where they come from."""
    limit = data.rows if which == "train" else data.eval_rows
    if limit is not None and limit < 0:
        raise ValueError(f"data.{'rows' if which == 'train' else 'eval_rows'} {limit} must not be negative")
    if path_override is not None:
        return _rows(path_override, data.split, data.subset), limit, path_override
    if which == "held_out" and data.eval_path is not None:
        return _rows(data.eval_path, data.eval_split, data.subset), limit, data.eval_path
    if data.path is None:
        raise ValueError("data.path is not set: give a .jsonl or .parquet file, or a hub data set id")
    rows = _rows(data.path, data.split, data.subset)
    if data.eval_path is not None:
        return rows, limit, data.path
    cut = len(rows) - data.eval_rows
    if cut <= 0:
        raise ValueError(
            f"{data.path} has {len(rows)} rows and data.eval_rows={data.eval_rows} of them are held out, which leaves "
            "none to train on: lower data.eval_rows or set data.eval_path"
        )
    return (rows[:cut] if which == "train" else rows[cut:]), limit, data.path


def _rows(path: str, split: str, subset: str | None) -> list[Row]:
    rows = read_rows(path, split=split, subset=subset)
    if not rows:
        raise ValueError(f"{path} is empty")
    return rows


def _converted(
    rows: Iterable[Row], limit: int | None, data: DataConfig, *, source: str, prefix: str
) -> tuple[list[Problem], RowReport]:
    problems: list[Problem] = []
    bad: list[BadRow] = []
    first_row_of: dict[str, int] = {}
    for row in rows:
        if limit is not None and len(problems) >= limit:
            break
        try:
            problem = _converted_row(row, data, prefix)
            if problem.id in first_row_of:
                raise BadRowError(f"id {problem.id!r} is already that of row {first_row_of[problem.id]}")
        except BadRowError as error:
            bad.append(BadRow(number=row.number, reason=str(error)))
            continue
        first_row_of[problem.id] = row.number
        problems.append(problem)
    total = len(problems) + len(bad)
    return problems, RowReport(source=source, total=total, kept=len(problems), bad=tuple(bad))


def _converted_row(row: Row, data: DataConfig, prefix: str) -> Problem:
    if row.values is None:
        raise BadRowError(row.fault or "not read")
    return problem_of(row.values, data, default_id=f"{prefix}/{row.number}")
