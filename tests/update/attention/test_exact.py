"""Every path of packed attention against a padded row per completion: hidden states, log-probs and gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from grpo.config.limits import CHOICES
from grpo.types import PackedBatch
from grpo.update.attention import IMPLEMENTATIONS, body_hidden
from grpo.update.experience import Tree
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import to_device
from tests.update.conftest import FAMILIES, tiny_model
from tests.update.test_packing import tree

TREES = [
    tree((3, 4, 5), (6, 7, 8, 1), (9, 1), (10,)),
    tree((11, 12), (13, 14, 15, 16, 17, 1), (2, 1)),
    tree((4,), (5, 6), (7,)),
]


def one_batch(trees: list[Tree], size: int = 10_000) -> PackedBatch:
    [batch] = pack(trees, PackingLimits(micro_batch=size))
    return batch


def padded_hidden(model: PreTrainedModel, trees: list[Tree]) -> torch.Tensor:
    """(N, H): the states that predict each completion's tokens, every completion in a row of its own."""
    found = []
    for t in trees:
        for branch in t.branches:
            ids = [*t.prompt_ids, *branch.token_ids[:-1]]
            states = model.base_model(
                input_ids=torch.tensor([[*ids, 0, 0]]), attention_mask=torch.tensor([[1] * len(ids) + [0, 0]])
            ).last_hidden_state[0]
            found.append(states[len(t.prompt_ids) - 1 : len(ids)])
    return torch.cat(found)


def packed_hidden(model: PreTrainedModel, batch: PackedBatch) -> torch.Tensor:
    """(N, H) in the order of completions and their tokens."""
    states = body_hidden(model, batch).flatten(0, 1)[batch.source_index]
    order = (batch.completion_index * 10_000 + batch.token_offset).argsort()
    return states[order]


def gradients(model: PreTrainedModel, states: torch.Tensor) -> list[torch.Tensor]:
    weights = torch.linspace(-1, 1, states.numel(), dtype=states.dtype).view_as(states)
    return list(torch.autograd.grad((states * weights).sum(), list(model.base_model.parameters())))


