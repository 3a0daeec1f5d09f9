"""`python -m grpo.report RUN [RUN ...]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from grpo.report.page import report_html, write_comparison, write_page, write_report
from grpo.report.picture import write_curve_picture
from grpo.report.read import read_run

COMPARISON_FILE = "comparison.html"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m grpo.report",
        description="Build one self-contained HTML page from a run's files (finished, running or killed): "
        "accuracy before and after, curves, cost, and what the policy wrote. "
        "Several runs: their curves over one another.",
    )
    made.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a run folder, such as runs/<date>_<name>_<id>")
    made.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where to write (default: RUN/report.html; {COMPARISON_FILE} here for several runs)",
    )
    made.add_argument(
        "--picture", type=Path, metavar="FILE.svg", help="write a small learning curve of all runs instead of a page"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 with a message on standard error otherwise."""
    options = parser().parse_args(arguments)
    try:
        print(_write(options.runs, options.out, options.picture))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _write(runs: list[Path], out: Path | None, picture: Path | None) -> Path:
    if picture is not None and out is not None:
        raise ValueError("--picture and --out exclude each other: --picture takes its own file name")
    if picture is not None:
        return write_curve_picture(runs, picture)
    if len(runs) > 1:
        return write_comparison(runs, out or Path(COMPARISON_FILE))
    return write_page(out, report_html(read_run(runs[0]))) if out else write_report(runs[0])


if __name__ == "__main__":
    sys.exit(main())
