"""Tables of docs/performance.md without a peer: the optimizer, what it learns, and the memory estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MEBI = 2**20


def optimizer_table(record: Mapping[str, Any]) -> Iterator[str]:
    """Time, states and temporaries of one step, per optimizer."""
    parameters = next(iter(record["figures"].values()))["parameters"]
    yield f"\n{parameters / 1e6:.1f} M parameters; states are what stays after a step, the step's extra comes on top.\n"
    yield "| | ns a parameter | states, bytes a parameter | extra MiB of a step |"
    yield "|---|---|---|---|"
    for name, row in record["figures"].items():
        time, states = 1e9 * row["seconds"]["median"] / row["parameters"], row["state_bytes"] / row["parameters"]
        yield f"| {name} | {time:.2f} | {states:.2f} | {row['extra_bytes'] / MEBI:,.0f} |"


def quality_table(record: Mapping[str, Any]) -> Iterator[str]:
    """What is learnt with each optimizer, over the same seeds, data and starts."""
    plan = record["plan"]
    if "embedded" in record:
        yield (
            f"\n**GRPO on the embedded task** (three operands up to 5), {plan['rl_steps']} steps from one cold start "
            f"per seed, {plan['seeds']} seeds, {plan['held_out']} held-out problems\n"
        )
        yield from _embedded_rows(record["embedded"])
    if "language" in record:
        yield (
            f"\n**Supervised**, {plan['language_steps']} steps on the source of Python's standard library, "
            f"{plan['seeds']} seeds; held-out loss in nats a byte\n"
        )
        yield "| | loss | 95 % over seeds | less float32 adamw, paired |"
        yield "|---|---|---|---|"
        for name, row in record["language"]["held_out"].items():
            difference = record["language"]["difference"].get(name)
            paired = "" if difference is None else f"{difference['mean']:+.4f} ({_range(difference['ci95'], '+.4f')})"
            yield f"| {name} | {row['mean']:.4f} | {_range(row['ci95'], '.4f')} | {paired} |"


def _embedded_rows(found: Mapping[str, Any]) -> Iterator[str]:
    yield "| | accuracy of each seed, 95 % interval | mean | overlaps float32 adamw: accuracy, curve |"
    yield "|---|---|---|---|"
    for name, row in found["accuracy"].items():
        seeds = ", ".join(
            f"{100 * value:.1f} ({_range([100 * end for end in ends], '.1f')})"
            for value, ends in zip(row["values"], row["ci95_by_seed"], strict=True)
        )
        shared = found["overlaps"].get(name)
        overlap = "" if shared is None else f"{_of(shared['accuracy_by_seed'])} seeds, {_of(shared['curve'])} tenths"
        yield f"| {name} | {seeds} | {100 * row['mean']:.1f} % | {overlap} |"


def estimate_table(record: Mapping[str, Any]) -> Iterator[str]:
    """Peak memory as a dry run says it, and as real runs had it."""
    yield f"\nMiB over what the process held after its imports; held-out runs are to be within {record['bound']:.0%}.\n"
    yield "| run | | estimated | measured | ratio | peak in: estimated, measured |"
    yield "|---|---|---|---|---|---|"
    for row in record["shapes"]:
        kind = "held out" if row["held_out"] else "calibration"
        sizes = f"{row['estimated_bytes'] / MEBI:,.0f} | {row['measured_bytes'] / MEBI:,.0f} | {row['ratio']:.2f}"
        yield f"| {row['name']} | {kind} | {sizes} | {row['estimated_peak']}, {row['measured_peak']} |"


def _of(flags: Sequence[bool | None]) -> str:
    known = [flag for flag in flags if flag is not None]
    return f"{sum(known)} of {len(known)}"


def _range(ends: Sequence[float] | None, form: str) -> str:
    return "-" if ends is None else f"{ends[0]:{form}} to {ends[1]:{form}}"
