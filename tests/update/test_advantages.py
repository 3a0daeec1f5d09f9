"""The KL penalty in the reward, and overlong filtering, against advantages and losses worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from grpo.algorithm.advantages import ADVANTAGES
from grpo.config.slices import AlgorithmConfig
from grpo.kernels.token_logprob import HeadSettings
from grpo.types import Completion, FinishReason, Group, Prompt, Score
from grpo.update.advantages import Penalties, RewardKl, advantages_of
from grpo.update.experience import Tree, experience_from
from grpo.update.packing import PackingLimits
from tests.update.conftest import tiny_model
from tests.update.plain_grpo import PlainAdamW, Sampled, group_zscores, logprobs_of, policy_terms
from tests.update.test_reinforce import (
    DAMPED,
    OPTIMIZER,
    REWARDS,
    SETTINGS,
    TEMPERATURE,
    SecondModel,
    sampled,
    updater,
    weights,
)

COEF = 0.3
PENALISED = replace(SETTINGS, algorithm=AlgorithmConfig(kl_coef=COEF, kl_in="reward", kl_estimator="k1"))


class Counting(SecondModel):
    """Counts its passes, and the completions of each."""

    calls: list[int]

    def logprobs(self, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
        self.calls = [*getattr(self, "calls", []), sum(len(tree.branches) for tree in trees)]
        return super().logprobs(trees, limits, sampling)


def groups_of(drawn: list[Sampled], truncated: Sequence[tuple[int, int]] = ()) -> list[Group]:
    """As the engine hands them over; `truncated` are (group, completion) that hit the token limit."""

    def reason(i: int, j: int) -> FinishReason:
        return "length" if (i, j) in truncated else "stop"

    return [
        Group(
            prompt=Prompt(problem_id=str(i), token_ids=tuple(one.prompt), seed=0),
            completions=tuple(
                Completion(token_ids=tuple(c), logprobs=tuple(old), finish_reason=reason(i, j), weight_version=0)
                for j, (c, old) in enumerate(zip(one.completions, one.old_logprobs, strict=True))
            ),
        )
        for i, one in enumerate(drawn)
    ]


def scores_of(rewards: Sequence[Sequence[float | None]]) -> list[list[Score]]:
    return [[Score(total=value, parts=(value,)) for value in group] for group in rewards]


def plain_k1(drawn: list[Sampled]) -> list[list[list[float]]]:
    """log-prob when sampled less the reference's, token by token, from the padded reference model."""
    reference = tiny_model(seed=1)
    with torch.no_grad():
        rows = [[logprobs_of(reference, g.prompt, c, TEMPERATURE).tolist() for c in g.completions] for g in drawn]
    return [
        [[a - b for a, b in zip(old, ref, strict=True)] for old, ref in zip(g.old_logprobs, row, strict=True)]
        for g, row in zip(drawn, rows, strict=True)
    ]


def test_the_penalty_is_taken_off_before_the_baseline() -> None:
    """One completion failed, one group has a single scored completion left, one has equal rewards."""
    drawn = sampled(tiny_model())
    groups, k1 = groups_of(drawn), plain_k1(drawn)
    scores = scores_of([[1.0, None, 0.1, 1.1], [0.0, 0.0, 0.0, 0.0], [None, 1.0, None, None]])
    reference = Counting(tiny_model(seed=1))
    penalties = RewardKl(reference, PENALISED)(groups, scores)
    advantages = advantages_of(groups, scores, "group_mean", penalties.tokens)

    left = [[(0, 1.0), (2, 0.1), (3, 1.1)], [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0)]]
    seen: list[float] = []
    for number, kept in enumerate(left):
        rewards = {i: reward - COEF * sum(k1[number][i]) for i, reward in kept}
        mean = sum(rewards.values()) / len(rewards)
        for i, found in enumerate(advantages[number]):
            assert found == (pytest.approx(rewards[i] - mean, abs=1e-5) if i in rewards else None)
        seen += [value for i, _ in kept for value in k1[number][i]]
    assert advantages[2] == [None] * 4
    assert reference.calls == [7]
    assert penalties.metrics["kl"] == pytest.approx(sum(seen) / len(seen), abs=1e-6)
    assert abs(penalties.metrics["kl"]) > 0.01
    trees = experience_from(groups, advantages)
    assert [tree.live for tree in trees] == [True, True]  # equal rewards, unequal penalties


def test_equal_rewards_and_equal_penalties_stay_dead() -> None:
    groups = groups_of(sampled(tiny_model()))
    scores = scores_of(REWARDS)
    penalties = [[[0.25, -0.5]] * 4, [[0.1, 0.2], [0.3], [0.3], [0.3]], [[0.0]] * 4]
    trees = experience_from(groups, advantages_of(groups, scores, "group_mean", penalties))
    assert [tree.live for tree in trees] == [True, True, True]
    trees = experience_from(groups, advantages_of(groups, scores, "group_mean", [penalties[0]] * 3))
    assert [tree.live for tree in trees] == [True, False, True]


def test_without_a_reference_or_anything_to_compare_there_is_no_pass() -> None:
    groups, reference = groups_of(sampled(tiny_model())), Counting(tiny_model())
    assert RewardKl(None, SETTINGS)(groups, scores_of(REWARDS)) == Penalties()
    nothing = scores_of([[1.0, None, None, None]] * 3)
    found = RewardKl(reference, PENALISED)(groups, nothing)
    assert not hasattr(reference, "calls")
    assert math.isnan(found.metrics["kl"])
    assert advantages_of(groups, nothing, "group_mean", found.tokens) == [[None] * 4] * 3


