"""Tables of docs/performance.md about what is learnt: each algorithm, our loop beside TRL's, self-improvement."""

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


POINTS = {
    "rl1": "RL",
    "sft1": "rejection sampling, fine-tuning of the base",
    "rl2": "RL",
    "sft2": "rejection sampling, fine-tuning of the base",
    "rl3": "RL",
}
TAUGHT = {
    "rl": "own RL, as much as the fine-tuning",
    "rl_and_traces": "own RL, as much as fine-tuning and traces",
}


def improvement_table(record: Mapping[str, Any]) -> Iterator[str]:
    """The rounds beside reinforcement alone at each point's cost, and the student's two ways."""
    plan, sizes, parameters = record["plan"], record["plan"]["sizes"], record["parameters"]
    yield (
        f"\n{len(plan['seeds'])} seeds; a model of {parameters['model']:,} parameters, a student of "
        f"{parameters['student']:,}; {sizes['held_out']} held-out problems, {plan['samples']} samples of each. RL: "
        f"{sizes['prompts']} prompts × {sizes['completions']} completions a step, {plan['rl_steps']} steps between the "
        f"rounds, learning rate {plan['lr']:g}, constant."
    )
    if record["rounds"]["seeds"]:
        yield from _rounds(record["rounds"])
    if record["student"]["seeds"]:
        yield from _student(record["student"])
        yield "\n![Held-out accuracy over cost, rounds beside RL alone and the student's two ways](improvement.svg)"
    if record["missing"]:
        yield f"\nNot finished: {'; '.join(f'{name} ({_short(why)})' for name, why in record['missing'].items())}."


def _rounds(part: Mapping[str, Any]) -> Iterator[str]:
    yield "\n**Rounds against RL alone from the same cold start, which is stopped at the same TFLOP**\n"
    yield "| the rounds, after | TFLOP | tokens sampled, trained | seconds | rounds | RL alone | seconds | paired |"
    yield "|---|---|---|---|---|---|---|---|"
    yield f"| cold start | 0 | | | {_with_range(part['cold_start']['sampled'])} | the same | | |"
    for name, point in part["points"].items():
        cost, alone = point["rounds"]["cost"], point["plain"]["cost"]
        yield (
            f"| {POINTS[name]} | {_tera(cost)} | {_tokens(cost)} | {_mean(cost['seconds']):.0f} | "
            f"{_with_range(point['rounds']['sampled'])} | {_with_range(point['plain']['sampled'])} | "
            f"{_mean(alone['seconds']):.0f} | {_signed(point['difference']['sampled'])} |"
        )
    kept = [_percent(_share(one, "kept", "sampled")) for one in part["data_sets"].values()]
    covered = [_percent(_share(one, "problems_covered", "problems")) for one in part["data_sets"].values()]
    yield f"\nKept of what was sampled: {', '.join(kept)}; problems with a right answer: {', '.join(covered)}."


def _student(part: Mapping[str, Any]) -> Iterator[str]:
    before, traces, teacher = (part[f"cost_{name}"] for name in ("before", "of_traces", "of_teacher"))
    yield (
        f"\n**A smaller student: taught, against its own RL** (from its cold start; teacher: "
        f"{_with_range(part['teacher']['sampled'])} sampled)\n"
    )
    yield "| | student's TFLOP | fully loaded TFLOP | seconds | sampled | greedy | distilled less this, paired |"
    yield "|---|---|---|---|---|---|---|"
    yield f"| cold start | 0 | {_tera(before)} | | {_both(part['cold_start'])} | |"
    rows = {"distilled": "distilled: fine-tuned on the teacher's right answers", **TAUGHT}
    for name, title in rows.items():
        row, paired = part[name], part["difference"].get(name)
        loaded = _tera(before, row["cost"], *((traces, teacher) if name == "distilled" else ()))
        against = "" if paired is None else _signed(paired["sampled"])
        yield (
            f"| {title} | {_tera(row['cost'])} | {loaded} | {_mean(row['cost']['seconds']):.0f} | {_both(row)} | "
            f"{against} |"
        )
    yield (
        f"\nFully loaded counts the student's cold start and, for the distilled one, {_tera(traces)} TFLOP of traces "
        f"({_percent(_share(part['data_set'], 'kept', 'sampled'))} kept) and {_tera(teacher)} of the teacher's own."
    )


def _tera(*costs: Mapping[str, Any]) -> str:
    return f"{sum(_mean(cost['flops']) for cost in costs) / 1e12:.2f}"


def _tokens(cost: Mapping[str, Any]) -> str:
    return f"{_mean(cost['tokens_sampled']) / 1e3:,.0f} k, {_mean(cost['tokens_trained']) / 1e3:,.0f} k"


def _both(row: Mapping[str, Any]) -> str:
    return f"{_with_range(row['sampled'])} | {_percent(row['greedy']['mean'])}"


def _share(counts: Mapping[str, Sequence[int]], part: str, whole: str) -> float:
    return sum(counts[part]) / sum(counts[whole])


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
