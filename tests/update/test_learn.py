"""`Policy.learn` against autograd on padded rows: every parameter's gradient, over micro-batches, tied and untied."""

from __future__ import annotations

import pytest
import torch

from grpo.kernels.token_logprob import HeadSettings
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import Policy
from tests.update.conftest import FAMILIES, tiny_model
from tests.update.plain_grpo import logprobs_of
from tests.update.test_policy import TREES

CUTS = {"one micro-batch": 64, "several": 10}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_gradients_equal_the_padded_ones(family: str, tied: bool, cut: str) -> None:
    model, plain = tiny_model(family, tied=tied), tiny_model(family, tied=tied)
    branches = [(tree.prompt_ids, branch.token_ids) for tree in TREES for branch in tree.branches]
    weights = [torch.randn(len(ids), generator=torch.Generator().manual_seed(i)) for i, (_, ids) in enumerate(branches)]
    expected = sum(
        (logprobs_of(plain, list(prompt), list(ids), 0.8) * weight).sum()
        for (prompt, ids), weight in zip(branches, weights, strict=True)
    )
    assert isinstance(expected, torch.Tensor)
    expected.backward()  # type: ignore[no-untyped-call]

    policy, loss, batches = Policy(model), 0.0, pack(TREES, PackingLimits(micro_batch=CUTS[cut]))
    assert (len(batches) > 1) == (cut == "several")
    for batch in batches:
        wanted = torch.stack(
            [weights[c][t] for c, t in zip(batch.completion_index.tolist(), batch.token_offset.tolist(), strict=True)]
        )
        found = policy.learn(
            batch, HeadSettings(temperature=0.8), lambda logprob, _, rows, wanted=wanted: (logprob * wanted[rows]).sum()
        )
        loss += found.loss.item()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for (name, one), two in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert one.grad is not None and two.grad is not None, name
        assert (one.grad - two.grad).abs().max() < 1e-5 * max(1.0, float(two.grad.abs().max())), name
