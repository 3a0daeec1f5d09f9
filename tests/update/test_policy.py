"""Packed against padded, for every supported family: log-probs and gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from grpo.kernels.token_logprob import HeadSettings
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import Policy
from tests.update.conftest import FAMILIES, tiny_model
from tests.update.plain_grpo import logprobs_of
from tests.update.test_packing import tree

TREES = [tree((3, 4, 5), (6, 7, 8, 1), (9, 1), (10,)), tree((11, 12), (13, 14, 15, 16, 17, 1), (2, 1))]
LIMITS = PackingLimits(micro_batch=24)


def padded(model: torch.nn.Module, temperature: float) -> torch.Tensor:
    return torch.cat(
        [
            logprobs_of(model, list(t.prompt_ids), list(branch.token_ids), temperature)  # type: ignore[arg-type]
            for t in TREES
            for branch in t.branches
        ]
    )


def packed(policy: Policy, temperature: float, limits: PackingLimits = LIMITS) -> torch.Tensor:
    lengths = [len(branch.token_ids) for t in TREES for branch in t.branches]
    starts = torch.tensor([sum(lengths[:i]) for i in range(len(lengths))])
    result = torch.zeros(sum(lengths))
    for batch in pack(TREES, limits):
        values, _ = policy.token_logprobs(batch, HeadSettings(temperature=temperature))
        result = result.index_add(0, starts[batch.completion_index] + batch.token_offset, values)
    return result


@pytest.mark.parametrize("attention", ["shared_prompt", "sdpa", "eager"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_packed_equals_padded(family: str, tied: bool, attention: str) -> None:
    model = tiny_model(family, tied=tied, attention=attention)
    weights = torch.randn(sum(len(b.token_ids) for t in TREES for b in t.branches))
    expected = padded(model, 0.8)
    expected_gradients = torch.autograd.grad((expected * weights).sum(), list(model.parameters()))
    found = packed(Policy(model), 0.8)
    gradients = torch.autograd.grad((found * weights).sum(), list(model.parameters()))
    assert (found - expected).abs().max() < 1e-5
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        assert (gradient - wanted).abs().max() < 1e-5 * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize("limits", [PackingLimits(micro_batch=6), PackingLimits(micro_batch=50)])
def test_packing_does_not_change_logprobs(limits: PackingLimits) -> None:
    policy = Policy(tiny_model())
    with torch.no_grad():
        assert (packed(policy, 1.0, limits) - packed(policy, 1.0)).abs().max() < 1e-5


def test_wrong_position_ids_are_visible() -> None:
    policy = Policy(tiny_model())
    [batch] = pack(TREES[:1], LIMITS)
    stream = torch.arange(batch.input_ids.shape[1]).expand_as(batch.position_ids)
    with torch.no_grad():
        right, _ = policy.token_logprobs(batch, HeadSettings())
        wrong, _ = policy.token_logprobs(replace(batch, position_ids=stream), HeadSettings())
    assert (right - wrong).abs().max() > 1e-2


def test_sequence_logprobs_equal_padded() -> None:
    model = tiny_model()
    sequences = [(3, 4, 5, 6), (7, 8), (9, 10, 11)]
    found = Policy(model).sequence_logprobs(sequences, LIMITS)
    for ids, values in zip(sequences, found, strict=True):
        with torch.no_grad():
            expected = logprobs_of(model, list(ids[:1]), list(ids[1:]), 1.0)
        assert values.shape == expected.shape
        assert (values - expected).abs().max() < 1e-5


@pytest.mark.parametrize("tied", [False, True])
def test_named_weights_have_each_weight_once(tied: bool) -> None:
    names = [name for name, _ in Policy(tiny_model(tied=tied)).named_weights()]
    assert len(names) == len(set(names))
    assert ("lm_head.weight" in names) is not tied


def test_softcapped_head_is_refused() -> None:
    model = tiny_model()
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(ValueError, match="final_logit_softcapping"):
        Policy(model)
