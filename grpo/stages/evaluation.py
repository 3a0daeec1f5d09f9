"""What an evaluation found, and the figures made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from grpo.stages.intervals import pass_at_k, share_interval
from grpo.stages.reward_means import RewardMean, reward_metrics
from grpo.stages.votes import maj_at_k, sizes

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One way of answering every held-out problem."""

    mode: str
    """`sampled` or `greedy`."""
    right: tuple[tuple[float, ...], ...]
    """(problems, samples): 1 where the first reward function gave 1, else 0."""
    answers: tuple[tuple[str | None, ...], ...]
    """(problems, samples): the answers read; empty when the first reward function does not say what it reads."""
    second: tuple[float, ...]
    """(problems,): mean of the second reward function, the format; empty when there is none."""
    tokens: int
    rewards: tuple[RewardMean, ...] = ()
    """Every reward function but the first."""
    temperature: float = 1.0
    top_p: float = 1.0

    @property
    def samples(self) -> int:
        """Per problem, each with a seed of its own."""
        return len(self.right[0])

    @property
    def correct(self) -> tuple[float, ...]:
        """(problems,): share of each problem's samples that are right."""
        return tuple(sum(row) / len(row) for row in self.right)

    @property
    def accuracy(self) -> float:
        """avg@k: the mean over samples and problems."""
        return fmean(self.correct)

    @property
    def interval(self) -> Interval:
        """95 %: Wilson's for one sample per problem, else by bootstrap over problems."""
        return share_interval(self.correct)

    def pass_at(self, k: int) -> tuple[float, ...]:
        """(problems,): unbiased pass@k of each."""
        return tuple(pass_at_k(self.samples, round(sum(row)), k) for row in self.right)

    def maj_at(self, k: int) -> tuple[float, ...]:
        """(problems,): maj@k of each; empty when there are no answers to vote with."""
        if not self.answers:
            return ()
        return tuple(maj_at_k(answers, row, k) for answers, row in zip(self.answers, self.right, strict=True))

    @property
    def accuracy_by_sample(self) -> list[float]:
        """(samples,): accuracy of the first, second, ... sample of all problems, as if each were a run of its own."""
        return [fmean(column) for column in zip(*self.right, strict=True)]

    @property
    def std_between_samples(self) -> float | None:
        """Bessel's standard deviation of `accuracy_by_sample`; None for one sample."""
        return stdev(self.accuracy_by_sample) if self.samples > 1 else None

    def summary(self, stage: str) -> dict[str, object]:
        """An entry of `summary.json`'s `eval` list."""
        ks = sizes(self.samples)
        passed, voted = {k: self.pass_at(k) for k in ks}, {k: self.maj_at(k) for k in ks if self.answers}
        return {
            "stage": stage,
            "split": "held_out",
            "mode": self.mode,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "accuracy": self.accuracy,
            "ci95": list(self.interval),
            "n": len(self.right),
            "samples_per_problem": self.samples,
            "avg_at_k": {str(self.samples): self.accuracy},
            "pass_at_k": {str(k): fmean(values) for k, values in passed.items()},
            "pass_at_k_ci95": {str(k): list(share_interval(values)) for k, values in passed.items()},
            "maj_at_k": {str(k): fmean(values) for k, values in voted.items()},
            "maj_at_k_ci95": {str(k): list(share_interval(values)) for k, values in voted.items()},
            "accuracy_by_sample": self.accuracy_by_sample,
            "std_between_samples": self.std_between_samples,
            "rewards": {one.name: one.summary() for one in self.rewards},
        }


def evaluation_metrics(found: Sequence[Evaluation]) -> dict[str, float]:
    """What goes to the metrics; `found` are the modes of one evaluation, sampled first."""
    metrics: dict[str, float] = {}
    for one in found:
        low, high = one.interval
        metrics |= {
            f"eval/{one.mode}_accuracy": one.accuracy,
            f"eval/{one.mode}_accuracy_low": low,
            f"eval/{one.mode}_accuracy_high": high,
        }
    sampled = found[0]
    if sampled.samples > 1:
        for k in sizes(sampled.samples)[1:]:
            metrics[f"eval/pass@{k}"] = fmean(sampled.pass_at(k))
            if sampled.answers:
                metrics[f"eval/maj@{k}"] = fmean(sampled.maj_at(k))
        metrics["eval/std_between_samples"] = sampled.std_between_samples or 0.0
    if sampled.second:
        metrics["eval/format"] = fmean(sampled.second)
    return metrics | reward_metrics(sampled.rewards)
