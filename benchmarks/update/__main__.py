"""`python -m benchmarks.update [--model 0.1B] [--dtype float32] [--out FILE.json]`: a whole step beside TRL's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.memory import MEASURED_WITH
from benchmarks.record import RESULTS, facts, write
from benchmarks.update.measure import ATTENTION, BASE, TRL_SETTINGS, Contest, Effort, measure_case, our_settings
from benchmarks.update.ours import attention_choices
from benchmarks.update.processes import Setting
from benchmarks.update.workload import CASES, LEARNING_RATE, MODELS, REWARDS, Shared


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write after every case. 1 when a bar is missed or could not be judged, else 0."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    effort = Effort(repeats=options.repeats, trial_repeats=options.trial_repeats, together=not options.one_by_one)
    record = facts("update", options.seed) | {
        "model_name": options.model,
        "memory_base": BASE,
        "memory_environment": MEASURED_WITH,
        "learning_rate": LEARNING_RATE,
        "rewards": REWARDS,
        "optimizer": "AdamW, fused, on both sides",
        "effort": asdict(effort),
        "cases": {},
    }
    for name in options.cases:
        contest = contest_of(options, name)
        record["cases"][name] = measure_case(contest, effort)
        print("\n".join(lines(name, options.model, record["cases"][name])), flush=True)
        write(record, options.out)
    met = [case["bars"][key] for case in record["cases"].values() for key in ("time_met", "memory_met")]
    return 0 if all(met) else 1


def contest_of(options: argparse.Namespace, name: str) -> Contest:
    lengths = CASES[name]
    shared = Shared(
        dtype=options.dtype,
        activations=options.activations,
        threads=options.threads,
    )
    trl = [setting for setting in TRL_SETTINGS if setting["micro_batch"] in options.micro_batches]
    return Contest(
        shape=MODELS[options.model],
        lengths=lengths,
        shared=shared,
        seed=options.seed,
        settings={"ours": our_settings(lengths, options.attention), "trl": trl},
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; a wrong one ends the program with what would be right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.update", description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="0.1B")
    parser.add_argument("--cases", type=_words, default=["main"], metavar="A,B", help=f"of {','.join(CASES)}")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="float32")
    parser.add_argument("--attention", choices=attention_choices(), default=ATTENTION, help="ours; TRL has sdpa")
    parser.add_argument("--activations", choices=("keep", "recompute"), default="keep", help="on both sides")
    parser.add_argument("--micro-batches", type=_numbers, default=[1, 2, 4, 8], help="TRL's; default: 1,2,4,8")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of the two finalists (default: 7)")
    parser.add_argument("--trial-repeats", type=int, default=1, help="steps that choose the finalists (default: 1)")
    parser.add_argument("--one-by-one", action="store_true", help="not interleaved: for models that fit only once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: results/update-MODEL-DTYPE-cpu.json")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"--cases: {', '.join(unknown)} unknown; known are {', '.join(CASES)}")
    options.out = options.out or RESULTS / f"update-{options.model}-{options.dtype}-cpu.json"
    return options


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def lines(name: str, model: str, case: dict[str, Any]) -> Iterator[str]:
    """What a person looks for first."""
    shared = case["shared"]
    millions = case["model"]["parameters"] / 1e6
    yield f"\n{name}: {model} ({millions:.0f} M), {shared['dtype']}, activations: {shared['activations']}"
    yield f"{'':<44}{'seconds':>10}{'extra MiB':>11}{'over import':>13}{'gradient error':>16}"
    for row in case["rows"]:
        title = f"{row['side']} {setting_text(row.get('setting', {}))}"
        if row["status"] != "passed":
            yield f"{title:<44}  {row['status']}: {row['reason']}"
            continue
        median = (row["seconds"] if "seconds" in row else row["trial_seconds"])["median"]
        memory, mark = row["memory"], "" if "seconds" in row else " ?"
        sizes = f"{memory['extra_bytes'] / 2**20:>11.0f}{memory['over_post_import_bytes'] / 2**20:>13.0f}"
        yield f"{title + mark:<44}{median:>10.3g}{sizes}{row['gate']['difference']:>16.2g}"
    yield f"bars: {case['bars']}   (? a trial, not one of the interleaved finalists)"


def setting_text(setting: Setting) -> str:
    """`micro_batch 8192, attention shared_prompt`."""
    return ", ".join(f"{key} {value}" for key, value in setting.items())


if __name__ == "__main__":
    sys.exit(main())
