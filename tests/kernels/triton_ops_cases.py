"""What `TritonOps` must satisfy, on a GPU or under the interpreter; `test_triton_ops.py` runs this file in a process of
its own, because Triton decides between the two when kernels are decorated."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from grpo.kernels.token_logprob import triton_ops
from grpo.kernels.token_logprob.ops import RowOps, Rows, RowStatistics, Upstream
from grpo.kernels.token_logprob.torch_ops import TorchOps
from grpo.kernels.token_logprob.triton_ops import TritonOps

from .ptx_samples import copy_words, pack_pairs, widen

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
FORMS = pytest.mark.parametrize("ptx", [False, True], ids=["tiles", "words"])
"""Under the interpreter the second form runs with the plain twins of the PTX, on a GPU with the PTX itself."""
TWINS = [False, True] if DEVICE == "cuda" else [False]
"""Inline assembly cannot be interpreted."""
FIELDS = ("largest", "log_sum", "logprob", "entropy")


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """One warp and two loads a thread: whole tiles, several segments and a ragged end within some thousand columns."""
    monkeypatch.setattr(triton_ops, "WARPS", 1)
    monkeypatch.setattr(triton_ops, "LOADS", 2)
    monkeypatch.setattr(triton_ops, "SEGMENT", 1024)


def normal(generator: torch.Generator, count: int, columns: int) -> torch.Tensor:
    return 3 * torch.randn(count, columns, generator=generator)


def peaked(generator: torch.Generator, count: int, columns: int) -> torch.Tensor:
    """One token a row has nearly all the probability, as after training."""
    logits = normal(generator, count, columns)
    logits[torch.arange(count), torch.randint(columns, (count,), generator=generator)] += 30
    return logits


def extreme(generator: torch.Generator, count: int, columns: int) -> torch.Tensor:
    """±10,000, the largest twice in a row, so that two tokens share the probability."""
    logits = 1e4 * (2 * torch.randint(2, (count, columns), generator=generator) - 1).float()
    return logits + torch.randint(3, (count, columns), generator=generator)


INPUTS = pytest.mark.parametrize("make", [normal, peaked, extreme], ids=lambda make: make.__name__)
SHAPES = pytest.mark.parametrize(
    ("shape", "cut"),
    [((1, 1), False), ((3, 37), True), ((2, 1024), False), ((2, 2500), False), ((2, 2500), True)],
    ids=lambda value: ("whole", "cut")[value] if isinstance(value, bool) else str(value),
)


@dataclass
class Case:
    """A chunk with everything that goes with it, on the device."""

    logits: torch.Tensor
    rows: Rows
    upstream: Upstream


def case(
    make: Callable[..., torch.Tensor], shape: tuple[int, int], dtype: torch.dtype, *, cut: bool, seed: int = 0
) -> Case:
    """Fresh input; with `cut` half of each row is below its floor, and the target is not."""
    generator = torch.Generator().manual_seed(seed)
    logits = make(generator, *shape).to(dtype)
    targets = torch.randint(shape[1], shape[:1], generator=generator)
    chosen = logits.float().gather(1, targets.unsqueeze(1)).squeeze(1)
    floor = torch.minimum(logits.float().median(dim=1).values, chosen) if cut else None
    coefficients = torch.randn(2, shape[0], generator=generator)
    # Rows that begin on 16 bytes, whatever the number of columns.
    padded = -(-shape[1] // 16) * 16
    buffer = torch.empty(shape[0], padded, dtype=dtype, device=DEVICE)[:, : shape[1]]
    return Case(
        logits=buffer.copy_(logits),
        rows=Rows(targets=targets.to(DEVICE), scale=1 / 0.7, floor=None if floor is None else floor.to(DEVICE)),
        upstream=Upstream(logprob=coefficients[0].to(DEVICE), entropy=coefficients[1].to(DEVICE)),
    )


def exact(one: Case) -> tuple[RowStatistics, torch.Tensor]:
    """Statistics and gradient in float64: log_softmax over the kept logits, and autograd."""
    logits = one.logits.double().detach().clone().requires_grad_()
    z = logits * one.rows.scale
    if one.rows.floor is not None:
        z = z.masked_fill(one.logits.float() < one.rows.floor.unsqueeze(1), -torch.inf)
    log_share = torch.log_softmax(z, dim=1)
    logprob = log_share.gather(1, one.rows.targets.unsqueeze(1)).squeeze(1)
    entropy = -(log_share.exp() * log_share.masked_fill(log_share == -torch.inf, 0)).sum(1)
    loss = (logprob * one.upstream.logprob).sum()
    if one.upstream.entropy is not None:
        loss = loss + (entropy * one.upstream.entropy).sum()
    loss.backward()
    assert logits.grad is not None
    largest = one.logits.double().amax(dim=1)
    log_sum = torch.logsumexp(z - one.rows.scale * largest.unsqueeze(1), dim=1)
    statistics = RowStatistics(
        largest=largest, log_sum=log_sum.detach(), logprob=logprob.detach(), entropy=entropy.detach()
    )
    return statistics, logits.grad


def both(ops: RowOps, one: Case) -> tuple[RowStatistics, torch.Tensor]:
    """Statistics and gradient of an implementation; the case keeps its logits."""
    logits = one.logits.clone(memory_format=torch.preserve_format)
    statistics = ops.statistics(logits, one.rows)
    assert torch.equal(logits, one.logits), "statistics left the logits as they were"
    ops.gradient_(logits, one.rows, statistics, one.upstream)
    return statistics, logits


def worst(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected).abs().max())


def cuts_off(dtype: torch.dtype, ptx: bool, columns: int) -> bool:
    """The interpreter's own conversion to bfloat16 does not round: up to a step off instead of half a step. Words are
    rounded in integers, but a ragged end (whole tiles are 512 columns here) goes in neither form by words."""
    return DEVICE == "cpu" and dtype == torch.bfloat16 and not (ptx and columns % 512 == 0)


def one_step(values: torch.Tensor, dtype: torch.dtype) -> float:
    """The rounding step of the largest value, twice what a correctly rounded result in `dtype` may be off by."""
    return float(values.abs().max()) * torch.finfo(dtype).eps


@pytest.mark.usefixtures("small_segments")
@DTYPES
@FORMS
@SHAPES
@INPUTS
def test_no_less_exact_than_eager(
    make: Callable[..., torch.Tensor], shape: tuple[int, int], dtype: torch.dtype, ptx: bool, cut: bool
) -> None:
    """Against float64; `TorchOps` does the same in eager float32. Float32 results may be off by a rounding step, where
    eager happens to be exact; a bfloat16 gradient must not be off by more than the correctly rounded one."""
    one = case(make, shape, dtype, cut=cut, seed=sum(shape) + cut)
    (found, gradient), (eager, eager_gradient) = both(TritonOps(ptx=ptx), one), both(TorchOps(), one)
    expected, expected_gradient = exact(one)
    for field in FIELDS:
        value, reference = getattr(found, field), getattr(expected, field)
        allowed = max(worst(getattr(eager, field), reference), one_step(reference, torch.float32), 1e-6)
        assert value.dtype == torch.float32 and worst(value, reference) <= allowed, field
    step = one_step(expected_gradient, dtype if cuts_off(dtype, ptx, shape[1]) else torch.float32)
    assert worst(gradient, expected_gradient) <= max(worst(eager_gradient, expected_gradient), step, 1e-6)


@pytest.mark.usefixtures("small_segments")
@FORMS
def test_entropy_of_large_logits(ptx: bool) -> None:
    """Distances from the largest logit are summed: lse - Σ p z in float32 is off by more than 1e-3 here."""
    one = case(normal, (3, 2500), torch.float32, cut=False)
    one.logits.add_(1e5)
    expected = exact(one)[0].entropy
    assert worst(TritonOps(ptx=ptx).statistics(one.logits, one.rows).entropy, expected) < 1e-5
    z = one.logits * one.rows.scale
    eager = torch.logsumexp(z, 1) - (torch.softmax(z, 1) * z).sum(1)
    assert worst(eager, expected) > 1e-3


def test_vectors_may_be_columns_of_a_matrix() -> None:
    one = case(normal, (4, 300), torch.float32, cut=True)
    expected, gradient = both(TritonOps(), one)

    def column(vector: torch.Tensor | None) -> torch.Tensor:
        assert vector is not None
        return torch.stack([vector, vector + 1], dim=1)[:, 0]

    one.rows = Rows(targets=column(one.rows.targets), scale=one.rows.scale, floor=column(one.rows.floor))
    one.upstream = Upstream(logprob=column(one.upstream.logprob), entropy=column(one.upstream.entropy))
    found, again = both(TritonOps(), one)
    assert torch.equal(found.entropy, expected.entropy) and torch.equal(again, gradient)


@pytest.mark.usefixtures("small_segments")
@DTYPES
@FORMS
def test_without_entropy_gradient(dtype: torch.dtype, ptx: bool) -> None:
    one = case(normal, (3, 2500), dtype, cut=True)
    one.upstream = Upstream(logprob=one.upstream.logprob)
    expected = exact(one)[1]
    allowed = max(
        worst(both(TorchOps(), one)[1], expected), one_step(expected, dtype) * cuts_off(dtype, ptx, 2500), 1e-6
    )
    assert worst(both(TritonOps(ptx=ptx), one)[1], expected) <= allowed


@pytest.mark.usefixtures("small_segments")
@DTYPES
@FORMS
@pytest.mark.parametrize("with_entropy", [False, True])
def test_rows_without_coefficient_are_not_read(dtype: torch.dtype, ptx: bool, with_entropy: bool) -> None:
    """Masked tokens: even NaN becomes 0 there; their neighbours, and what lies beyond the columns, stay right."""
    one = case(normal, (3, 2500), dtype, cut=False)
    one.upstream.logprob[1] = 0.0
    entropy = torch.tensor([0.5, 0.0, 0.0], device=DEVICE) if with_entropy else None
    one.upstream = Upstream(logprob=one.upstream.logprob, entropy=entropy)
    expected = exact(one)[1]
    padding = one.logits.as_strided((3, one.logits.stride(0) - 2500), one.logits.stride(), 2500)
    padding.fill_(7.0)
    ops = TritonOps(ptx=ptx)
    statistics = ops.statistics(one.logits, one.rows)
    one.logits[1] = torch.nan
    ops.gradient_(one.logits, one.rows, statistics, one.upstream)
    assert torch.equal(one.logits[1], torch.zeros_like(one.logits[1]))
    assert worst(one.logits, expected) <= max(one_step(expected, dtype), 5e-6)
    assert torch.equal(padding, torch.full_like(padding, 7.0))


@pytest.mark.usefixtures("small_segments")
@DTYPES
@FORMS
def test_minus_infinity_has_no_probability(dtype: torch.dtype, ptx: bool) -> None:
    one = case(normal, (2, 2500), dtype, cut=False)
    one.logits[:, 10:700] = -torch.inf
    one.rows.targets[:] = 3
    (found, gradient), (expected, _) = both(TritonOps(ptx=ptx), one), exact(one)
    for field in FIELDS:
        assert worst(getattr(found, field), getattr(expected, field)) < 1e-5, field
    assert torch.equal(gradient[:, 10:700], torch.zeros_like(gradient[:, 10:700]))
    assert bool(gradient.isfinite().all())


@pytest.mark.usefixtures("small_segments")
@FORMS
def test_nan_is_not_hidden(ptx: bool) -> None:
    one = case(normal, (2, 2500), torch.bfloat16, cut=True)
    one.logits[1, 2000] = torch.nan
    found, gradient = both_of_nan(TritonOps(ptx=ptx), one)
    assert found.logprob.isnan().tolist() == found.entropy.isnan().tolist() == [False, True]
    assert gradient.isnan().any(dim=1).tolist() == [False, True]


def both_of_nan(ops: RowOps, one: Case) -> tuple[RowStatistics, torch.Tensor]:
    statistics = ops.statistics(one.logits, one.rows)
    ops.gradient_(one.logits, one.rows, statistics, one.upstream)
    return statistics, one.logits


@pytest.mark.usefixtures("small_segments")
@DTYPES
def test_the_two_forms_agree_bit_for_bit(dtype: torch.dtype) -> None:
    one = case(normal, (2, 2500), dtype, cut=True)
    (tiles, tiles_gradient), (words, words_gradient) = both(TritonOps(), one), both(TritonOps(ptx=True), one)
    for field in FIELDS:
        assert torch.equal(getattr(tiles, field), getattr(words, field)), field
    if cuts_off(dtype, False, 2500):
        assert worst(tiles_gradient, words_gradient.double()) <= one_step(words_gradient.float(), dtype)
    else:
        assert torch.equal(tiles_gradient, words_gradient)


@pytest.mark.usefixtures("small_segments")
@DTYPES
def test_a_row_does_not_depend_on_its_chunk(dtype: torch.dtype) -> None:
    """Bit for bit: how tokens are cut into chunks does not change the loss."""
    one = case(normal, (5, 2500), dtype, cut=False)
    whole, gradient = both(TritonOps(), one)
    part = Case(
        logits=one.logits[2:4],
        rows=Rows(targets=one.rows.targets[2:4], scale=one.rows.scale),
        upstream=Upstream(logprob=one.upstream.logprob[2:4], entropy=one.upstream.entropy[2:4]),  # type: ignore[index]
    )
    alone, alone_gradient = both(TritonOps(), part)
    for field in FIELDS:
        assert torch.equal(getattr(whole, field)[2:4], getattr(alone, field)), field
    assert torch.equal(gradient[2:4], alone_gradient)


def test_rows_beyond_two_to_the_31() -> None:
    """Row 2 begins at element 2**31: 32-bit offsets would wrap. The 4 GiB between are never touched."""
    columns, stride = 40, 2**30
    buffer = torch.empty(2 * stride + columns, dtype=torch.bfloat16, device=DEVICE)
    one = case(normal, (3, columns), torch.bfloat16, cut=False)
    expected, gradient = both(TritonOps(), one)
    far = buffer.as_strided((3, columns), (stride, 1)).copy_(one.logits)
    found = TritonOps().statistics(far, one.rows)
    TritonOps().gradient_(far, one.rows, found, one.upstream)
    assert torch.equal(found.logprob, expected.logprob) and torch.equal(far, gradient)


def test_rows_that_begin_off_16_bytes() -> None:
    """An odd vocabulary in a plain buffer: slower, not wrong, and without PTX."""
    one = case(normal, (3, 5001), torch.bfloat16, cut=False)
    aligned, gradient = both(TritonOps(ptx=True), one)
    one.logits = one.logits.contiguous()
    plain, plain_gradient = both(TritonOps(ptx=True), one)
    assert worst(plain.logprob, aligned.logprob.double()) < 1e-5
    assert worst(plain_gradient, gradient.double()) <= one_step(gradient.float(), torch.bfloat16)


def test_an_empty_chunk() -> None:
    one = case(normal, (2, 37), torch.float32, cut=False)
    empty = one.logits[:0]
    rows = Rows(targets=one.rows.targets[:0], scale=1.0)
    statistics = TritonOps().statistics(empty, rows)
    TritonOps().gradient_(empty, rows, statistics, Upstream(logprob=one.upstream.logprob[:0]))
    assert statistics.logprob.shape == (0,)


@DTYPES
def test_outer_products_add_up_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    gradient, hidden = (torch.randn(64, size, generator=generator).to(DEVICE, dtype) for size in (48, 16))
    total = torch.full((48, 16), 1000.0, device=DEVICE)
    TritonOps().add_outer_(total, gradient, hidden)
    expected = 1000 + gradient.double().T @ hidden.double()
    assert worst(total, expected) <= 1e-3 < 1000 * torch.finfo(torch.bfloat16).eps


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        (torch.zeros(3), "must be"),
        (torch.zeros(2, 3, dtype=torch.float16), "float16"),
        (torch.zeros(3, 2).T, "adjacent"),
        (torch.zeros(2, 0), "adjacent"),
    ],
    ids=["one dimension", "float16", "transposed", "no columns"],
)
def test_misuse_is_refused(logits: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TritonOps().statistics(logits, Rows(targets=torch.zeros(2, dtype=torch.int64), scale=1.0))


@pytest.mark.parametrize("ptx", TWINS)
def test_packing_rounds_to_nearest_even(ptx: bool) -> None:
    """Ties, subnormals, overflow to infinity and random bits as torch converts them; NaN stays NaN."""
    generator = torch.Generator().manual_seed(0)
    special = [1.00390625, 1.01171875, -1.00390625, 0.0, -0.0, 1e-40, 3.4e38, torch.inf, -torch.inf, torch.nan]
    random = torch.randint(-(2**31), 2**31, (1014,), generator=generator, dtype=torch.int64).int().view(torch.float32)
    source = torch.cat([torch.tensor(special), random]).to(DEVICE)
    packed = torch.empty(512, dtype=torch.int32, device=DEVICE)
    pack_pairs[(1,)](source, packed, BLOCK=512, PTX=ptx)
    found, expected = packed.view(torch.bfloat16), source.to(torch.bfloat16)
    number = ~expected.isnan()
    assert torch.equal(found.view(torch.int16)[number], expected.view(torch.int16)[number])
    assert bool(found[~number].isnan().all())


@pytest.mark.parametrize("ptx", TWINS)
def test_words_are_copied_as_they_are(ptx: bool) -> None:
    source = torch.arange(-256, 256, dtype=torch.int32, device=DEVICE)
    result = torch.zeros_like(source)
    copy_words[(1,)](source, result, 0.5, GROUPS=128, PTX=ptx)
    assert torch.equal(source, result)


@DTYPES
@pytest.mark.parametrize("ptx", TWINS)
def test_tiles_keep_the_order(dtype: torch.dtype, ptx: bool) -> None:
    width = 16 // dtype.itemsize
    source = torch.randn(64 * width, generator=torch.Generator().manual_seed(0)).to(DEVICE, dtype)
    result = torch.zeros_like(source, dtype=torch.float32)
    widen[(1,)](source, result, 0.5, GROUPS=64, WIDTH=width, PTX=ptx)
    assert torch.equal(result, source.float())
