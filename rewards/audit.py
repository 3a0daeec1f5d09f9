"""How often is the math verifier wrong? `python -m grpo.rewards.audit FILE.jsonl`: labelled cases, or solutions."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grpo.rewards.audit_data import Case, read_cases, read_solutions
from grpo.rewards.math.pool import PoolError
from grpo.rewards.math.result import Result
from grpo.rewards.math.verifier import MODES, clear_caches, close, start, verify_batch

Judged = Sequence[tuple[Case, Result]]
Z_95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""
SHOWN_CHARACTERS = 60
DESCRIPTION = """\
Judges every row of a JSON-lines file and says how often the verifier is wrong, with Wilson 95 % intervals.
A row is {"gold": "1/2", "text": "so \\\\boxed{0.5}", "equal": true, "type": "fraction"}; the type may be missing.
With --self-check the rows are problems with solutions, each of which must reach its own answer: GSM8K's
{"answer": "... #### 12"}, or MATH's {"solution": "... \\\\boxed{12} ...", "answer": "12"}, answer or not."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report. 0, or 2 when the file is no good or the verifier does not start."""
    options = _parser().parse_args(arguments)
    try:
        cases = (read_solutions if options.self_check else read_cases)(options.file)
        start()
        clear_caches()
        begun = time.monotonic()
        golds, texts = [case.gold for case in cases], [case.text for case in cases]
        results = verify_batch(golds, texts, mode=options.mode, deadline_seconds=options.deadline)
        seconds = time.monotonic() - begun
    except (OSError, ValueError, PoolError) as error:
        print(f"{type(error).__name__}: {error}" if isinstance(error, OSError) else error, file=sys.stderr)
        return 2
    finally:
        close()
    print(f"{options.file}: {len(cases)} rows, mode {options.mode}, {seconds:.2f} s")
    print("\n".join(report(list(zip(cases, results, strict=True)), options.slowest, options.mistakes)))
    return 0


def report(judged: Judged, slowest: int, mistakes: int) -> Iterator[str]:
    """Lines: rates by type and in all, counts of verdicts, the mistakes, the slowest cases."""
    types = sorted({case.type for case, _ in judged})
    yield f"\n{'type':<20}{'rows':>7}{'correct':>10}   {'false negatives':<38}{'false positives':<38}"
    for name in types if len(types) > 1 else []:
        yield _row(name, [(case, result) for case, result in judged if case.type == name])
    yield _row("total", judged)
    counts = Counter(result.verdict.value for _, result in judged)
    yield "\nverdicts: " + ", ".join(f"{name} {count}" for name, count in counts.most_common())
    yield from _listed("mistakes", [one for one in judged if _is_mistake(*one)], mistakes)
    ranked = sorted(judged, key=lambda one: -one[1].milliseconds)
    yield from _listed("slowest", ranked, slowest)


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), as shares; (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    share, squared = count / of, Z_95**2
    centre = (share + squared / (2 * of)) / (1 + squared / of)
    half = Z_95 / (1 + squared / of) * math.sqrt(share * (1 - share) / of + squared / (4 * of * of))
    return max(0.0, centre - half), min(1.0, centre + half)


def _is_mistake(case: Case, result: Result) -> bool:
    return case.equal != result.equal


def _row(name: str, judged: Judged) -> str:
    correct = sum(not _is_mistake(*one) for one in judged) / max(1, len(judged))
    negatives = _rate(judged, lambda case: case.equal)
    positives = _rate(judged, lambda case: not case.equal)
    return f"{name[:19]:<20}{len(judged):>7}{correct:>10.2%}   {negatives:<38}{positives:<38}".rstrip()


def _rate(judged: Judged, of: Callable[[Case], bool]) -> str:
    chosen = [one for one in judged if of(one[0])]
    if not chosen:
        return "none labelled so"
    wrong = sum(_is_mistake(*one) for one in chosen)
    low, high = wilson(wrong, len(chosen))
    return f"{wrong}/{len(chosen)} = {wrong / len(chosen):.2%} [{low:.2%}, {high:.2%}]"


def _listed(title: str, judged: Judged, most: int) -> Iterator[str]:
    if not judged or not most:
        return
    yield f"\n{title} ({min(most, len(judged))} of {len(judged)}):"
    for case, result in judged[:most]:
        said = ", ".join(filter(None, (result.verdict.value, result.path, result.reason)))
        label = "equal" if case.equal else "not equal"
        yield f"  row {case.row}, {result.milliseconds:.1f} ms, labelled {label}: {said}"
        yield f"    gold {_short(case.gold)}  extracted {_short(result.extracted)}  text {_short(case.text, tail=True)}"


def _short(text: str | None, *, tail: bool = False) -> str:
    """For one line of a terminal, whatever control characters the text has."""
    if text is None:
        return "nothing"
    if len(text) > SHOWN_CHARACTERS:
        text = "..." + text[-SHOWN_CHARACTERS:] if tail else text[:SHOWN_CHARACTERS] + "..."
    return f"'{text}'" if text.isascii() and text.isprintable() else ascii(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grpo.rewards.audit",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--self-check", action="store_true", help="the rows are problems with solutions")
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="strict: only a box or an answer tag counts")
    parser.add_argument("--deadline", type=float, default=1.0, metavar="SECONDS", help="CPU time of one row")
    parser.add_argument("--mistakes", type=_count, default=20, metavar="N", help="how many mistakes to show")
    parser.add_argument("--slowest", type=_count, default=10, metavar="N", help="how many slow rows to show")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a count such as 10")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
