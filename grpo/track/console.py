"""One line a step on stdout, and a progress bar on stderr when a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from grpo.track.writer import StageStart, Writer
from grpo.types import StepMetrics

if TYPE_CHECKING:
    from tqdm import tqdm

SUPERVISED_LINE_EVERY = 10
"""Supervised steps are short and many: a line every tenth, and the first and last."""

FIELDS = (
    ("loss", "loss", "loss"),
    ("sampled", "eval/sampled_accuracy", "eval/sampled_accuracy"),
    ("greedy", "eval/greedy_accuracy", "eval/greedy_accuracy"),
    ("format", "eval/format", "eval/format"),
)
"""(label, shown only beside this metric, metric) of what is not reinforcement."""


class Console(Writer):
    """Writes greppable lines to stdout; the bar needs a terminal on stderr."""

    def __init__(self) -> None:
        self._stage: StageStart | None = None
        self._bar: tqdm[Any] | None = None

    def stage_started(self, start: StageStart) -> None:
        self._end_bar()
        self._stage = start
        if start.steps > 0 and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=start.steps,
                initial=start.done_steps,
                desc=start.name,
                unit="step",
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
            )
        resumed = f", going on after {start.done_steps}" if start.done_steps else ""
        self.message(f"stage {start.name} ({start.kind}): {start.steps} steps{resumed}")

    def log(self, metrics: StepMetrics) -> None:
        if self._bar is not None:
            self._bar.update(metrics.stage_step - self._bar.n)
        if self._is_shown(metrics):
            self.message(step_line(metrics, self._steps(metrics)))

    def message(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)
        if self._bar is not None:
            self._bar.refresh()

    def close(self, status: str) -> None:
        self._end_bar()
        self.message(f"run {status}")

    def _steps(self, metrics: StepMetrics) -> int | None:
        return self._stage.steps if self._stage is not None and self._stage.name == metrics.stage else None

    def _is_shown(self, metrics: StepMetrics) -> bool:
        if "loss" not in metrics.values or "reward" in metrics.values:
            return True
        ends = (1, self._steps(metrics))
        return metrics.stage_step in ends or metrics.stage_step % SUPERVISED_LINE_EVERY == 0

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def step_line(metrics: StepMetrics, steps: int | None) -> str:
    """`step 12 rl 12/120 | reward 0.412 | ... | lr 1e-04 | 2.1 s (rollout 1.2 update 0.7)`."""
    values = metrics.values
    of = f"/{steps}" if steps else ""
    fields = [f"step {metrics.step} {metrics.stage} {metrics.stage_step}{of}"]
    fields += _reinforcement(values) if "reward" in values else _other(values)
    for label, name, form in (("grad", "grad_norm", ".3g"), ("lr", "learning_rate", ".3g")):
        if name in values:
            fields.append(f"{label} {values[name]:{form}}")
    if "step_time" in values:
        fields.append(_times(values))
    return " | ".join(fields)


def _reinforcement(values: Mapping[str, float]) -> list[str]:
    fields = [f"reward {values['reward']:.3f}"]
    fields += [
        f"{name.split('/', 1)[1].removesuffix('/mean')} {value:.3f}"
        for name, value in values.items()
        if name.startswith("rewards/") and name.endswith("/mean")
    ]
    for label, name, form in (
        ("len", "completions/mean_length", ".1f"),
        ("cut", "completions/clipped_ratio", ".2f"),
        ("clip_frac", "clip_ratio/region_mean", ".3f"),
        ("kl", "kl", ".4f"),
        ("entropy", "entropy", ".3f"),
        ("dead", "frac_reward_zero_std", ".2f"),
    ):
        if name in values:
            fields.append(f"{label} {values[name]:{form}}")
    if values.get("reward_errors"):
        fields.append(f"errors {values['reward_errors']:.0f}")
    return fields


def _other(values: Mapping[str, float]) -> list[str]:
    fields = []
    for label, beside, name in FIELDS:
        if beside in values and name in values:
            fields.append(f"{label} {values[name]:.3f}{_interval(values, name)}")
    return fields


def _interval(values: Mapping[str, float], name: str) -> str:
    low, high = values.get(name + "_low"), values.get(name + "_high")
    return f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""


def _times(values: Mapping[str, float]) -> str:
    parts = [
        f"{name} {values['time/' + name]:.1f}"
        for name in ("rollout", "reward", "update", "sync", "checkpoint")
        if values.get("time/" + name, 0.0) >= 0.05
    ]
    return f"{values['step_time']:.1f} s" + (f" ({' '.join(parts)})" if parts else "")
