"""Accuracy on held-out problems, sampled and greedy, with 95 % intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grpo.config.schema import EvaluateConfig
from grpo.run.atomic import write_json
from grpo.run.memory import GAUGE
from grpo.stages.context import RunContext
from grpo.stages.engine_slot import EVALUATED_AT_ONCE
from grpo.stages.intervals import mean_interval, paired_gain, pass_at_k, wilson
from grpo.stages.reinforce import sampling_settings
from grpo.stages.reward_means import RewardMean, reward_means, reward_metrics
from grpo.stages.sampler import PolicySampler
from grpo.stages.scoring import Scorer
from grpo.stages.totals import Clock, StageTotals
from grpo.types import SamplingSettings, Score
from grpo.update.mismatch import mismatch_limit
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy

PROBLEMS_FILE = "problems.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One way of answering every held-out problem."""

    mode: str
    """`sampled` (temperature 1) or `greedy`."""
    samples: int
    correct: tuple[float, ...]
    """(problems,): share of each problem's samples for which the first reward function gave 1."""
    second: tuple[float, ...]
    """(problems,): mean of the second reward function, the format; empty when there is none."""
    rewards: tuple[RewardMean, ...]
    """Every reward function but the first."""
    tokens: int

    @property
    def accuracy(self) -> float:
        return sum(self.correct) / len(self.correct)

    @property
    def interval(self) -> tuple[float, float]:
        """95 %: Wilson's for one sample per problem, else over the problems' means."""
        if self.samples == 1:
            return wilson(sum(self.correct), len(self.correct))
        return mean_interval(self.correct)

    def summary(self, stage: str) -> dict[str, object]:
        """An entry of `summary.json`'s `eval` list."""
        right = [round(share * self.samples) for share in self.correct]
        ks = [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= self.samples]
        return {
            "stage": stage,
            "split": "held_out",
            "mode": self.mode,
            "accuracy": self.accuracy,
            "ci95": list(self.interval),
            "n": len(self.correct),
            "samples_per_problem": self.samples,
            "pass_at_k": {str(k): sum(pass_at_k(self.samples, r, k) for r in right) / len(right) for k in ks},
            "rewards": {one.name: one.summary() for one in self.rewards},
        }


def run_evaluate(name: str, stage: EvaluateConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Evaluate, write `stages/<name>/problems.json`, and put the figures into summary, metrics and console."""
    context.tracker.stage_started(name, stage.kind, 1)
    evaluator = Evaluator(name, stage, context)
    clock = Clock()
    try:
        with clock("sync"):
            evaluator.sampler.push_weights(context.step)
        with clock("rollout"):
            found = [evaluator.evaluate("sampled"), evaluator.evaluate("greedy")]
    finally:
        evaluator.scorer.close()
    write_json(context.folder.stage(name) / PROBLEMS_FILE, {one.mode: list(one.correct) for one in found})
    _report(name, found, context)
    context.summary.add_evaluations([one.summary(name) for one in found])
    values = _metrics(found) | clock.metrics() | {"memory/peak_rss_bytes": float(GAUGE.peak_of(name))}
    context.log(name, 1, values)
    return StageTotals(wall_seconds=clock.elapsed, tokens_sampled=sum(one.tokens for one in found))


class Evaluator:
    """One model, one set of problems, one scorer."""

    def __init__(self, name: str, stage: EvaluateConfig, context: RunContext) -> None:
        self.name, self.stage, self.context = name, stage, context
        loaded = context.load_model(stage.model_from)
        encoder = loaded.encoder(stage.data, stage.rollout.max_tokens)
        self.problems = context.fitting(encoder, context.problems(stage, "held_out"), stage)
        if not self.problems:
            raise ValueError(f"stages.{name}: there are no held-out problems to evaluate on")
        self.scorer = Scorer(stage.reward, encoder)
        optimizer = context.config.optimizer
        engine = context.engine.get(context.model_folder(stage.model_from), loaded.context)
        self.sampler = PolicySampler(
            engine,
            Policy(loaded.model.eval()),
            encoder,
            mismatch_limit(context.config.model.dtype, stage.rollout.max_logprob_diff),
            PackingLimits(micro_batch=optimizer.max_tokens_per_micro_batch),
        )

    def evaluate(self, mode: str) -> Evaluation:
        """Answer every problem in one mode and score it."""
        settings = self._settings(mode)
        correct: list[float] = []
        second: list[float] = []
        all_scores: list[list[Score]] = []
        tokens = 0
        for start in range(0, len(self.problems), EVALUATED_AT_ONCE):
            problems = self.problems[start : start + EVALUATED_AT_ONCE]
            groups = self.sampler.sample(problems, settings, self.context.config.seed, self.name, mode)
            scores = self.scorer(problems, groups, self.context.step + 1)
            all_scores += scores
            tokens += sum(len(c.token_ids) for group in groups for c in group.completions)
            correct += [_mean([float(s.parts[0] == 1.0) for s in group]) for group in scores]
            if len(self.scorer.suite.labels) > 1:
                second += [_mean([s.parts[1] or 0.0 for s in group]) for group in scores]
        return Evaluation(
            mode=mode,
            samples=settings.completions_per_prompt,
            correct=tuple(correct),
            second=tuple(second),
            rewards=reward_means(self.scorer.suite.labels, all_scores),
            tokens=tokens,
        )

    def _settings(self, mode: str) -> SamplingSettings:
        base = replace(sampling_settings(self.stage.rollout), top_p=1.0, top_k=0, min_p=0.0)
        if mode == "greedy":
            return replace(base, completions_per_prompt=1, temperature=0.0)
        return replace(base, completions_per_prompt=self.stage.samples_per_problem, temperature=1.0)


def _metrics(found: Sequence[Evaluation]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for one in found:
        low, high = one.interval
        metrics |= {
            f"eval/{one.mode}_accuracy": one.accuracy,
            f"eval/{one.mode}_accuracy_low": low,
            f"eval/{one.mode}_accuracy_high": high,
        }
    if found[0].second:
        metrics["eval/format"] = _mean(found[0].second)
    metrics |= reward_metrics(found[0].rewards)
    return metrics


def _report(name: str, found: Sequence[Evaluation], context: RunContext) -> None:
    """Say the accuracies, and what changed since the pipeline's previous evaluation of the same problems."""
    since, before = _previous(name, context)
    for one in found:
        low, high = one.interval
        line = f"{name}: {one.mode} accuracy {one.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
        if len(before.get(one.mode, [])) == len(one.correct):
            gain, (least, most) = paired_gain(before[one.mode], one.correct)
            line += f", gain over {since} {100 * gain:+.1f} points ({100 * least:+.1f} to {100 * most:+.1f})"
            context.summary.add_gain({"from": since, "to": name, "mode": one.mode, "gain": gain, "ci95": [least, most]})
        context.tracker.message(line)


def _previous(name: str, context: RunContext) -> tuple[str, dict[str, list[float]]]:
    """The pipeline's last evaluation before this one: its stage, and per mode each problem's share of right answers."""
    earlier = context.config.pipeline[: context.config.pipeline.index(name)]
    for stage in reversed(earlier):
        file = context.folder.stage(stage) / PROBLEMS_FILE
        if file.exists():
            return stage, json.loads(file.read_text())
    return "", {}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
