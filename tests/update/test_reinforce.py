"""The packed GRPO step against the plain padded one, and what must not change it."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from grpo.algorithm.losses import LOSSES
from grpo.algorithm.reductions import REDUCTIONS
from grpo.config.slices import AlgorithmConfig, OptimizerConfig
from grpo.kernels.token_logprob import HeadSettings
from grpo.types import Completion, Group, Prompt, Score
from grpo.update.advantages import advantages_of
from grpo.update.experience import Tree, experience_from
from grpo.update.mismatch import LogprobMismatchError, MismatchLimit
from grpo.update.optimizer import NonFiniteError, Optimizer
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from grpo.update.reference import ReferencePolicy
from grpo.update.reinforce import PolicyUpdate, UpdateSettings, split_evenly
from tests.update.conftest import tiny_model
from tests.update.plain_grpo import PlainAdamW, Sampled, logprobs_of, token_mean_loss

TEMPERATURE = 0.9
REWARDS = [[1.0, 0.0, 0.1, 1.1], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]]  # the second group is dead


def sampled(model: PreTrainedModel, drift: float = 0.0) -> list[Sampled]:
    """Random groups whose old log-probs are the model's own, moved by up to `drift`."""
    rng = random.Random(5)
    groups = []
    for rewards in REWARDS:
        prompt = [rng.randrange(23) for _ in range(rng.randint(2, 6))]
        completions = [[rng.randrange(23) for _ in range(rng.randint(1, 7))] for _ in rewards]
        with torch.no_grad():
            old = [logprobs_of(model, prompt, c, TEMPERATURE).tolist() for c in completions]
        old = [[value + rng.uniform(-drift, drift) for value in row] for row in old]
        groups.append(Sampled(prompt, completions, old, rewards))
    return groups


def trees_of(groups: list[Sampled], advantage: str = "group_mean_std") -> list[Tree]:
    made = [
        Group(
            prompt=Prompt(problem_id=str(i), token_ids=tuple(g.prompt), seed=0),
            completions=tuple(
                Completion(token_ids=tuple(c), logprobs=tuple(old), finish_reason="stop", weight_version=0)
                for c, old in zip(g.completions, g.old_logprobs, strict=True)
            ),
        )
        for i, g in enumerate(groups)
    ]
    scores = [[Score(total=r, parts=(r,)) for r in g.rewards] for g in groups]
    return experience_from(made, advantages_of(made, scores, advantage))


SETTINGS = UpdateSettings(
    algorithm=AlgorithmConfig(),
    sampling=HeadSettings(temperature=TEMPERATURE),
    max_tokens=8,
    optimizer_steps=1,
    limits=PackingLimits(micro_batch=80),
    mismatch=MismatchLimit(statistic="max", value=1e-4),
)
OPTIMIZER = OptimizerConfig(lr=1e-3, max_grad_norm=0.5, weight_decay=0.1)


DAMPED = replace(OPTIMIZER, eps=1e-3)
"""Adam divides gradients by their own size: with a tiny eps, noise in a vanishing gradient becomes a step."""


def updater(
    model: PreTrainedModel,
    settings: UpdateSettings = SETTINGS,
    reference: ReferencePolicy | None = None,
    optimizer: OptimizerConfig = OPTIMIZER,
) -> PolicyUpdate:
    return PolicyUpdate(Policy(model), Optimizer(model, optimizer, steps=10), settings, reference)


