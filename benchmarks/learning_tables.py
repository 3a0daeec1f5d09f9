"""Tables of docs/performance.md about what is learnt: every algorithm on one task, and our loop beside TRL's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BLOCKS = {
    "on": "One optimizer step a rollout: ratios are 1, and what differs is advantage, normaliser and penalty",
    "off": "Four optimizer steps a rollout: ratios leave 1, and losses that clip or weigh them differ",
}
SIDES = {"ours": "ours, `transformers`", "trl": "TRL's GRPOTrainer, `transformers`", "vllm": "ours, vLLM"}


def algorithms_table(record: Mapping[str, Any]) -> Iterator[str]:
    """Held-out accuracy of every algorithm, block by block."""
    plan = record["plan"]
    sizes = plan["sizes"]
    yield (
        f"\n{plan['tokens']:,} sampled tokens a run, about {plan['steps']} rollouts of {sizes['prompts']} prompts × "
        f"{sizes['completions']} completions; learning rate {plan['lr']:g}, constant; {sizes['held_out']} held-out "
        f"problems. Before: {_before(record['before'])}."
    )
    for block, title in BLOCKS.items():
        rows = {name: row for name, row in record["rows"].items() if row["block"] == block and row["seeds"]}
        if rows:
            yield f"\n**{title}**\n"
            yield from _block(rows, record["against"])
    if record["missing"]:
        yield f"\nNot finished: {'; '.join(f'{name} ({short(why)})' for name, why in record['missing'].items())}."


def _block(rows: Mapping[str, Mapping[str, Any]], against: Mapping[str, Any]) -> Iterator[str]:
    yield "| | sampled, each seed | mean, 95 % over seeds | less the first row, paired | greedy | tokens | rollouts |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in rows.items():
        seeds = ", ".join(percent(value) for value in row["sampled"]["values"])
        paired = "" if name not in against else signed(against[name])
        tokens, steps = mean(row["tokens_sampled"]), mean(row["steps"])
        yield (
            f"| {row['title']} | {seeds} | {with_range(row['sampled'])} | {paired} | "
            f"{percent(row['greedy']['mean'])} | {tokens:,.0f} | {steps:.0f} |"
        )


def _before(before: Mapping[str, Mapping[str, float] | None]) -> str:
    return "; ".join(
        f"seed {seed} {percent(one['sampled'])} sampled, {percent(one['greedy'])} greedy"
        for seed, one in before.items()
        if one
    )


def race_table(record: Mapping[str, Any]) -> Iterator[str]:
    """Both sides at the shared budget, when ours was as good as TRL in the end, and where the time goes."""
    plan, sizes = record["plan"], record["plan"]["sizes"]
    yield (
        f"\n{plan['steps']} steps of {sizes['prompts']} prompts × {sizes['completions']} completions on "
        f"{plan['threads']} threads, {len(plan['seeds'])} seeds; {sizes['held_out']} held-out problems. TRL's "
        f"micro-batch: {record['chosen']['micro_batch']} completions.\n"
    )
    yield "| | learning rate | held-out sampled before | after | greedy after | seconds | tokens | peak memory, MiB |"
    yield "|---|---|---|---|---|---|---|---|"
    for side, row in record["sides"].items():
        yield (
            f"| {SIDES[side]} | {row['lr']:g} | {percent(row['before']['sampled']['mean'])} | "
            f"{with_range(row['after']['sampled'])} | {percent(row['after']['greedy']['mean'])} | "
            f"{row['seconds']['mean']:.0f} | {mean(row['tokens']):,.0f} | {row['peak_rss_bytes'] / 2**20:,.0f} |"
        )
    yield from _bars(record)
    yield from _phases(record["sides"])
    yield from _rates(record["rates"], record["chosen"]["lr"])
    if {"ours", "trl"} <= set(record["sides"]):
        yield "\n![Accuracy over seconds and over completions sampled, ours and TRL](race.svg)"


def _bars(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"\nUntil training accuracy (mean of {record['window']} steps) is what TRL's was over its last ones:\n"
    yield "| | seed | TRL's accuracy | TRL's seconds | reached after | step | ratio | to when TRL first had it |"
    yield "|---|---|---|---|---|---|---|---|"
    for side, bar in record["bars"].items():
        for seed, one in bar["seeds"].items():
            there = one["ratio"] is not None
            after = f"{one['reached_seconds']:.1f} s | {one['reached_step']}" if there else "not reached | "
            ratio, strict = _ratio(one["ratio"]), _ratio(one["ratio_to_reached"])
            yield (
                f"| {SIDES[side]} | {seed} | {percent(one['target'])} | {one['trl_seconds']:.1f} | {after} | "
                f"{ratio} | {strict} |"
            )
    yield ""
    for side, bar in record["bars"].items():
        met = "within" if bar["met"] else "**above**"
        median = "not reached" if bar["median_ratio"] is None else f"{bar['median_ratio']:.2f}"
        yield f"{SIDES[side]}: median {median}, {met} the {bar['allowed']} wanted. "


def _phases(sides: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in sides.values() for name in row["phases"]))
    yield "\nWhere a step's seconds go:\n"
    yield f"| | a step | {' | '.join(names)} |"
    yield "|---" * (len(names) + 2) + "|"
    for side, row in sides.items():
        parts = [f"{row['phases'][name]:.3f}" if name in row["phases"] else "" for name in names]
        yield f"| {SIDES[side]} | {row['seconds_a_step']:.2f} | {' | '.join(parts)} |"


def _rates(rates: Mapping[str, Mapping[str, float]], chosen: Mapping[str, float]) -> Iterator[str]:
    if not any(rates.values()):
        return
    yield "\nThe learning rates, by held-out sampled accuracy of one more seed at the end:\n"
    names = list(dict.fromkeys(name for row in rates.values() for name in row))
    yield f"| | {' | '.join(names)} | chosen |"
    yield "|---" * (len(names) + 2) + "|"
    for side, row in rates.items():
        figures = [percent(row[name]) if name in row else "failed" for name in names]
        yield f"| {SIDES[side]} | {' | '.join(figures)} | {chosen[side]:g} |"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def with_range(found: Mapping[str, Any]) -> str:
    if found["ci95"] is None:
        return percent(found["mean"])
    low, high = found["ci95"]
    return f"{percent(found['mean'])} ({100 * low:.1f} to {100 * high:.1f})"


def signed(found: Mapping[str, Any]) -> str:
    ends = "" if found["ci95"] is None else " ({:+.1f} to {:+.1f})".format(*(100 * end for end in found["ci95"]))
    return f"{100 * found['mean']:+.1f}{ends}"


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def short(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:80]
