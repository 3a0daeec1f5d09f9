"""`python -m benchmarks.head [--tokens 1024,4096] [--out FILE.json]`: the LM head with the GRPO token loss."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.head.measure import BARE, BASE, Effort, measure_case
from benchmarks.head.problem import CLIP, LEAST_PEAK, MOST_PEAK, PEAKED_SHARE, SEQUENCES, HeadShape
from benchmarks.head.rivals import RIVALS
from benchmarks.memory import MEASURED_WITH
from benchmarks.record import RESULTS, facts, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write after every case. 1 when our row failed its gate or missed a bar, else 0."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    record = facts("head", options.seed) | {
        "memory_base": BASE,
        "memory_environment": MEASURED_WITH,
        "inputs": {
            "peaked_share": PEAKED_SHARE,
            "peaks": [LEAST_PEAK, MOST_PEAK],
            "sequences": SEQUENCES,
            "clip": CLIP,
        },
        "effort": asdict(effort_of(options)),
        "cases": [],
    }
    for tokens in options.tokens:
        shape = HeadShape(tokens=tokens, hidden=options.hidden, vocab=options.vocab, dtype=options.dtype)
        record["cases"].append(measure_case(shape, options.seed, effort_of(options), options.rivals))
        print("\n".join(lines(record["cases"][-1])), flush=True)
        write(record, options.out)
    met = [case["bars"][key] for case in record["cases"] for key in ("time_met", "memory_met")]
    return 0 if all(met) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; a wrong one ends the program with what would be right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.head", description=__doc__)
    parser.add_argument("--hidden", type=int, default=896)
    parser.add_argument("--vocab", type=int, default=151936)
    parser.add_argument("--tokens", type=_numbers, default=[1024, 4096], metavar="T,T", help="default: 1024,4096")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of the timing (default: 7)")
    parser.add_argument("--slow-seconds", type=float, default=30.0, help="slower rivals get 2 rounds (default: 30)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    names = [rival.name for rival in RIVALS]
    parser.add_argument("--rivals", type=lambda text: text.split(","), default=names, help=f"of {','.join(names)}")
    parser.add_argument("--out", type=Path, default=RESULTS / "head-cpu.json", metavar="FILE.json")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.rivals) - set(names))
    if unknown:
        parser.error(f"--rivals: {', '.join(unknown)} unknown; known are {', '.join(names)}")
    return options


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def effort_of(options: argparse.Namespace) -> Effort:
    return Effort(repeats=options.repeats, slow_seconds=options.slow_seconds)


def lines(case: dict[str, Any]) -> Iterator[str]:
    """What a person looks for first."""
    shape, bare = case["shape"], case[BARE]["seconds"]["median"]
    yield f"\nT {shape['tokens']}, H {shape['hidden']}, V {shape['vocab']}, {shape['dtype']}"
    yield f"{'':<48}{'seconds':>10}{'x bare':>8}{'extra MiB':>11}{'gradient error':>16}"
    yield f"{'three bare matrix products':<48}{bare:>10.3g}{1:>8.2f}"
    for row in case["rows"].values():
        if "seconds" not in row:
            yield f"{row['title']:<48}  {row['status']}: {row['reason']}"
            continue
        median, memory = row["seconds"]["median"], row["memory"]
        extra = f"{memory['extra_bytes'] / 2**20:>11.0f}" if "extra_bytes" in memory else f"{'error':>11}"
        yield f"{row['title']:<48}{median:>10.3g}{median / bare:>8.2f}{extra}{row['gate']['difference']:>16.2g}"
    bars = case["bars"]
    speed = f"{bars['wanted_tera']} TFLOP/s" if "wanted_tera" in bars else f"{bars.get('allowed_time')} x"
    allowed = f"wanted {speed} and {bars['allowed_bytes'] / 2**20:.0f} MiB"
    yield f"bars: time {bars['time_met']}, memory {bars['memory_met']} ({allowed})"


if __name__ == "__main__":
    sys.exit(main())
