"""Which curves a report shows, in reading order, with a sentence under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grpo.report.alarms import marks
from grpo.report.read import RunData
from grpo.report.series import Series, pick
from grpo.report.svg import Chart, line_chart
from grpo.report.text import by_unit, esc
from grpo.track.names import describe

MOST_REWARDS = 12
HELD_OUT = "eval/rewards/"


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart's title and the metrics in it, as (label, name)."""

    title: str
    metrics: tuple[tuple[str, str], ...]


FIRST_PLOTS = (Plot("Reward", (("reward", "reward"),)),)
ACCURACY = Plot("Held-out accuracy", (("sampled", "eval/sampled_accuracy"), ("greedy", "eval/greedy_accuracy")))
LAST_PLOTS = (
    Plot("Completion length", (("mean", "completions/mean_length"),)),
    Plot("Cut off at the token limit", (("share", "completions/clipped_ratio"),)),
    Plot("Groups without a signal", (("equal rewards", "frac_reward_zero_std"),)),
    Plot("Entropy", (("entropy", "entropy"),)),
    Plot("KL to the reference", (("kl", "kl"),)),
    Plot("Clipped tokens", (("clipped", "clip_ratio/region_mean"),)),
    Plot("Gradient norm", (("norm", "grad_norm"),)),
    Plot("Trainer against sampler", (("largest difference", "sampling/sampling_logp_difference/max"),)),
    Plot("Mismatch KL", (("mismatch", "mismatch_kl"),)),
    Plot("Learning rate", (("lr", "learning_rate"),)),
    Plot("Loss", (("loss", "loss"),)),
    Plot("Step time", (("seconds", "step_time"),)),
)


def plots(runs: Sequence[RunData]) -> list[Plot]:
    """The plots for which at least one run has a point."""
    names = {name for run in runs for name in run.metric_names()}
    rewards = sorted(name for name in names if name.startswith("rewards/") and name.endswith("/mean"))
    parts = tuple(
        Plot(f"Reward: {name.split('/', 1)[1].removesuffix('/mean')}", (("mean", name),))
        for name in rewards[:MOST_REWARDS]
    )
    held_out = tuple(
        Plot(f"Held-out reward: {name.removeprefix(HELD_OUT)}", (("mean", name),))
        for name in sorted(names)
        if name.startswith(HELD_OUT) and {f"{name}_low", f"{name}_high"} <= names
    )
    wanted = (*FIRST_PLOTS, *parts, ACCURACY, *held_out[:MOST_REWARDS], *LAST_PLOTS)
    return [plot for plot in wanted if any(name in names for _, name in plot.metrics)]


def run_curves(run: RunData) -> str:
    """All charts of one run."""
    stages, alarms = tuple(run.stages()), marks(run)
    charts = (_chart(plot, _series_of(run, plot)) for plot in plots([run]))
    return "".join(figure_html(replace(chart, stages=stages, marks=alarms)) for chart in charts)


def overlay_curves(runs: Sequence[RunData], labels: Sequence[str]) -> str:
    """All charts of several runs, one colour per run; a plot with two metrics becomes two charts."""
    single = [
        Plot(f"{plot.title}, {label}" if len(plot.metrics) > 1 else plot.title, ((label, name),))
        for plot in plots(runs)
        for label, name in plot.metrics
    ]
    figures = []
    for plot in single:
        name = plot.metrics[0][1]
        found = (pick(run, name, label, place) for place, (run, label) in enumerate(zip(runs, labels, strict=True)))
        series = tuple(one for one in found if one.values)
        if series:
            figures.append(figure_html(_chart(plot, series)))
    return "".join(figures)


def figure_html(chart: Chart) -> str:
    """A chart with its title, its last value, its legend and the sentence under it."""
    last = chart.series[0].values[-1] if len(chart.series) == 1 else None
    value = f'<span class="last">{by_unit(last, chart.unit)}</span>' if last is not None else ""
    unit = f'<span class="unit">{esc(chart.unit)}</span>' if chart.unit and chart.unit != "share" else ""
    keys = "".join(f'<span class="key t{one.tone}">{esc(one.label)}</span>' for one in chart.series)
    legend = f'<div class="legend">{keys}</div>' if len(chart.series) > 1 else ""
    return (
        f'<figure class="card"><h3>{esc(chart.title)} {unit}{value}</h3>{legend}{line_chart(chart)}'
        f"<figcaption>{esc(chart.caption)}</figcaption></figure>"
    )


def _series_of(run: RunData, plot: Plot) -> tuple[Series, ...]:
    found = (pick(run, name, label, place) for place, (label, name) in enumerate(plot.metrics))
    return tuple(one for one in found if one.values)


def _chart(plot: Plot, series: tuple[Series, ...]) -> Chart:
    metric = describe(plot.metrics[0][1])
    caption = f"{metric.meaning} {metric.good}".strip() if metric else ""
    return Chart(title=plot.title, unit=metric.unit if metric else "", series=series, stages=(), caption=caption)