class SecondModel:
    """The plain reference: another model beside the policy."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.policy = Policy(model)

    def logprobs(self, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
        return self.policy.tree_logprobs(trees, limits, sampling)


def weights(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_step_equals_the_plain_padded_step() -> None:
    """Two steps, so that moments and bias correction take part; weights agree to 1e-5."""
    ours, plain = tiny_model(), tiny_model()
    update, adamw = updater(ours), PlainAdamW(lr=1e-3, max_norm=0.5, decay=0.1)
    for _ in range(2):
        metrics = update(trees_of(sampled(ours)))
        loss = token_mean_loss(plain, sampled(plain), TEMPERATURE, 0.2, 0.2)
        norm = adamw.step(plain, loss)
        assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
        assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)
        assert metrics["sampling/sampling_logp_difference/max"] < 1e-5
        assert (weights(ours) - weights(plain)).abs().max() < 1e-5
    assert (weights(ours) - weights(tiny_model())).abs().max() > 1e-3


def test_clipped_steps_equal_the_plain_ones() -> None:
    """Two optimizer steps on one rollout: the second part is off-policy, so its ratios and the clip take part."""
    ours, plain = tiny_model(), tiny_model()
    groups = sampled(ours)
    optimizer = Optimizer(ours, replace(OPTIMIZER, lr=5e-2, eps=1e-2), steps=2)  # a large eps keeps Adam from
    metrics = PolicyUpdate(  # dividing rounding noise by rounding noise
        Policy(ours), optimizer, replace(SETTINGS, optimizer_steps=2), None
    )(trees_of(groups))
    adamw = PlainAdamW(lr=5e-2, max_norm=0.5, decay=0.1, eps=1e-2)
    for part in (groups[:1], groups[1:]):
        adamw.step(plain, token_mean_loss(plain, part, TEMPERATURE, 0.2, 0.2))
    assert metrics["clip_ratio/region_mean"] > 0.2
    assert (weights(ours) - weights(plain)).abs().max() < 1e-5


def test_learning_raises_good_and_lowers_bad_completions() -> None:
    model = tiny_model()
    groups = sampled(model)[:1]
    updater(model)(trees_of(groups))
    with torch.no_grad():
        gains = [
            float((logprobs_of(model, groups[0].prompt, c, TEMPERATURE) - torch.tensor(old)).sum())
            for c, old in zip(groups[0].completions, groups[0].old_logprobs, strict=True)
        ]
    best, worst = REWARDS[0].index(1.1), REWARDS[0].index(0.0)
    assert gains[best] > 0.1 and gains[worst] < -0.1


@pytest.mark.parametrize("reduction", sorted(REDUCTIONS))
@pytest.mark.parametrize("limits", [PackingLimits(micro_batch=8), PackingLimits(micro_batch=200)])
def test_any_split_and_order_gives_the_same_gradient(reduction: str, limits: PackingLimits) -> None:
    algorithm = AlgorithmConfig(reduction=reduction)
    base, other = tiny_model(), tiny_model()
    trees = trees_of(sampled(base))
    one = updater(base, replace(SETTINGS, algorithm=algorithm), optimizer=DAMPED)(trees)
    two = updater(other, replace(SETTINGS, algorithm=algorithm, limits=limits), optimizer=DAMPED)(trees[::-1])
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-5, abs=1e-6)  # on-policy it is 0 by construction
    assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-5)
    assert (weights(base) - weights(other)).abs().max() < 1e-6


@pytest.mark.parametrize("reduction", sorted(REDUCTIONS))
def test_dropping_dead_groups_changes_nothing(reduction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = AlgorithmConfig(reduction=reduction)
    dropped, kept = tiny_model(), tiny_model()
    trees = trees_of(sampled(dropped))
    first = updater(dropped, replace(SETTINGS, algorithm=algorithm))(trees)
    monkeypatch.setattr(Tree, "live", property(lambda _: True))
    second = updater(kept, replace(SETTINGS, algorithm=algorithm))(trees)
    assert first["grad_norm"] == pytest.approx(second["grad_norm"], rel=1e-5)
    assert (weights(dropped) - weights(kept)).abs().max() < 1e-5


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_dropping_dead_groups_changes_no_loss(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses that compare tokens over the step see the dead groups' whether or not they have a gradient."""
    algorithm = AlgorithmConfig(loss=loss, covariance_share=0.2, covariance_low=0.0, covariance_high=50.0)
    dropped, kept = tiny_model(), tiny_model()
    trees = trees_of(sampled(dropped))
    first = updater(dropped, replace(SETTINGS, algorithm=algorithm))(trees)
    monkeypatch.setattr(Tree, "live", property(lambda _: True))
    second = updater(kept, replace(SETTINGS, algorithm=algorithm))(trees)
    assert first["grad_norm"] == pytest.approx(second["grad_norm"], rel=1e-5)
    assert (weights(dropped) - weights(kept)).abs().max() < 1e-5


