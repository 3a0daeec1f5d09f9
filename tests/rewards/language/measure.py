"""Error and speed of `target_share`: `python -m tests.rewards.language.measure [held_out|tune]`.

Texts per second are of one core's processor time, after the model is loaded.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from grpo.rewards.language import target_share
from tests.rewards.language.mixtures import Mixture, make

LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ko", "ru", "sw", "te", "th", "zh")


def main(part: str = "held_out", worst: str = "0") -> None:
    mixtures = [mixture for seed in range(3) for mixture in make(part, seed, LANGUAGES)]
    target_share("the model is loaded now", "en")
    start = time.process_time()
    shares = [target_share(mixture.text, mixture.target) for mixture in mixtures]
    seconds = time.process_time() - start
    errors = [abs(share - mixture.share) for share, mixture in zip(shares, mixtures, strict=True)]
    characters = sum(len(mixture.text) for mixture in mixtures) / len(mixtures)
    print(f"{part}: {len(mixtures)} texts of {characters:.0f} characters on average")
    print(f"mean absolute error {_mean(errors):.4f}, largest {max(errors):.3f}, {len(mixtures) / seconds:.0f} texts/s")
    _table("construction", [mixture.construction for mixture in mixtures], errors)
    _table("target", [mixture.target for mixture in mixtures], errors)
    _print_worst(mixtures, shares, errors, int(worst))


def _table(title: str, keys: Sequence[str], errors: Sequence[float]) -> None:
    groups: dict[str, list[float]] = defaultdict(list)
    for key, error in zip(keys, errors, strict=True):
        groups[key].append(error)
    print(f"\n{title:<24} texts   mean error")
    for key, values in sorted(groups.items()):
        print(f"{key:<24} {len(values):>5}   {_mean(values):.4f}")


def _print_worst(mixtures: Sequence[Mixture], shares: Sequence[float], errors: Sequence[float], count: int) -> None:
    for _, share, mixture in sorted(zip(errors, shares, mixtures, strict=True), key=lambda row: -row[0])[:count]:
        print(f"\n{share:.3f} for {mixture.share:.3f} {mixture.target} ({mixture.construction}): {mixture.text}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main(*sys.argv[1:])
