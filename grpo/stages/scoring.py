"""Groups → scores → what the log and the metrics say about them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from grpo.algorithm.advantages import Advantage
from grpo.config.slices import RewardConfig
from grpo.data.prompts import PromptEncoder
from grpo.rewards.answers import answers_of
from grpo.rewards.suite import RewardSuite, build_suite
from grpo.stages.sampled import SampledGroups
from grpo.track.records import Cells, RolloutRecord, ScoredCompletion, ScoredGroup
from grpo.types import Completion, Group, Problem, RewardItem, Score


def suite_of(config: RewardConfig) -> RewardSuite:
    """A stage's reward functions, started; the caller closes them."""
    return build_suite(
        config.functions,
        config.weights,
        config.deadline_seconds,
        config.in_process,
        config.max_error_share,
        config.settings,
    )


class Scorer:
    """A stage's reward functions, applied to groups."""

    def __init__(self, config: RewardConfig, encoder: PromptEncoder) -> None:
        self.suite: RewardSuite = suite_of(config)
        self._encoder = encoder
        first = config.functions[0]
        settings = config.settings.get(self.suite.labels[0]) or {}
        self._answers = answers_of(first, settings, in_process=config.in_process)

    def __call__(self, problems: Sequence[Problem], groups: Sequence[Group], step: int) -> list[list[Score]]:
        """A score per completion; `step` is the run's.

        Raises RewardErrorShareError when more than the allowed share failed.
        """
        items = [[self._item(p, c) for c in g.completions] for p, g in zip(problems, groups, strict=True)]
        return self.suite.score(items, step)

    def scored(self, problems: Sequence[Problem], groups: Sequence[Group], step: int) -> SampledGroups:
        """The groups with their scores, and what the functions logged of them. Raises as a call does."""
        scores = self(problems, groups, step)
        cells = iter(self._extra_by_completion(sum(len(group.completions) for group in groups)))
        return SampledGroups(
            problems=tuple(problems),
            groups=tuple(groups),
            scores=tuple(tuple(row) for row in scores),
            extra=tuple(tuple(next(cells) for _ in group.completions) for group in groups),
            logged=dict(self.suite.metrics),
        )

    def answers(self, groups: Sequence[Group]) -> tuple[tuple[str | None, ...], ...]:
        """(P, G): what the first reward function takes for the answers; empty when it does not say."""
        if self._answers is None:
            return ()
        texts = [self._encoder.decode(one.token_ids) for group in groups for one in group.completions]
        found = iter(self._answers(texts))
        return tuple(tuple(next(found) for _ in group.completions) for group in groups)

    def metrics(self, sampled: SampledGroups) -> dict[str, float]:
        """Means and spreads of the scores, and what the functions themselves logged."""
        logged = {f"reward_metrics/{name}": value for name, value in sampled.logged.items()}
        return reward_metrics(self.suite.labels, sampled.scores) | logged

    def close(self) -> None:
        """End the worker processes of user functions."""
        self.suite.close()

    def _item(self, problem: Problem, completion: Completion) -> RewardItem:
        return RewardItem(
            problem=problem,
            completion=self._encoder.decode(completion.token_ids),
            completion_ids=completion.token_ids,
            finish_reason=completion.finish_reason,
        )

    def record(
        self, step: tuple[int, str], sampled: SampledGroups, advantages: Sequence[Sequence[Advantage | None]]
    ) -> RolloutRecord:
        """The step's groups as they go to `rollouts/`; `step` is (step of the run, stage name).

        Of advantages that differ between the tokens of a completion the mean is kept.
        """
        scored = [
            ScoredGroup(
                problem_id=p.id,
                prompt_text=self._encoder.decode(self._encoder.encode(p)),
                answer=p.answer,
                completions=tuple(self._scored(*row) for row in zip(g.completions, scores, advs, extra, strict=True)),
            )
            for p, g, scores, advs, extra in zip(
                sampled.problems, sampled.groups, sampled.scores, advantages, sampled.extra, strict=True
            )
        ]
        return RolloutRecord(step=step[0], stage=step[1], groups=tuple(scored))

    def _extra_by_completion(self, count: int) -> Iterator[Cells]:
        columns = self.suite.extra
        return iter([tuple((name, cells[index]) for name, cells in columns.items()) for index in range(count)])

    def _scored(
        self, completion: Completion, score: Score, advantage: Advantage | None, extra: Cells
    ) -> ScoredCompletion:
        return ScoredCompletion(
            text=self._encoder.decode(completion.token_ids),
            token_ids=completion.token_ids,
            finish_reason=completion.finish_reason,
            weight_version=completion.weight_version,
            rewards=tuple(zip(self.suite.labels, score.parts, strict=True)),
            total=score.total,
            advantage=_mean(advantage) if isinstance(advantage, tuple) else advantage,
            error=score.error,
            extra=extra,
        )


def reward_metrics(names: Sequence[str], scores: Sequence[Sequence[Score]]) -> dict[str, float]:
    """Means and spreads of the rewards of one step, names as TRL's.

    What could not be scored counts nowhere: `frac_reward_zero_std` is a share of the groups with two totals or more,
    `all_zero_ratio` and `all_one_ratio` of those to which the first function gave any value.
    """
    totals = [[s.total for s in group if s.total is not None] for group in scores]
    flat = [value for group in totals for value in group]
    usable = [group for group in totals if len(group) >= 2]
    equal = [group for group in usable if all(value == group[0] for value in group)]
    metrics = {
        "reward": _mean(flat),
        "reward_std": _mean([statistics.stdev(group) for group in usable]),
        "frac_reward_zero_std": _share(len(equal), len(usable)),
        "reward_errors": float(sum(s.error is not None for group in scores for s in group)),
    }
    for index, name in enumerate(names):
        values = [[value for s in group if (value := s.parts[index]) is not None] for group in scores]
        flat = [value for group in values for value in group]
        metrics[f"rewards/{name}/mean"] = _mean(flat)
        metrics[f"rewards/{name}/std"] = statistics.pstdev(flat) if flat else math.nan
        if index == 0:
            known = [group for group in values if group]
            metrics["all_zero_ratio"] = _share(sum(max(group) <= 0 for group in known), len(known))
            metrics["all_one_ratio"] = _share(sum(min(group) >= 1 for group in known), len(known))
    return metrics


def length_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Completion lengths of one step, tokens; of the groups that are complete."""
    completions = [c for group in groups for c in group.completions]
    lengths = [len(c.token_ids) for c in completions]
    ended = [len(c.token_ids) for c in completions if c.finish_reason == "stop"]
    return {
        "completions/mean_length": _mean(lengths),
        "completions/min_length": float(min(lengths)),
        "completions/max_length": float(max(lengths)),
        "completions/clipped_ratio": 1.0 - len(ended) / len(lengths),
        "completions/mean_terminated_length": _mean(ended),
    }


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
