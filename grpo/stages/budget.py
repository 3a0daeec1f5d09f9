"""Budget forcing: what a model gets right with less and with more thinking (s1, arXiv 2501.19393, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grpo.config.schema import BudgetConfig
from grpo.run.atomic import write_json
from grpo.run.memory import GAUGE
from grpo.run.random import derive_seed
from grpo.stages import budget_curve
from grpo.stages.budget_curve import Point
from grpo.stages.context import RunContext
from grpo.stages.engine_slot import EVALUATED_AT_ONCE
from grpo.stages.evaluate import Evaluator
from grpo.stages.forcing import Forced, Forcer, Limits, Trace
from grpo.stages.reinforce import sampling_settings
from grpo.stages.totals import Clock, StageTotals
from grpo.types import Completion, Group, Problem

POINTS_FILE = "points.json"


def run_budget(name: str, stage: BudgetConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Measure every budget and number of waits; the curve goes to summary, metrics and `stages/<name>/points.json`."""
    context.tracker.stage_started(name, stage.kind, 1)
    evaluator = Evaluator(name, stage, context)
    clock = Clock()
    try:
        with clock("sync"):
            evaluator.sampler.push_weights(context.step)
        context.spent("load")
        with clock("rollout"):
            measured = BudgetMeasure(evaluator, stage)
            points = measured.points()
    finally:
        evaluator.scorer.close()
    per_problem = {f"{one.budget}_tokens_{one.waits}_waits": list(one.correct) for one in points}
    write_json(context.folder.stage(name) / POINTS_FILE, per_problem)
    found = budget_curve.summary(points)
    context.summary.add_budget(_settings(name, stage, len(evaluator.problems)) | found)
    for line in lines(name, points, found):
        context.tracker.message(line)
    values = budget_metrics(points, found) | clock.metrics()
    totals = StageTotals(wall_seconds=clock.elapsed, tokens_sampled=measured.tokens_sampled)
    context.log(name, 1, values | {"memory/peak_rss_bytes": float(GAUGE.peak_of(name))}, totals, last=True)
    return totals


def _settings(name: str, stage: BudgetConfig, problems: int) -> dict[str, object]:
    return {
        "stage": name,
        "split": "held_out",
        "temperature": stage.rollout.temperature,
        "n": problems,
        "samples_per_problem": stage.samples_per_problem,
        "wait_text": stage.wait_text,
        "end_text": stage.end_text,
    }


@dataclass(slots=True)
class _Batch:
    """Some of the problems, with what was sampled for them."""

    problems: Sequence[Problem]
    groups: Sequence[Group]
    levels: list[list[Trace]]
    """(waits + 1, problems * samples): the traces with at most so many waits."""
    answered: dict[tuple[int, int, int], Completion]
    """By (budget, waits in use, place), since a limit on waits that is not reached changes nothing."""

    def answer(self, forcer: Forcer, budget: int, used: Sequence[int], seeds: Sequence[int]) -> list[Completion]:
        """(problems * samples,) whole completions with so many waits each."""
        new = [place for place, number in enumerate(used) if (budget, number, place) not in self.answered]
        traces = [self.levels[used[place]][place] for place in new]
        found = forcer.answered(traces, budget, [seeds[place] for place in new])
        self.answered |= {(budget, used[place], place): one for place, one in zip(new, found, strict=True)}
        return [self.answered[budget, number, place] for place, number in enumerate(used)]