def test_the_penalised_step_equals_the_plain_one() -> None:
    """Two optimizer steps on one rollout. The loss has no KL term: the update is given no reference."""
    ours, plain = tiny_model(), tiny_model()
    drawn = sampled(ours)
    k1 = plain_k1(drawn)
    groups, scores = groups_of(drawn), scores_of(REWARDS)
    penalties = RewardKl(SecondModel(tiny_model(seed=1)), PENALISED)(groups, scores)
    trees = experience_from(groups, advantages_of(groups, scores, "group_mean_std", penalties.tokens))
    optimizer = replace(OPTIMIZER, eps=1e-2)
    updater(ours, replace(PENALISED, optimizer_steps=2), optimizer=optimizer)(trees)
    adamw = PlainAdamW(lr=1e-3, max_norm=0.5, decay=0.1, eps=1e-2)
    for part in ([0], [1, 2]):
        terms = []
        for i in part:
            rewards = [r - COEF * sum(k) for r, k in zip(drawn[i].rewards, k1[i], strict=True)]
            terms += policy_terms(plain, replace(drawn[i], rewards=rewards), TEMPERATURE, 0.2, 0.2)
        adamw.step(plain, torch.stack(terms).mean())
    assert (weights(ours) - weights(plain)).abs().max() < 1e-5
    assert (weights(ours) - weights(tiny_model())).abs().max() > 1e-4


def test_advantages_of_tokens_reach_their_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimator whose advantage is each token's own penalty, turned round, against the plain step."""
    monkeypatch.setitem(
        ADVANTAGES,
        "penalty",
        lambda step: [[tuple(-v for v in row) for row in group] for group in step.penalties or ()],
    )
    ours, plain = tiny_model(), tiny_model()
    drawn = sampled(ours)
    groups, scores = groups_of(drawn), scores_of(REWARDS)
    penalties = RewardKl(SecondModel(tiny_model(seed=1)), PENALISED)(groups, scores)
    trees = experience_from(groups, advantages_of(groups, scores, "penalty", penalties.tokens))
    assert all(tree.live for tree in trees)
    metrics = updater(ours, PENALISED, optimizer=DAMPED)(trees)
    terms = []
    for group, rows in zip(drawn, plain_k1(drawn), strict=True):
        for completion, row in zip(group.completions, rows, strict=True):
            new = logprobs_of(plain, group.prompt, completion, TEMPERATURE)
            terms += [COEF * row[t] * torch.exp(new[t] - new[t].detach()) for t in range(len(completion))]
    loss = torch.stack(terms).mean()
    norm = PlainAdamW(lr=1e-3, max_norm=0.5, decay=0.1, eps=1e-3).step(plain, loss)
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert (weights(ours) - weights(plain)).abs().max() < 1e-5


TRUNCATED = [(0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 1), (2, 2), (2, 3)]
"""One completion is left of the first group, three of the second, none of the third."""


def test_truncated_completions_leave_the_loss_and_stay_in_the_baseline() -> None:
    ours, plain = tiny_model(), tiny_model()
    drawn = sampled(ours)
    groups = groups_of(drawn, TRUNCATED)
    advantages = advantages_of(groups, scores_of(REWARDS), "group_mean_std")
    masked = experience_from(groups, advantages, mask_truncated=True)
    assert [[branch.index for branch in tree.branches] for tree in masked] == [[0], [1, 2, 3]]
    assert [len(tree.branches) for tree in experience_from(groups, advantages)] == [4, 4, 4]
    assert masked[0].branches[0].advantage == pytest.approx(group_zscores(REWARDS[0])[0])
    metrics = updater(ours, optimizer=DAMPED)(masked)
    kept = [term for i, group in enumerate(drawn[:2]) for term in kept_terms(plain, i, group)]
    norm = PlainAdamW(lr=1e-3, max_norm=0.5, decay=0.1, eps=1e-3).step(plain, torch.stack(kept).mean())
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert (weights(ours) - weights(plain)).abs().max() < 1e-5


def kept_terms(plain: PreTrainedModel, number: int, group: Sampled) -> list[torch.Tensor]:
    """Token losses of the completions that are not truncated; all rewards in the baseline."""
    terms = iter(policy_terms(plain, group, TEMPERATURE, 0.2, 0.2))
    found = [[next(terms) for _ in completion] for completion in group.completions]
    return [term for j, row in enumerate(found) if (number, j) not in TRUNCATED for term in row]


@pytest.mark.parametrize("reduction", ["sequence_mean", "constant_length", "token_mean"])
def test_masking_equals_leaving_the_completion_out(reduction: str) -> None:
    """No trace of the masked completions is in any normaliser."""
    settings = replace(SETTINGS, algorithm=AlgorithmConfig(reduction=reduction))
    one, other = tiny_model(), tiny_model()
    drawn = sampled(one)
    advantages = advantages_of(groups_of(drawn), scores_of(REWARDS), "group_mean")
    hidden = [[None if (i, j) in TRUNCATED else a for j, a in enumerate(row)] for i, row in enumerate(advantages)]
    first = updater(one, settings)(experience_from(groups_of(drawn, TRUNCATED), advantages, mask_truncated=True))
    second = updater(other, settings)(experience_from(groups_of(drawn), hidden))
    assert first == second and torch.equal(weights(one), weights(other))
