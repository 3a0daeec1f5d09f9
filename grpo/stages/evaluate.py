"""Accuracy on held-out problems, sampled and greedy, with 95 % intervals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from grpo.config.schema import BudgetConfig, EvaluateConfig, ReinforceConfig, SFTConfig
from grpo.data.contamination import Contamination, compared_words, contamination
from grpo.run.atomic import write_json
from grpo.run.memory import GAUGE
from grpo.stages.context import RunContext
from grpo.stages.engine_slot import EVALUATED_AT_ONCE
from grpo.stages.evaluation import Evaluation, evaluation_metrics
from grpo.stages.gains import MODES, Answered, gains, problems_digest
from grpo.stages.reinforce import sampling_settings
from grpo.stages.reward_means import reward_means
from grpo.stages.sampled import PASSED
from grpo.stages.sampler import PolicySampler
from grpo.stages.scoring import Scorer
from grpo.stages.totals import Clock, StageTotals
from grpo.types import Group, Problem, SamplingSettings, Score
from grpo.update.mismatch import mismatch_limit
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy

PROBLEMS_FILE = "problems.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the scorer says of a batch of completions; fields as those of `Evaluation`."""

    right: tuple[tuple[float, ...], ...]
    answers: tuple[tuple[str | None, ...], ...]
    scores: tuple[tuple[Score, ...], ...]
    """(problems, samples)."""