class BudgetMeasure:
    """Samples each batch of problems with every number of waits, and cuts that to every budget."""

    def __init__(self, evaluator: Evaluator, stage: BudgetConfig) -> None:
        self.evaluator, self.stage = evaluator, stage
        encoder = evaluator.sampler.encoder
        forced = Forced(end=encoder.encode_text(stage.end_text), wait=encoder.encode_text(stage.wait_text))
        limits = Limits(budget=stage.budgets[-1], total=stage.rollout.max_tokens)
        if limits.budget + len(forced.end) >= limits.total:
            raise ValueError(
                f"stages.{evaluator.name}: thinking of {limits.budget} tokens (budgets) and {len(forced.end)} of "
                f"end_text leave no room for an answer in rollout.max_tokens={limits.total}; lower one, or raise it"
            )
        self.settings = replace(sampling_settings(stage.rollout), completions_per_prompt=stage.samples_per_problem)
        context = evaluator.context_tokens
        self.forcer = Forcer(evaluator.sampler.engine, encoder.decode, self.settings, forced, limits, context)
        self.wait_tokens = len(forced.wait)

    @property
    def tokens_sampled(self) -> int:
        """Forced tokens are not among them; those sampled and cut off are."""
        return self.forcer.tokens_sampled

    def points(self) -> list[Point]:
        """By waits, then by budget."""
        problems = self.evaluator.problems
        parts: dict[tuple[int, int], list[Point]] = {}
        for start in range(0, len(problems), EVALUATED_AT_ONCE):
            batch = self._batch(problems[start : start + EVALUATED_AT_ONCE])
            for waits in range(self.stage.waits + 1):
                for budget in self.stage.budgets:
                    parts.setdefault((waits, budget), []).append(self._point(batch, budget, waits))
            self.evaluator.context.spent("sample", StageTotals(tokens_sampled=self.tokens_sampled), unkept=True)
        return [_joined(found) for found in parts.values()]

    def _batch(self, problems: Sequence[Problem]) -> _Batch:
        evaluator = self.evaluator
        groups = evaluator.sampler.sample(problems, self.settings, evaluator.context.config.seed, evaluator.name)
        traces = [self.forcer.trace(group.prompt, one) for group in groups for one in group.completions]
        levels = [traces]
        for waits in range(1, self.stage.waits + 1):
            levels.append(self.forcer.extend(levels[-1], self._seeds(problems, "wait", waits)))
        return _Batch(problems=problems, groups=groups, levels=levels, answered={})

    def _point(self, batch: _Batch, budget: int, waits: int) -> Point:
        last = batch.levels[waits]
        used = [one.waits_within(budget, self.wait_tokens) for one in last]
        thinking = [batch.levels[number][place].thinking(budget) for place, number in enumerate(used)]
        completions = batch.answer(self.forcer, budget, used, self._seeds(batch.problems, "answer", budget))
        marks = self.evaluator.mark(batch.problems, _regrouped(batch.groups, completions))
        return Point(
            budget=budget,
            waits=waits,
            correct=tuple(sum(row) / len(row) for row in marks.right),
            thinking=tuple(tokens for tokens, _ in thinking),
            forced=sum(spent for _, spent in thinking),
            waited=sum(used),
        )

    def _seeds(self, problems: Sequence[Problem], *keys: str | int) -> list[int]:
        """(problems * samples,); the number of waits does not key an answer, so that equal thinking has one."""
        run = (self.evaluator.context.config.seed, self.evaluator.name)
        samples = range(self.stage.samples_per_problem)
        return [derive_seed(*run, *keys, problem.id, sample) for problem in problems for sample in samples]


def _regrouped(groups: Sequence[Group], completions: Sequence[Completion]) -> list[Group]:
    following = iter(completions)
    return [replace(group, completions=tuple(next(following) for _ in group.completions)) for group in groups]


def _joined(parts: Sequence[Point]) -> Point:
    return replace(
        parts[0],
        correct=tuple(value for part in parts for value in part.correct),
        thinking=tuple(value for part in parts for value in part.thinking),
        forced=sum(part.forced for part in parts),
        waited=sum(part.waited for part in parts),
    )


def budget_metrics(points: Sequence[Point], found: Mapping[str, object]) -> dict[str, float]:
    """Accuracy and thinking of every point, and s1's measures for every number of waits."""
    metrics: dict[str, float] = {}
    for one in points:
        place = f"budget/{one.budget}_tokens_{one.waits}_waits"
        metrics |= {f"{place}/accuracy": one.accuracy, f"{place}/thinking_tokens": one.tokens}
    curves = found["curves"]
    assert isinstance(curves, list)
    for measures in curves:
        for key in ("control", "scaling", "performance"):
            if measures[key] is not None:
                metrics[f"budget/{measures['waits']}_waits/{key}"] = measures[key]
    return metrics


def lines(name: str, points: Sequence[Point], found: Mapping[str, object]) -> list[str]:
    """A line a point, and one for every doubling of the budget."""
    said = [
        f"{name}: budget {one.budget}, waits {one.waits}: accuracy {one.accuracy:.1%} with {one.tokens:.1f} tokens of "
        f"thinking, {one.forced / len(one.thinking):.0%} cut"
        for one in points
    ]
    for key, what in (("doublings", "twice the budget"), ("extensions", "waiting")):
        compared = found[key]
        assert isinstance(compared, list)
        for one in compared:
            (low, high), before, after = one["ci95"], one["from"], one["to"]
            verdict = "measurable" if one["measurable"] else "not measurable"
            said.append(
                f"{name}: {what}, from {before['budget']} tokens and {before['waits']} waits to {after['budget']} and "
                f"{after['waits']}: {100 * one['gain']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), {verdict}"
            )
    return said
