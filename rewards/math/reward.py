"""The reward for mathematical answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from grpo.rewards.math.result import Result, Verdict
from grpo.rewards.math.verifier import verify_batch
from grpo.rewards.text import completion_text
from grpo.types import Message

SLOW_PATHS = ("numeric", "symbolic", "pool")
"""Values of `Result.path` for judgements that computed with many digits, or that were cut off."""
_SHARES = {
    "math/no_answer": Verdict.NO_ANSWER,
    "math/unparsable": Verdict.UNPARSABLE,
    "math/timed_out": Verdict.TIMED_OUT,
    "math/errors": Verdict.ERROR,
}


def math_answer(
    completions: Sequence[str | Sequence[Message]],
    answer: Sequence[str],
    log_metric: Callable[[str, float], None] | None = None,
    *,
    mode: str = "lenient",
    **_: Any,
) -> list[float]:
    """1.0 where the completion's answer equals the gold as mathematics; 0.0 where not, or where none can be read.

    A judgement that ran past its deadline gives 0.0 and counts as `math/timed_out`: the text was too hard. One that
    failed gives NaN, which the suite turns into a counted error. `answer` holds bare golds: `\\frac{1}{2}`, `12`.
    `mode` is `lenient`, or `strict` to take an answer from a box or an answer tag only.

    Logs the shares `math/no_answer`, `math/unparsable`, `math/timed_out`, `math/errors` and `math/fast_path` (decided
    without computing many digits), `math/p99_ms` (of one judgement), `math/lenient_accuracy` and `math/strict_accuracy`
    (right, and in a box or an answer tag).

    Raises:
        ValueError: a gold cannot be read, so nothing could be right; or `mode` is neither of the two.
        PoolError: the verifier's processes do not start.
    """
    texts = [completion_text(completion) for completion in completions]
    results = verify_batch(answer, texts, mode=mode)
    _check_golds(answer, results)
    if log_metric is not None and results:
        for name, value in (shares(results) | _accuracies(answer, texts, results, mode)).items():
            log_metric(name, value)
    return [math.nan if one.verdict is Verdict.ERROR else float(one.equal) for one in results]


def shares(results: Sequence[Result]) -> dict[str, float]:
    """What is logged about a batch of at least one result."""
    count = len(results)
    logged = {name: sum(one.verdict is verdict for one in results) / count for name, verdict in _SHARES.items()}
    logged["math/fast_path"] = sum(one.path not in SLOW_PATHS for one in results) / count
    ranked = sorted(one.milliseconds for one in results)
    logged["math/p99_ms"] = ranked[math.ceil(0.99 * count) - 1]
    return logged


def is_bad_gold(result: Result) -> bool:
    """Whether the judgement failed because of the gold, and not because of the text."""
    return result.verdict is Verdict.ERROR and result.reason.startswith("gold")


def _check_golds(golds: Sequence[str], results: Sequence[Result]) -> None:
    for gold, result in zip(golds, results, strict=True):
        if is_bad_gold(result):
            raise ValueError(f"gold answer {gold[:80]!r} cannot be read as a mathematical answer ({result.reason})")


def _accuracies(golds: Sequence[str], texts: Sequence[str], results: Sequence[Result], mode: str) -> dict[str, float]:
    """Strict mode reads fewer places for an answer: what it finds right, lenient mode does; only the rest is asked."""
    other = "strict" if mode == "lenient" else "lenient"
    asked = [pair for pair, one in zip(zip(golds, texts, strict=True), results, strict=True)
             if one.equal == (mode == "lenient")]  # fmt: skip
    found = sum(one.equal for one in verify_batch([g for g, _ in asked], [t for _, t in asked], mode=other))
    right = sum(one.equal for one in results)
    counts = {mode: right, other: found if other == "strict" else right + found}
    return {f"math/{name}_accuracy": count / len(results) for name, count in counts.items()}
