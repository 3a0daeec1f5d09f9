"""Tables of docs/performance.md about what is learnt: every algorithm, our loop beside TRL's, the language reward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
        yield f"\nNot finished: {'; '.join(f'{name} ({_short(why)})' for name, why in record['missing'].items())}."


def _block(rows: Mapping[str, Mapping[str, Any]], against: Mapping[str, Any]) -> Iterator[str]:
    yield "| | sampled, each seed | mean, 95 % over seeds | less the first row, paired | greedy | tokens | rollouts |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in rows.items():
        seeds = ", ".join(_percent(value) for value in row["sampled"]["values"])
        paired = "" if name not in against else _signed(against[name])
        tokens, steps = _mean(row["tokens_sampled"]), _mean(row["steps"])
        yield (
            f"| {row['title']} | {seeds} | {_with_range(row['sampled'])} | {paired} | "
            f"{_percent(row['greedy']['mean'])} | {tokens:,.0f} | {steps:.0f} |"
        )


def _before(before: Mapping[str, Mapping[str, float] | None]) -> str:
    return "; ".join(
        f"seed {seed} {_percent(one['sampled'])} sampled, {_percent(one['greedy'])} greedy"
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
            f"| {SIDES[side]} | {row['lr']:g} | {_percent(row['before']['sampled']['mean'])} | "
            f"{_with_range(row['after']['sampled'])} | {_percent(row['after']['greedy']['mean'])} | "
            f"{row['seconds']['mean']:.0f} | {_mean(row['tokens']):,.0f} | {row['peak_rss_bytes'] / 2**20:,.0f} |"
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
                f"| {SIDES[side]} | {seed} | {_percent(one['target'])} | {one['trl_seconds']:.1f} | {after} | "
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
        figures = [_percent(row[name]) if name in row else "failed" for name in names]
        yield f"| {SIDES[side]} | {' | '.join(figures)} | {chosen[side]:g} |"


def language_table(record: Mapping[str, Any]) -> Iterator[str]:
    """Held-out consistency and accuracy of the cold starts and of both sides, and what the reward changes."""
    plan = record["plan"]
    yield (
        f"\nCold starts of {plan['cold_steps']} supervised steps, then {plan['steps']} rollouts of {plan['prompts']} "
        f"prompts × 8 completions; learning rate {plan['lr']:g}, weight of the language reward {plan['weight']:g}; "
        f"{plan['held_out']} held-out problems.\n"
    )
    names = {"cold start": record["cold_start"]}
    names |= {f"{side} the language reward": row for side, row in record["sides"].items()}
    for mode in ("sampled", "greedy"):
        yield f"| {mode} | consistency, each seed | mean, 95 % over seeds | accuracy, each seed | mean, 95 % | tokens |"
        yield "|---|---|---|---|---|---|"
        for name, row in names.items():
            if row["seeds"]:
                length = f"{row['length']['mean']:.1f}" if "length" in row else ""
                yield f"| {name} | {_both(row[mode], _percent, _with_range)} | {length} |"
        if record["difference"]:
            paired, length = record["difference"][mode], _tokens(record["difference"]["length"])
            yield f"| with less without, points | {_both(paired, _points, _signed)} | {length} |"
        yield ""
    if record["missing"]:
        yield f"Not finished: {'; '.join(f'{name} ({_short(why)})' for name, why in record['missing'].items())}."
    if record["sides"]:
        yield "![Consistency, accuracy and length over the steps, with and without the language reward](language.svg)"


def _both(row: Mapping[str, Any], one: Callable[[float], str], ranged: Callable[[Mapping[str, Any]], str]) -> str:
    cells = [
        cell
        for figure in ("consistency", "accuracy")
        for cell in (", ".join(one(value) for value in row[figure]["values"]), ranged(row[figure]))
    ]
    return " | ".join(cells)


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _tokens(found: Mapping[str, Any]) -> str:
    ends = "" if found["ci95"] is None else " ({:+.1f} to {:+.1f})".format(*found["ci95"])
    return f"{found['mean']:+.1f}{ends}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _with_range(found: Mapping[str, Any]) -> str:
    if found["ci95"] is None:
        return _percent(found["mean"])
    low, high = found["ci95"]
    return f"{_percent(found['mean'])} ({100 * low:.1f} to {100 * high:.1f})"


def _signed(found: Mapping[str, Any]) -> str:
    ends = "" if found["ci95"] is None else " ({:+.1f} to {:+.1f})".format(*(100 * end for end in found["ci95"]))
    return f"{100 * found['mean']:+.1f}{ends}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _short(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:80]