def test_excluding_dead_groups_scales_the_loss() -> None:
    counted, excluded = tiny_model(), tiny_model()
    trees = trees_of(sampled(counted))
    one = updater(counted)(trees)
    two = updater(excluded, replace(SETTINGS, algorithm=AlgorithmConfig(dead_groups="exclude")))(trees)
    alive = sum(tree.tokens for tree in trees if tree.live) / sum(tree.tokens for tree in trees)
    assert one["grad_norm"] == pytest.approx(two["grad_norm"] * alive, rel=1e-5)


def test_mismatch_stops_before_anything_is_applied() -> None:
    model = tiny_model()
    before = weights(model)
    with pytest.raises(LogprobMismatchError, match=r"max 0\.\d+ nats over \d+ tokens, above the limit 0.0001"):
        updater(model)(trees_of(sampled(model, drift=0.5)))
    assert torch.equal(weights(model), before)


def test_mismatch_below_the_limit_is_corrected_with_a_cap() -> None:
    """Sampler log-probs lower by 1 nat: every weight is min(e, 2), so the gradient doubles."""
    exact, shifted = tiny_model(), tiny_model()
    groups = sampled(exact)
    moved = [replace(g, old_logprobs=[[v - 1.0 for v in row] for row in g.old_logprobs]) for g in groups]
    loose = replace(SETTINGS, mismatch=MismatchLimit(statistic="max", value=2.0))
    one, two = updater(exact)(trees_of(groups)), updater(shifted, loose)(trees_of(moved))
    assert two["sampling/importance_sampling_ratio/mean"] == pytest.approx(2.71828, rel=1e-3)
    assert two["grad_norm"] == pytest.approx(2 * one["grad_norm"], rel=1e-4)


def test_all_dead_groups_leave_weights_alone() -> None:
    model = tiny_model()
    before = weights(model)
    groups = [replace(g, rewards=[0.5] * len(g.rewards)) for g in sampled(model)]
    update = updater(model)
    assert update(trees_of(groups)) == {}
    assert torch.equal(weights(model), before) and update.optimizer.done == 1


def test_kl_term_pulls_dead_groups_back_to_the_reference() -> None:
    model = tiny_model()
    groups = [replace(g, rewards=[0.5] * len(g.rewards)) for g in sampled(model)]
    settings = replace(SETTINGS, algorithm=AlgorithmConfig(kl_coef=0.5))
    update = updater(model, settings, SecondModel(tiny_model(seed=1)))
    first = update(trees_of(groups))["kl"]
    assert first > 0.1
    for _ in range(5):
        last = update(
            trees_of([replace(g, old_logprobs=h.old_logprobs) for g, h in zip(groups, sampled(model), strict=True)])
        )["kl"]
    assert last < first


def test_nan_gradient_is_not_applied() -> None:
    model = tiny_model()
    before = weights(model)
    trees = trees_of(sampled(model))
    broken = [replace(t, branches=tuple(replace(b, advantage=float("nan")) for b in t.branches)) for t in trees]
    with pytest.raises(NonFiniteError):
        updater(model)(broken)
    assert torch.equal(weights(model), before)


def test_errored_rewards_leave_their_completion_and_baseline() -> None:
    groups = sampled(tiny_model())[:1]
    made = [
        Group(
            prompt=Prompt(problem_id="0", token_ids=(1,), seed=0),
            completions=tuple(
                Completion(token_ids=(1,), logprobs=(0.0,), finish_reason="stop", weight_version=0) for _ in range(4)
            ),
        )
    ] * 2
    scores = [
        [Score(total=t, parts=(t,)) for t in (1.0, None, 0.0, None)],
        [Score(total=t, parts=(t,)) for t in (1.0, None, None, None)],
    ]
    assert advantages_of(made, scores, "group_mean") == [[0.5, None, -0.5, None], [None] * 4]
    assert len(experience_from(made, advantages_of(made, scores, "group_mean"))) == 1
    assert groups


def test_split_evenly_needs_no_divisibility() -> None:
    trees = trees_of(sampled(tiny_model()))
    assert [len(part) for part in split_evenly(trees, 2)] == [1, 2]
    assert [len(part) for part in split_evenly(trees, 9)] == [1, 1, 1]
    assert copy.copy(split_evenly([], 3)) == [[]]