def run_evaluate(name: str, stage: EvaluateConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Evaluate, write `stages/<name>/problems.json`, and put the figures into summary, metrics and console."""
    context.tracker.stage_started(name, stage.kind, 1)
    evaluator = Evaluator(name, stage, context)
    clock = Clock()
    try:
        with clock("sync"):
            evaluator.sampler.push_weights(context.step)
        context.spent("load")
        with clock("rollout"):
            found = [evaluator.evaluate(mode) for mode in MODES]
    finally:
        evaluator.scorer.close()
    answered = Answered(
        stage=name, problems=problems_digest(evaluator.problems), correct={one.mode: one.correct for one in found}
    )
    write_json(context.folder.stage(name) / PROBLEMS_FILE, answered.entry())
    _report(name, found, context)
    seen = seen_in_training(name, evaluator.problems, context)
    context.summary.add_evaluations([_entry(name, one, seen) for one in found])
    values = evaluation_metrics(found) | clock.metrics() | {"memory/peak_rss_bytes": float(GAUGE.peak_of(name))}
    if seen is not None:
        values["eval/contaminated"] = fmean(seen.contaminated)
    evaluator.totals.wall_seconds = clock.elapsed
    context.log(name, 1, values, evaluator.totals, last=True)
    return evaluator.totals


def seen_in_training(name: str, problems: Sequence[Problem], context: RunContext) -> Contamination | None:
    """Which of the problems the pipeline's earlier stages have trained on; None when none of them trains."""
    stages = [context.config.stages[one] for one in context.config.pipeline[: context.config.pipeline.index(name)]]
    sources = {(repr(one.data), one.data_from): one for one in stages if isinstance(one, (SFTConfig, ReinforceConfig))}
    if not sources:
        return None
    key = (*sources, tuple(repr(problem.prompt) for problem in problems))
    if key not in context.seen_in_training:
        training = itertools.chain.from_iterable(context.problems(stage, "train") for stage in sources.values())
        measured = context.config.stages[name]
        words = compared_words(measured.data, measured.data_from)
        context.seen_in_training[key] = contamination(problems, training, words)
    return context.seen_in_training[key]


class Evaluator:
    """One model, one set of problems, one scorer."""

    def __init__(self, name: str, stage: EvaluateConfig | BudgetConfig, context: RunContext) -> None:
        self.name, self.stage, self.context = name, stage, context
        self.totals = StageTotals()
        """Of the stage so far."""
        loaded = context.load_model(stage.model_from)
        encoder = loaded.encoder(stage.data, stage.rollout.max_tokens)
        self.problems = context.fitting(encoder, context.problems(stage, "held_out"), stage)
        if not self.problems:
            raise ValueError(f"stages.{name}: there are no held-out problems to evaluate on")
        self.scorer = Scorer(stage.reward, encoder)
        self.context_tokens = loaded.context
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
        parts: list[Marks] = []
        before = self.totals.tokens_sampled
        for start in range(0, len(self.problems), EVALUATED_AT_ONCE):
            problems = self.problems[start : start + EVALUATED_AT_ONCE]
            groups = self.sampler.sample(problems, settings, self.context.config.seed, self.name, mode)
            self.totals.tokens_sampled += sum(len(c.token_ids) for group in groups for c in group.completions)
            parts.append(self.mark(problems, groups))
            self.context.spent("sample", self.totals, unkept=True)
        labels, scores = self.scorer.suite.labels, [row for part in parts for row in part.scores]
        return Evaluation(
            mode=mode,
            right=tuple(row for part in parts for row in part.right),
            answers=tuple(row for part in parts for row in part.answers),
            second=tuple(fmean([score.parts[1] or 0.0 for score in row]) for row in scores) if len(labels) > 1 else (),
            rewards=reward_means(labels, scores),
            tokens=self.totals.tokens_sampled - before,
            temperature=settings.temperature,
            top_p=settings.top_p,
        )

    def mark(self, problems: Sequence[Problem], groups: Sequence[Group]) -> Marks:
        """Score completions and read their answers."""
        scores = self.scorer(problems, groups, self.context.step + 1)
        return Marks(
            right=tuple(tuple(float(score.parts[0] == PASSED) for score in row) for row in scores),
            answers=self.scorer.answers(groups),
            scores=tuple(map(tuple, scores)),
        )

    def _settings(self, mode: str) -> SamplingSettings:
        base = sampling_settings(self.stage.rollout)
        if mode == "greedy":
            return replace(base, completions_per_prompt=1, temperature=0.0, top_p=1.0, top_k=0, min_p=0.0)
        return replace(base, completions_per_prompt=self.stage.samples_per_problem)


def _entry(name: str, one: Evaluation, seen: Contamination | None) -> dict[str, object]:
    return one.summary(name) | {"contamination": None if seen is None else seen.summary(one.correct)}


def _report(name: str, found: Sequence[Evaluation], context: RunContext) -> None:
    """Say the accuracies, and what changed since the pipeline's earlier evaluations of the same problems."""
    entries = gains(_answered(name, context))
    context.summary.set_gains(entries)
    for one in found:
        low, high = one.interval
        line = f"{name}: {one.mode} accuracy {one.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
        for entry in entries:
            if (entry["to"], entry["mode"]) == (name, one.mode):
                least, most = entry["ci95"]
                line += f", gain over {entry['from']} {100 * entry['gain']:+.1f} points "
                line += f"({100 * least:+.1f} to {100 * most:+.1f})"
        context.tracker.message(line + "".join(_at_k(one)))


def _at_k(one: Evaluation) -> Iterator[str]:
    """What several samples of a problem add to the line."""
    if one.samples > 1:
        yield f", pass@{one.samples} {fmean(one.pass_at(one.samples)):.1%}"
        if one.answers:
            yield f", maj@{one.samples} {fmean(one.maj_at(one.samples)):.1%}"
        yield f", from sample to sample {100 * (one.std_between_samples or 0.0):.1f} points (std)"


def _answered(name: str, context: RunContext) -> list[Answered]:
    """The pipeline's evaluations up to and with this one, in order."""
    stages = context.config.pipeline[: context.config.pipeline.index(name) + 1]
    files = {stage: context.folder.stage(stage) / PROBLEMS_FILE for stage in stages}
    return [Answered.from_entry(stage, json.loads(file.read_text())) for stage, file in files.items() if file.exists()]