def assert_same(found: list[torch.Tensor], wanted: list[torch.Tensor], limit: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).abs().max() <= limit * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("attention", ["shared_prompt", "sdpa", "eager"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_hidden_states_and_gradients_equal_padded(family: str, tied: bool, attention: str) -> None:
    model = tiny_model(family, tied=tied, attention=attention)
    wanted, found = padded_hidden(model, TREES), packed_hidden(model, one_batch(TREES))
    assert (found - wanted).abs().max() < 1e-5
    assert_same(gradients(model, found), gradients(model, wanted), 1e-5)


@pytest.mark.slow  # torch compiles the kernel with a C++ compiler
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_flex_forward_equals_padded(family: str) -> None:
    """Three streams of different lengths: the compiled kernel must not keep the first one's."""
    model = tiny_model(family, attention="flex")
    plain = tiny_model(family)
    for trees in (TREES, TREES[:1], TREES[1:]):
        with torch.no_grad():
            found = packed_hidden(model, one_batch(trees))
            assert (found - padded_hidden(plain, trees)).abs().max() < 1e-5


def test_flex_with_gradients_on_a_cpu_is_refused() -> None:
    with pytest.raises(ValueError, match="valid for training are shared_prompt"):
        body_hidden(tiny_model(attention="flex"), one_batch(TREES))


lengths = st.integers(1, 9)
groups = st.lists(st.tuples(lengths, st.lists(lengths, min_size=1, max_size=6)), min_size=1, max_size=4)


@settings(max_examples=40)
@given(shapes=groups, call_scores=st.sampled_from([0, 30, 10**6]), causal_keys=st.sampled_from([0, 8, 10**6]))
def test_any_shapes_equal_the_dense_mask(
    shapes: list[tuple[int, list[int]]], call_scores: int, causal_keys: int
) -> None:
    """Whatever the buckets: none shared, some, all; with a mask and without."""
    trees = [tree(tuple(range(1, p + 1)), *(tuple(range(2, c + 2)) for c in cs)) for p, cs in shapes]
    batch = one_batch(trees)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grpo.update.attention.layout.CALL_SCORES", {"cpu": call_scores})
        patch.setattr("grpo.update.attention.layout.CAUSAL_KEYS", {"cpu": causal_keys})
        found = packed_hidden(MODEL, batch)
    wanted = packed_hidden(DENSE, batch)
    assert (found - wanted).abs().max() < 1e-5
    assert_same(gradients(MODEL, found), gradients(DENSE, wanted), 1e-5)


MODEL, DENSE = tiny_model(), tiny_model(attention="sdpa")


def with_padding(batch: PackedBatch, other: PackedBatch) -> PackedBatch:
    """Two streams as two rows, the shorter one padded."""
    length = max(batch.input_ids.shape[1], other.input_ids.shape[1])
    rows = {
        name: torch.cat([torch.nn.functional.pad(getattr(one, name), (0, length - one.input_ids.shape[1]))
                         for one in (batch, other)])
        for name in ("input_ids", "position_ids", "segment_ids", "branch_ids")
    }  # fmt: skip
    moved = tuple(replace(s, start=s.start + length, prefix_start=s.prefix_start + length) for s in other.spans)
    return replace(
        batch,
        **rows,
        source_index=torch.cat([batch.source_index, other.source_index + length]),
        completion_index=torch.cat([batch.completion_index, other.completion_index + 100]),
        token_offset=torch.cat([batch.token_offset, other.token_offset]),
        target_ids=torch.cat([batch.target_ids, other.target_ids]),
        spans=batch.spans + moved,
    )


@pytest.mark.parametrize("attention", ["shared_prompt", "sdpa", "eager"])
def test_several_rows_with_padding(attention: str) -> None:
    model = tiny_model(attention=attention)
    batch = with_padding(one_batch(TREES[:1]), one_batch(TREES[1:]))
    assert 0 in batch.segment_ids
    wanted, found = padded_hidden(model, TREES), packed_hidden(model, batch)
    assert body_hidden(model, batch).isfinite().all()
    assert (found - wanted).abs().max() < 1e-5
    assert_same(gradients(model, found), gradients(model, wanted), 1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: replace(s, prefix_length=s.prefix_length - 1) if s.prefix_length else s,
        lambda s: replace(s, prefix_start=s.prefix_start + 1) if s.start == 7 else s,
        lambda s: replace(s, prefix_length=s.start - s.prefix_start) if s.prefix_length else s,
    ],
    ids=["prefix too short", "prefix begins late", "sees the completion before it"],
)
def test_wrong_borders_are_visible(wrong) -> None:  # type: ignore[no-untyped-def]
    batch = one_batch(TREES)
    with torch.no_grad():
        right = packed_hidden(MODEL, batch)
        found = packed_hidden(MODEL, replace(batch, spans=tuple(wrong(span) for span in batch.spans)))
    assert (found - right).abs().max() > 1e-2


def test_bfloat16_is_as_near_to_the_truth_as_padded() -> None:
    """Attention itself runs in float32 on a CPU."""
    exact = padded_hidden(tiny_model().double(), TREES).float()
    model = tiny_model().bfloat16()
    found, padded = packed_hidden(model, one_batch(TREES)), padded_hidden(model, TREES)
    assert found.dtype == torch.bfloat16
    assert (found - exact).abs().mean() < 1.2 * (padded - exact).abs().mean()


def test_a_plain_call_is_transformers_own() -> None:
    ids, mask = torch.tensor([[0, 3, 4, 5], [6, 7, 8, 9]]), torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
    with torch.no_grad():
        found = MODEL(input_ids=ids, attention_mask=mask).logits
        wanted = DENSE(input_ids=ids, attention_mask=mask).logits
    assert torch.equal(found, wanted)


@pytest.mark.gpu
@pytest.mark.parametrize("attention", ["shared_prompt", "flex", "sdpa"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_on_a_gpu(family: str, attention: str) -> None:
    """Heads of 16, the least flex attention takes on a GPU; fp32 matrix products in full precision."""
    torch.set_float32_matmul_precision("highest")
    batch = one_batch(TREES)
    plain = tiny_model(family, head_dim=16)
    model = tiny_model(family, attention=attention, head_dim=16).cuda()
    wanted = padded_hidden(plain, TREES)
    moved = to_device(batch, model.device)
    found = packed_hidden(model, moved).cpu()
    assert (found - wanted).abs().max() < 1e-4
    found_gradients = [gradient.cpu() for gradient in gradients(model, found)]
    assert_same(found_gradients, gradients(plain, wanted), 1e-4)


def test_the_config_knows_the_same_names() -> None:
    assert set(CHOICES["model.attention"]) == set(IMPLEMENTATIONS)
