"""Problems → sampled and scored groups, until there are enough to learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from grpo.algorithm.advantages import Advantage
from grpo.config.algorithm import SelectionConfig
from grpo.config.selection import problems_at_once, samplings, token_limit
from grpo.data.curriculum import Curriculum
from grpo.stages.sampled import SampledGroups, joined, passed_share, rewards_differ
from grpo.stages.sampler import PolicySampler
from grpo.stages.scoring import Scorer
from grpo.stages.totals import Clock
from grpo.types import Group, Problem, SamplingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherSettings:
    """What the gathering needs from the stage's slices."""

    selection: SelectionConfig
    prompts_per_step: int
    sampling: SamplingSettings
    """Its token limit is the one outside the schedule of lengths."""
    seed_keys: tuple[int | str, ...]
    """The run's seed and the stage."""
    say: Callable[[str], None]
    """Takes a line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The groups of one step."""

    sampled: SampledGroups
    """Every complete group of every sampling: what metrics and rollout records are about."""
    kept: tuple[int, ...]
    """Places in `sampled` of the groups to learn from."""
    tokens_discarded: int
    """Completion tokens of the groups that were begun and stopped."""
    metrics: dict[str, float]
    """Of the selection knobs in use."""

    @property
    def learnt(self) -> SampledGroups:
        """The groups to learn from."""
        return self.sampled.only(self.kept)

    @property
    def tokens(self) -> int:
        """Completion tokens, discarded ones included."""
        return self.sampled.tokens + self.tokens_discarded

    def for_all(self, advantages: Sequence[Sequence[Advantage | None]]) -> list[list[Advantage | None]]:
        """The advantages of `learnt` among those of `sampled`: None for completions that are not learnt from."""
        rows: list[list[Advantage | None]] = [[None] * len(group.completions) for group in self.sampled.groups]
        for place, row in zip(self.kept, advantages, strict=True):
            rows[place] = list(row)
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """One call of the engine."""

    problems: list[Problem]
    """Of the complete groups."""
    groups: list[Group]
    stopped: int = 0
    tokens_discarded: int = 0


class Gatherer:
    """Takes problems of the curriculum, samples and scores them, and tells the curriculum what came of them."""

    def __init__(
        self, settings: GatherSettings, curriculum: Curriculum, sampler: PolicySampler, scorer: Scorer
    ) -> None:
        self.settings, self.curriculum, self.sampler, self.scorer = settings, curriculum, sampler, scorer

    def __call__(self, index: int, step: int, clock: Clock) -> Gathered:
        """The groups of stage step `index` (from 0), which is `step` of the run.

        Without `refill` all complete groups are kept. With it those whose total rewards differ, the first
        `prompts_per_step` of them in the order of sampling: the batch keeps its size, and a surplus carried over
        would be of older weights.
        """
        selection, wanted = self.settings.selection, self.settings.prompts_per_step
        calls: list[Sampling] = []
        parts: list[SampledGroups] = []
        while True:
            with clock("rollout"):
                call = self._sample(index, len(calls))
            with clock("reward"):
                part = self.scorer.scored(call.problems, call.groups, step)
                self._observe(part)
            calls.append(call)
            parts.append(part)
            kept = self._kept(joined(parts))
            if len(kept) >= wanted or len(calls) == samplings(selection):
                break
        sampled, kept = joined(parts), kept[:wanted]
        if not kept:
            self.settings.say(
                f"step {step}: rewards differ in none of {len(sampled.groups)} groups of {len(calls)} samplings: "
                "the optimizer skips the step"
            )
        return Gathered(
            sampled=sampled,
            kept=tuple(kept),
            tokens_discarded=sum(call.tokens_discarded for call in calls),
            metrics=self._metrics(index, calls, len(kept)) | self.curriculum.metrics(),
        )

    def _sample(self, index: int, number: int) -> Sampling:
        """Sampling `number` of the step; a problem that comes again in a later one is sampled anew."""
        wanted = self.settings.prompts_per_step
        keys = (*self.settings.seed_keys, index, *((number,) if number else ()))
        problems = self.curriculum.take(problems_at_once(self.settings.selection, wanted))
        settings = replace(self.settings.sampling, max_tokens=self._limit(index))
        if len(problems) == wanted:
            return Sampling(problems=problems, groups=self.sampler.sample(problems, settings, *keys))
        first = self.sampler.sample_first(problems, settings, wanted, *keys)
        pairs = list(zip(problems, first.groups, strict=True))
        late = [problem for problem, group in pairs if group is None]
        self.curriculum.put_back(late)
        return Sampling(
            problems=[problem for problem, group in pairs if group is not None],
            groups=[group for group in first.groups if group is not None],
            stopped=len(late),
            tokens_discarded=first.tokens_discarded,
        )

    def _observe(self, part: SampledGroups) -> None:
        for problem, scores in zip(part.problems, part.scores, strict=True):
            self.curriculum.observe(problem, passed_share(scores))

    def _kept(self, sampled: SampledGroups) -> list[int]:
        everything = range(len(sampled.groups))
        if not self.settings.selection.refill:
            return list(everything)
        return [place for place in everything if rewards_differ(sampled.scores[place])]

    def _limit(self, index: int) -> int:
        return token_limit(self.settings.selection, self.settings.sampling.max_tokens, index)

    def _metrics(self, index: int, calls: Sequence[Sampling], kept: int) -> dict[str, float]:
        selection, metrics = self.settings.selection, {}
        if selection.refill:
            metrics["selection/batches"] = float(len(calls))
            metrics["selection/groups_kept"] = float(kept)
            metrics["selection/groups_thrown_away"] = float(sum(len(call.groups) for call in calls) - kept)
        if selection.oversample > 1:
            metrics["selection/groups_stopped"] = float(sum(call.stopped for call in calls))
            metrics["selection/tokens_discarded"] = float(sum(call.tokens_discarded for call in calls))
        if selection.length_steps:
            metrics["selection/max_tokens"] = float(self._limit(index))
        return metrics
