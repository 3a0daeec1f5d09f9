"""The gathering of a step's groups against a sampler and a scorer whose answers are written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from grpo.config.algorithm import SelectionConfig
from grpo.data.curriculum import Curriculum
from grpo.rollouts.engine import FirstGroups
from grpo.stages.gather import Gatherer, GatherSettings
from grpo.stages.sampled import SampledGroups
from grpo.stages.totals import Clock
from grpo.types import Completion, Group, Problem, Prompt, SamplingSettings, Score

LIVE, RIGHT, WRONG = (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)
Rewards = Callable[[str, int], tuple[float | None, ...]]
"""(problem id, times it was scored before) -> totals of its completions."""


class WrittenSampler:
    """Completions of two tokens; `slow` problems are never among the first."""

    def __init__(self, slow: Callable[[str], bool] = lambda name: False) -> None:
        self.slow = slow
        self.calls: list[tuple[list[str], tuple[int | str, ...], int]] = []

    def sample(self, problems: Sequence[Problem], settings: SamplingSettings, *keys: int | str) -> list[Group]:
        self.calls.append(([p.id for p in problems], keys, settings.max_tokens))
        return [self._group(problem) for problem in problems]

    def sample_first(
        self, problems: Sequence[Problem], settings: SamplingSettings, count: int, *keys: int | str
    ) -> FirstGroups:
        self.calls.append(([p.id for p in problems], keys, settings.max_tokens))
        order = sorted(range(len(problems)), key=lambda place: self.slow(problems[place].id))
        first = set(order[:count])
        found = tuple(self._group(p) if place in first else None for place, p in enumerate(problems))
        return FirstGroups(groups=found, tokens_discarded=7 * (len(problems) - count))

    def _group(self, problem: Problem) -> Group:
        one = Completion(token_ids=(5, 6), logprobs=(0.0, 0.0), finish_reason="stop", weight_version=0)
        prompt = Prompt(problem_id=problem.id, token_ids=(1, 2, 3), seed=0)
        return Group(prompt=prompt, completions=(one, one))


class WrittenScorer:
    def __init__(self, rewards: Rewards) -> None:
        self.rewards, self.seen = rewards, dict[str, int]()

    def scored(self, problems: Sequence[Problem], groups: Sequence[Group], step: int) -> SampledGroups:
        rows = []
        for problem in problems:
            before = self.seen.get(problem.id, 0)
            self.seen[problem.id] = before + 1
            totals = self.rewards(problem.id, before)
            rows.append(tuple(Score(total=total, parts=(total,)) for total in totals))
        return SampledGroups(
            problems=tuple(problems),
            groups=tuple(groups),
            scores=tuple(rows),
            extra=tuple(((), ()) for _ in problems),
            logged={"n": float(len(problems))},
        )


class Bench:
    """A gatherer over problems 0..count-1 in the order 0, 1, 2, ... of each epoch."""

    def __init__(self, rewards: Rewards, count: int = 100, prompts: int = 4, **knobs: Any) -> None:
        slow = knobs.pop("slow", lambda name: False)
        selection = SelectionConfig(**knobs)
        self.said: list[str] = []
        self.sampler, self.scorer = WrittenSampler(slow), WrittenScorer(rewards)
        problems = [Problem(id=str(n), prompt="p", answer="1") for n in range(count)]
        self.curriculum = Curriculum(problems, (0, "rl"), selection, prompts)
        self.curriculum._cursor._order = list(range(count))
        settings = GatherSettings(
            selection=selection,
            prompts_per_step=prompts,
            sampling=SamplingSettings(completions_per_prompt=2, max_tokens=9),
            seed_keys=(0, "rl"),
            say=self.said.append,
        )
        self.gather = Gatherer(settings, self.curriculum, self.sampler, self.scorer)  # type: ignore[arg-type]

    @property
    def sampled(self) -> list[list[str]]:
        return [names for names, _, _ in self.sampler.calls]


def every(n: int) -> Rewards:
    """Every n-th problem has a live group, the others all right and all wrong in turn."""
    return lambda name, before: LIVE if int(name) % n == 0 else (RIGHT if int(name) % 2 else WRONG)


def names(groups: SampledGroups) -> list[str]:
    return [problem.id for problem in groups.problems]


def test_without_refill_every_group_is_kept() -> None:
    bench = Bench(every(2))
    gathered = bench.gather(0, 1, Clock())
    assert names(gathered.learnt) == names(gathered.sampled) == ["0", "1", "2", "3"]
    assert bench.sampler.calls == [(["0", "1", "2", "3"], (0, "rl", 0), 9)]
    assert gathered.metrics == {} and gathered.tokens == 16
    assert gathered.for_all([[1.0, 2.0]] * 4) == [[1.0, 2.0]] * 4


def test_refill_samples_until_enough_groups_are_live() -> None:
    bench = Bench(every(3), refill=True)
    gathered = bench.gather(5, 6, Clock())
    assert bench.sampled == [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9", "10", "11"]]
    assert [keys for _, keys, _ in bench.sampler.calls] == [(0, "rl", 5), (0, "rl", 5, 1), (0, "rl", 5, 2)]
    assert names(gathered.learnt) == ["0", "3", "6", "9"]
    assert names(gathered.sampled) == [str(n) for n in range(12)]
    assert gathered.metrics == {
        "selection/batches": 3.0,
        "selection/groups_kept": 4.0,
        "selection/groups_thrown_away": 8.0,
    }
    assert gathered.tokens == 12 * 4 and gathered.sampled.prompt_tokens == 12 * 6
    assert bench.said == [] and gathered.sampled.logged == {"n": 4.0}


def test_advantages_of_thrown_away_groups_are_none() -> None:
    gathered = Bench(every(3), refill=True).gather(0, 1, Clock())
    rows = gathered.for_all([[float(n), -float(n)] for n in range(4)])
    assert rows[0] == [0.0, 0.0] and rows[3] == [1.0, -1.0] and rows[6] == [2.0, -2.0] and rows[9] == [3.0, -3.0]
    assert all(rows[place] == [None, None] for place in range(12) if place % 3)


def test_a_surplus_of_live_groups_is_thrown_away_and_not_carried_over() -> None:
    bench = Bench(lambda name, before: WRONG if name == "0" else LIVE, refill=True)
    first = bench.gather(0, 1, Clock())
    assert names(first.learnt) == ["1", "2", "3", "4"] and first.metrics["selection/groups_thrown_away"] == 4.0
    second = bench.gather(1, 2, Clock())
    assert names(second.learnt) == ["8", "9", "10", "11"] and second.metrics["selection/batches"] == 1.0


def test_at_the_limit_the_step_goes_on_with_what_it_has() -> None:
    bench = Bench(lambda name, before: LIVE if name == "6" else RIGHT, refill=True, max_batches=2)
    gathered = bench.gather(0, 1, Clock())
    assert names(gathered.learnt) == ["6"] and len(bench.sampler.calls) == 2 and bench.said == []
    assert gathered.metrics["selection/groups_kept"] == 1.0


def test_a_step_without_any_live_group_says_so() -> None:
    bench = Bench(lambda name, before: RIGHT, refill=True, max_batches=3)
    gathered = bench.gather(0, 17, Clock())
    assert gathered.kept == () and gathered.learnt.groups == () and len(gathered.sampled.groups) == 12
    assert gathered.for_all([]) == [[None, None]] * 12
    assert bench.said == ["step 17: rewards differ in none of 12 groups of 3 samplings: the optimizer skips the step"]


def test_failed_completions_make_no_group_live() -> None:
    bench = Bench(lambda name, before: (None, 1.0) if int(name) < 4 else LIVE, refill=True)
    assert names(bench.gather(0, 1, Clock()).learnt) == ["4", "5", "6", "7"]


def test_one_sampling_is_the_limit_of_one_batch() -> None:
    bench = Bench(lambda name, before: WRONG, refill=True, max_batches=1)
    bench.gather(0, 1, Clock())
    assert len(bench.sampler.calls) == 1


def test_stopped_problems_come_first_in_the_next_step() -> None:
    bench = Bench(every(1), oversample=1.5, slow=lambda name: name in ("1", "4"))
    gathered = bench.gather(0, 1, Clock())
    assert bench.sampled == [["0", "1", "2", "3", "4", "5"]]
    assert names(gathered.sampled) == names(gathered.learnt) == ["0", "2", "3", "5"]
    assert gathered.metrics == {"selection/groups_stopped": 2.0, "selection/tokens_discarded": 14.0}
    assert gathered.tokens == 4 * 4 + 14 and gathered.sampled.prompt_tokens == 4 * 6
    bench.gather(1, 2, Clock())
    assert bench.sampled[1] == ["1", "4", "6", "7", "8", "9"]


def test_stopped_problems_come_first_in_the_next_sampling_of_the_same_step() -> None:
    bench = Bench(lambda name, before: WRONG if int(name) < 4 else LIVE, oversample=1.25, refill=True,
                  slow=lambda name: name == "2")  # fmt: skip
    gathered = bench.gather(0, 1, Clock())
    assert bench.sampled == [["0", "1", "2", "3", "4"], ["2", "5", "6", "7", "8"]]
    assert names(gathered.learnt) == ["4", "5", "6", "7"]
    assert gathered.metrics["selection/groups_stopped"] == 2.0 and gathered.metrics["selection/tokens_discarded"] == 14


def test_the_curriculum_learns_of_every_group_and_not_of_stopped_ones() -> None:
    bench = Bench(every(2), curriculum="pass_rate", refill=True, oversample=1.5, slow=lambda name: name == "1")
    gathered = bench.gather(0, 1, Clock())
    state = bench.curriculum.state()
    known = dict(zip(state.tensors["index"].tolist(), state.tensors["rate"].tolist(), strict=True))
    assert set(known) == {int(name) for name in names(gathered.sampled)} and 1 not in known
    assert all(rate == (0.5 if index % 2 == 0 else 1.0) for index, rate in known.items())
    assert gathered.metrics["selection/pass_rate"] == pytest.approx(sum(known.values()) / len(known))


def test_the_token_limit_follows_the_schedule() -> None:
    bench = Bench(every(1), length_steps=[2, 3], length_limits=[5, 7])
    found = [bench.gather(index, index + 1, Clock()).metrics for index in range(5)]
    assert [limit for _, _, limit in bench.sampler.calls] == [9, 9, 5, 7, 7]
    assert [one["selection/max_tokens"] for one in found] == [9.0, 9.0, 5.0, 7.0, 7.0]


def test_sampling_and_scoring_have_their_time() -> None:
    clock = Clock()
    Bench(every(3), refill=True).gather(0, 1, clock)
    assert set(clock.seconds) == {"rollout", "reward"} and min(clock.seconds.values()) > 0
