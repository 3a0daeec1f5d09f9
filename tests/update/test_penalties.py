"""The KL term and the entropy bonus of the loss: values and gradients against plain torch, and exact expectations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from grpo.algorithm.kl import ESTIMATORS
from grpo.config.slices import AlgorithmConfig
from grpo.update.optimizer import Optimizer
from grpo.update.policy import Policy
from grpo.update.reinforce import PolicyUpdate
from tests.update.conftest import tiny_model
from tests.update.plain_grpo import PlainAdamW, Sampled, entropies_of, logprobs_of, policy_terms
from tests.update.test_reinforce import (
    DAMPED,
    OPTIMIZER,
    SETTINGS,
    TEMPERATURE,
    SecondModel,
    sampled,
    trees_of,
    weights,
)

Plain = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
PLAIN: dict[str, Plain] = {
    "k2": lambda new, ref, old: (new - ref) ** 2 / 2,
    "k3": lambda new, ref, old: torch.exp(ref - new) - (ref - new) - 1,
    "k3_unbiased": lambda new, ref, old: torch.exp(new - old) * (torch.exp(ref - new) - (ref - new) - 1),
}
"""Of one token: log-probs of the policy, the reference, and the policy before the rollout's first step."""
COEF = 0.5


def penalised_loss(plain: PreTrainedModel, groups: list[Sampled], estimator: Plain) -> tuple[torch.Tensor, list[float]]:
    """Mean over all tokens of policy loss + COEF · KL; and the KL of each token."""
    reference = tiny_model(seed=1)
    terms, kl = [], []
    for group in groups:
        terms += policy_terms(plain, group, TEMPERATURE, 0.2, 0.2)
        for completion, old in zip(group.completions, group.old_logprobs, strict=True):
            new = logprobs_of(plain, group.prompt, completion, TEMPERATURE)
            with torch.no_grad():
                ref = logprobs_of(reference, group.prompt, completion, TEMPERATURE)
            kl += [estimator(new[t], ref[t], torch.tensor(old[t])) for t in range(len(completion))]
    loss = torch.stack(terms).mean() + COEF * torch.stack(kl).mean()
    return loss, [value.item() for value in kl]


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("estimator", sorted(PLAIN))
def test_kl_in_the_loss_equals_the_plain_one(estimator: str, steps: int) -> None:
    """With two optimizer steps the second is off-policy: k3_unbiased has a ratio there that is not 1."""
    ours, plain = tiny_model(), tiny_model()
    groups = sampled(ours)
    settings = replace(SETTINGS, algorithm=AlgorithmConfig(kl_coef=COEF, kl_estimator=estimator), optimizer_steps=steps)
    rate = 1e-2  # so that a second step's ratios differ from 1 by tenths
    optimizer = Optimizer(ours, replace(OPTIMIZER, lr=rate, eps=1e-2), steps=2)
    metrics = PolicyUpdate(Policy(ours), optimizer, settings, SecondModel(tiny_model(seed=1)))(trees_of(groups))
    adamw = PlainAdamW(lr=rate, max_norm=0.5, decay=0.1, eps=1e-2)
    losses, kl, norms = [], [], []
    for part in [groups] if steps == 1 else [groups[:1], groups[1:]]:
        loss, values = penalised_loss(plain, part, PLAIN[estimator])
        losses.append(loss.item())
        kl += values
        norms.append(adamw.step(plain, loss))
    assert metrics["loss"] == pytest.approx(sum(losses), rel=1e-4)
    assert metrics["kl"] == pytest.approx(sum(kl) / len(kl), rel=1e-4)
    assert metrics["grad_norm"] == pytest.approx(sum(norms) / len(norms), rel=1e-4)
    assert (weights(ours) - weights(plain)).abs().max() < 1e-5
    assert (weights(ours) - weights(tiny_model())).abs().max() > 1e-3


@pytest.mark.parametrize("dead", [False, True])
def test_the_entropy_bonus_equals_the_plain_one(dead: bool) -> None:
    """Groups of equal rewards take part: the bonus gives them a gradient."""
    ours, plain = tiny_model(), tiny_model()
    groups = sampled(ours)
    if dead:
        groups = [replace(group, rewards=[0.5] * len(group.rewards)) for group in groups]
    settings = replace(SETTINGS, algorithm=AlgorithmConfig(entropy_coef=0.4))
    metrics = PolicyUpdate(Policy(ours), Optimizer(ours, DAMPED, 10), settings, None)(trees_of(groups))
    terms, entropy = [], []
    for group in groups:
        terms += policy_terms(plain, group, TEMPERATURE, 0.2, 0.2)
        entropy += [h for c in group.completions for h in entropies_of(plain, group.prompt, c, TEMPERATURE)]
    loss = torch.stack(terms).mean() - 0.4 * torch.stack(entropy).mean()
    norm = PlainAdamW(lr=1e-3, max_norm=0.5, decay=0.1, eps=1e-3).step(plain, loss)
    assert metrics["entropy"] == pytest.approx(torch.stack(entropy).mean().item(), rel=1e-5)
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4) and norm > 0.01
    assert (weights(ours) - weights(plain)).abs().max() < 1e-5


def test_the_bonus_raises_entropy() -> None:
    model = tiny_model()
    settings = replace(SETTINGS, algorithm=AlgorithmConfig(entropy_coef=1.0))
    update = PolicyUpdate(Policy(model), Optimizer(model, OPTIMIZER, 10), settings, None)
    found = []
    for _ in range(3):
        dead = [replace(group, rewards=[1.0] * len(group.rewards)) for group in sampled(model)]
        found.append(update(trees_of(dead))["entropy"])
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize("on_policy", [True, False])
def test_which_estimates_have_the_gradient_of_the_kl(on_policy: bool) -> None:
    """Σ_a old(a) · ∇ estimate(a) over a whole small vocabulary, against ∇ KL(π || reference) of the softmax.

    This is what `check_algorithm.py` refuses and warns by: k1 none, k3 nearly, k2 on-policy, k3_unbiased always.
    """
    generator = torch.Generator().manual_seed(3)
    logits, other, shift = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    reference = torch.log_softmax(logits.detach() + 0.5 * other, dim=0)
    old = torch.log_softmax(logits.detach() + (0.0 if on_policy else 0.4) * shift, dim=0)
    new = torch.log_softmax(logits, dim=0)
    [exact] = torch.autograd.grad((new.exp() * (new - reference)).sum(), logits, retain_graph=True)

    def error(name: str) -> float:
        mean = (old.exp() * ESTIMATORS[name](new, reference, old)).sum()
        [found] = torch.autograd.grad(mean, logits, retain_graph=True)
        return float((found - exact).norm() / exact.norm())

    assert error("k3_unbiased") < 1e-12
    assert (error("k2") < 1e-12) == on_policy
    assert error("k3") > 0.02
    assert (
        error("k1") == pytest.approx(1.0) if on_policy else error("k1") > 0.5
    )  # the gradient is 0: all of it is missing
