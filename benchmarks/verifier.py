"""`python -m benchmarks.verifier [--out FILE.json]`: judgements a second, beside math-verify, both on one core.

MATH-500 is read from the folder that the environment variable GRPO_DATA names, and left out without it.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import math
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.verifier_pool import pool_costs
from grpo.rewards.math import clear_caches, close, start, verify_batch
from grpo.run.commit import git_commit

Pairs = Sequence[tuple[str, str]]
"""Gold and text."""
PACKAGES = ("math-verify", "latex2sympy2_extended", "sympy", "mpmath")
BARS = {"integers": 20.0, "fractions": 40.0, "math500_equal": 10.0, "math500_unequal": 10.0}
"""How many times as fast as math-verify we want to be."""
WARM_UP: Pairs = (("2", r"\boxed{2}"), (r"\frac{1}{2}", r"\boxed{0.5}"), ("x+1", r"\boxed{1+x}"), ("3", "none"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    pairs: int = 500
    """Of each workload, distinct."""
    repeats: int = 5
    seed: int = 0


QUICK = Sizes(pairs=60, repeats=3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if one is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verifier", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few pairs: a look, not a result")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    options = parser.parse_args(arguments)
    record = measure(QUICK if options.quick else Sizes())
    print("\n".join(table(record)))
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(sizes: Sizes) -> dict[str, Any]:
    """Everything, as the JSON file has it. The process and all it starts stay on one core until the end."""
    cores = os.sched_getaffinity(0)
    core = min(cores)
    os.sched_setaffinity(0, {core})
    close()  # workers of before would run elsewhere
    try:
        return facts(sizes, core) | {"pool": pool_costs(sizes.seed), "workloads": _measured(sizes)}
    finally:
        close()
        os.sched_setaffinity(0, cores)


def facts(sizes: Sizes, core: int) -> dict[str, Any]:
    """Where and with what."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "machine": {"name": platform.machine(), "cores": os.cpu_count(), "pinned_to": core, "load": os.getloadavg()},
        "versions": {"python": platform.python_version()} | versions,
        "commit": git_commit(),
        "pairs": sizes.pairs,
        "repeats": sizes.repeats,
        "seed": sizes.seed,
    }


def _measured(sizes: Sizes) -> dict[str, Any]:
    """Repeats are interleaved: ours, then theirs, workload by workload, so that a slow minute hits both."""
    contenders = (_Ours(), _MathVerify())
    seconds: dict[str, dict[str, list[float]]] = {}
    equal: dict[str, dict[str, float]] = {}
    count: dict[str, int] = {}
    for repeat in range(sizes.repeats):
        for name, pairs in workloads(random.Random(sizes.seed * 1000 + repeat), sizes.pairs).items():
            count[name] = len(pairs)
            for contender in contenders:
                taken, said = _timed(contender, pairs)
                seconds.setdefault(name, {}).setdefault(contender.name, []).append(taken)
                equal.setdefault(name, {})[contender.name] = said / len(pairs)
    return {name: _summary(count[name], seconds[name], equal[name]) for name in seconds}


def _summary(count: int, seconds: dict[str, list[float]], equal: dict[str, float]) -> dict[str, Any]:
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["math_verify"], strict=True)]
    return {
        "pairs": count,
        "items_per_second": {name: count / statistics.median(times) for name, times in seconds.items()},
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "share_equal": equal,
        "seconds": seconds,
    }


class Contender(Protocol):
    """A verifier in the race."""

    name: str

    def forget(self) -> None:
        """Drop everything remembered of earlier pairs."""

    def equal(self, pairs: Pairs) -> int:
        """How many pairs it finds equal."""


class _Ours:
    name = "ours"

    def forget(self) -> None:
        clear_caches()
        close()  # the workers remember golds that they have parsed
        start()

    def equal(self, pairs: Pairs) -> int:
        results = verify_batch([gold for gold, _ in pairs], [text for _, text in pairs])
        return sum(result.equal for result in results)


class _MathVerify:
    """As its README has it: the gold in dollars, parsed first, and `verify(gold, answer)`; all defaults."""

    name = "math_verify"

    def __init__(self) -> None:
        import math_verify
        import sympy.core.cache

        self._parse, self._verify = math_verify.parse, math_verify.verify
        self.forget = sympy.core.cache.clear_cache

    def equal(self, pairs: Pairs) -> int:
        return sum(bool(self._verify(self._parse(f"${gold}$"), self._parse(text))) for gold, text in pairs)


def _timed(contender: Contender, pairs: Pairs) -> tuple[float, int]:
    """Wall seconds, and how many were found equal."""
    contender.forget()
    contender.equal(WARM_UP)
    gc.collect()
    begun = time.perf_counter()
    said = contender.equal(pairs)
    return time.perf_counter() - begun, said


def workloads(rng: random.Random, count: int) -> dict[str, Pairs]:
    """Distinct pairs of each kind; of the made ones every second is unequal."""
    made: dict[str, Pairs] = {
        "integers": [_integer(rng, index) for index in range(count)],
        "fractions": [_fraction(rng, index) for index in range(count)],
    }
    folder = os.environ.get("GRPO_DATA")
    if folder:
        rows = list(map(json.loads, (Path(folder) / "math" / "math500.jsonl").read_text(encoding="utf-8").splitlines()))
        chosen = rng.sample(rows, min(count, len(rows)))
        golds = [row["answer"] for row in chosen]
        solutions = [row["solution"] for row in chosen]
        made["math500_equal"] = list(zip(golds, solutions, strict=True))
        made["math500_unequal"] = list(zip(golds, [*solutions[1:], solutions[0]], strict=True))
    return made


def _integer(rng: random.Random, index: int) -> tuple[str, str]:
    gold = rng.randrange(-(10**6), 10**6)
    return str(gold), rf"Adding these up gives the total, so the answer is $\boxed{{{gold + index % 2}}}$."


def _fraction(rng: random.Random, index: int) -> tuple[str, str]:
    bottom = rng.randrange(2, 1000)
    top = next(one for one in iter(lambda: rng.randrange(1, 1000), 0) if math.gcd(one, bottom) == 1)
    text = rf"Dividing both sides, we get $x = \boxed{{\frac{{{top + index % 2 * bottom}}}{{{bottom}}}}}$."
    return rf"\frac{{{top}}}{{{bottom}}}", text


def table(record: dict[str, Any]) -> Iterator[str]:
    """The figures a person looks for first."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    yield f"one core of {record['machine']['name']}, {record['repeats']} repeats, {versions}, commit {record['commit']}"
    yield ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in record["pool"].items())
    rates = f"{'ours /s':>12}{'math-verify /s':>16}{'ratio':>8}{'range':>16}{'wanted':>9}"
    yield f"\n{'pairs':<18}{'n':>6}{rates}{'equal':>15}"
    for name, row in record["workloads"].items():
        rates, (low, high), equal = row["items_per_second"], row["ratio_range"], row["share_equal"]
        spread, said = f"{low:.1f}-{high:.1f}", f"{equal['ours']:.3f}/{equal['math_verify']:.3f}"
        yield (
            f"{name:<18}{row['pairs']:>6}{rates['ours']:>12,.0f}{rates['math_verify']:>16,.0f}{row['ratio']:>8.1f}"
            f"{spread:>16}{BARS[name]:>9.0f}{said:>15}"
        )


if __name__ == "__main__":
    sys.exit(main())
