"""The chunked head against float64 and against the eager computation in the same dtype."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grpo.kernels.native import NativeError
from grpo.kernels.token_logprob import HeadSettings, chunks, head_loss, token_logprob
from grpo.kernels.token_logprob.cpu_ops import CpuOps
from grpo.kernels.token_logprob.kept import Filters, kept_floor
from grpo.kernels.token_logprob.ops import RowOps
from grpo.kernels.token_logprob.reference import token_logprob_reference
from grpo.kernels.token_logprob.torch_ops import TorchOps

IMPLEMENTATIONS = {"torch": TorchOps, "cpu": CpuOps}


def made(name: str) -> RowOps:
    try:
        return IMPLEMENTATIONS[name]()
    except NativeError as error:
        pytest.skip(f"{name}: {error}")


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def ops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RowOps:
    """One implementation, in use everywhere, with chunks of three rows or so."""
    chosen = made(request.param)
    monkeypatch.setattr(chunks, "ops_for", lambda tensor: chosen)
    for module in ("one_pass", "api"):
        monkeypatch.setattr(f"grpo.kernels.token_logprob.{module}.ops_for", lambda tensor: chosen)
        monkeypatch.setattr(f"grpo.kernels.token_logprob.{module}.rows_at_once", lambda weight, ops: 3)
    return chosen


class Case:
    """Random hidden states, weight and targets, and coefficients for log-probs and entropies."""

    def __init__(self, n: int, h: int, v: int, dtype: torch.dtype = torch.float32, peak: float = 1.0, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        self.hidden, self.weight = (normal(n, h) * peak).to(dtype), torch.nn.Parameter(normal(v, h).to(dtype))
        self.targets = torch.randint(v, (n,), generator=generator)
        self.by_logprob, self.by_entropy = normal(n), normal(n)
        self.by_logprob[::4] = 0.0  # rows without a gradient of their own
        self.by_entropy[::2] = 0.0

    def objective(self, logprob: torch.Tensor, entropy: torch.Tensor, rows: slice) -> torch.Tensor:
        return (logprob * self.by_logprob[rows]).sum() + (entropy * self.by_entropy[rows]).sum()

    def eager(self, dtype: torch.dtype, temperature: float = 1.0, cut: torch.Tensor | None = None) -> Results:
        """Whole logits and autograd in a dtype; `cut` (N, V) bool is what top-p or top-k removed."""
        hidden, weight = (one.detach().to(dtype).requires_grad_() for one in (self.hidden, self.weight))
        logits = hidden @ weight.T
        logits = (logits if dtype == torch.float64 else logits.float()) / temperature
        logits = logits if cut is None else logits.masked_fill(cut, -torch.inf)
        table = torch.log_softmax(logits, -1)
        logprob = table.gather(-1, self.targets.unsqueeze(-1)).squeeze(-1)
        entropy = -(table.exp() * table.nan_to_num(neginf=0.0)).sum(-1)
        loss = self.objective(logprob, entropy, slice(None))
        loss.backward()  # type: ignore[no-untyped-call]
        assert hidden.grad is not None and weight.grad is not None
        return loss.detach(), logprob.detach(), entropy.detach(), hidden.grad, weight.grad

    def one_pass(self, settings: HeadSettings) -> Results:
        self.weight.grad = None
        found = head_loss(self.hidden, self.weight, self.targets, self.objective, settings)
        assert self.weight.grad is not None and self.weight.grad.dtype == torch.float32
        return found.loss, found.logprob, found.entropy, found.hidden_gradient, self.weight.grad


Results = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
NAMES = ("loss", "logprob", "entropy", "hidden gradient", "weight gradient")


def largest(found: Results, exact: Results) -> dict[str, float]:
    return {name: float((a.double() - b.double()).abs().max()) for name, a, b in zip(NAMES, found, exact, strict=True)}


def test_golden_two_tokens(ops: RowOps) -> None:
    """Logits (ln 3, 0) at temperature 1: p = (3/4, 1/4); at temperature 1/2: p = (9/10, 1/10)."""
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[math.log(3.0)], [0.0]])
    logprob, entropy = token_logprob(hidden, weight, torch.tensor([0]))
    assert logprob.item() == pytest.approx(math.log(0.75), abs=1e-6)
    assert entropy.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), abs=1e-6)
    logprob, _ = token_logprob(hidden, weight, torch.tensor([1]), HeadSettings(temperature=0.5))
    assert logprob.item() == pytest.approx(math.log(0.1), abs=1e-6)


def test_golden_gradient(ops: RowOps) -> None:
    """loss = 2·logprob of token 0 under p = (3/4, 1/4), temperature 1/2: dlogits = 2·2·(1/4, -1/4) = (1, -1)."""
    hidden = torch.tensor([[1.0]])
    weight = torch.nn.Parameter(torch.tensor([[math.log(3.0) / 2], [0.0]]))
    found = head_loss(
        hidden,
        weight,
        torch.tensor([0]),
        lambda logprob, entropy, rows: 2 * logprob.sum(),
        HeadSettings(temperature=0.5),
    )
    assert found.loss.item() == pytest.approx(2 * math.log(0.75), abs=1e-6)
    assert found.hidden_gradient.item() == pytest.approx(math.log(3.0) / 2, abs=1e-6)
    assert weight.grad is not None and weight.grad.flatten().tolist() == pytest.approx([1.0, -1.0], abs=1e-6)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
@pytest.mark.parametrize("size", [(1, 1, 2), (7, 5, 11), (10, 33, 517), (5, 96, 4099)])
def test_float32_equals_float64(ops: RowOps, size: tuple[int, int, int], temperature: float) -> None:
    case = Case(*size)
    exact = case.eager(torch.float64, temperature)
    scale = [max(1.0, float(one.abs().max())) for one in exact]
    found = largest(case.one_pass(HeadSettings(temperature=temperature)), exact)
    assert all(error < 2e-5 * most for error, most in zip(found.values(), scale, strict=True)), found


@pytest.mark.parametrize("peak", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_less_exact_than_eager(ops: RowOps, dtype: torch.dtype, peak: float) -> None:
    """Flat, usual and sharply peaked rows; against the same computation with whole logits in the same dtype."""
    for seed in range(3):
        case = Case(13, 40, 700, dtype, peak, seed)
        exact = case.eager(torch.float64, 0.9)
        eager = largest(case.eager(dtype, 0.9), exact)
        ours = largest(case.one_pass(HeadSettings(temperature=0.9)), exact)
        for name, exact_values in zip(NAMES, exact, strict=True):
            # a few units in the last place of the largest value: both sides round the same sums in another order
            slack = 4e-6 * max(1.0, float(exact_values.abs().max()))
            assert ours[name] <= eager[name] * 1.05 + slack, (name, ours, eager)


def test_partial_sums_of_the_weight_gradient_stay_float32(ops: RowOps) -> None:
    """A thousand equal rows over many chunks: a bfloat16 sum would stop growing at 256 times its step."""
    hidden = torch.ones(1000, 1, dtype=torch.bfloat16)
    weight = torch.nn.Parameter(torch.zeros(2, 1, dtype=torch.bfloat16))
    targets = torch.zeros(1000, dtype=torch.int64)
    head_loss(hidden, weight, targets, lambda logprob, entropy, rows: logprob.sum())
    assert weight.grad is not None and weight.grad.flatten().tolist() == [500.0, -500.0]


def test_gradients_of_several_micro_batches_add_up(ops: RowOps) -> None:
    case = Case(8, 6, 19)
    whole = case.one_pass(HeadSettings())[4].clone()
    case.weight.grad = None
    for rows in (slice(0, 5), slice(5, 8)):
        head_loss(
            case.hidden[rows], case.weight, case.targets[rows],
            lambda logprob, entropy, part, rows=rows: case.objective(
                logprob, entropy, slice(rows.start + part.start, rows.start + part.stop)
            ),
        )  # fmt: skip
    assert case.weight.grad is not None and (case.weight.grad - whole).abs().max() < 1e-5


def test_frozen_weight_has_no_gradient(ops: RowOps) -> None:
    case = Case(7, 5, 11)
    exact = case.eager(torch.float64)
    case.weight.requires_grad_(False)
    found = head_loss(case.hidden, case.weight, case.targets, case.objective)
    assert case.weight.grad is None and (found.hidden_gradient - exact[3]).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("top_p", "top_k", "min_p"),
    [(0.6, 0, 0.0), (1.0, 3, 0.0), (0.6, 7, 0.0), (1.0, 0, 0.1), (0.6, 0, 0.02), (0.8, 7, 0.05)],
)
def test_cut_distributions_are_renormalised(
    ops: RowOps, top_p: float, top_k: int, min_p: float, dtype: torch.dtype
) -> None:
    """Which entries are cut is worked out row by row, from the sampler's definition."""
    case = Case(9, 8, 50, dtype)
    logits = (case.hidden @ case.weight.T).detach().double() / 0.8
    cut = torch.ones_like(logits, dtype=torch.bool)
    for row, target in enumerate(case.targets.tolist()):
        order = sorted(range(50), key=lambda entry: -float(logits[row, entry]))[: top_k or 50]
        order = [entry for entry in order if float(logits[row, entry] - logits[row].max()) >= math.log(min_p or 1e-99)]
        shares = torch.softmax(logits[row, order], 0).tolist()
        before = [0.0, *itertools.accumulate(shares)]
        kept = [entry for entry, mass in zip(order, before, strict=False) if mass < top_p]
        least = min([float(logits[row, entry]) for entry in kept] + [float(logits[row, target])])
        cut[row] = logits[row] < least
    exact = case.eager(torch.float64, 0.8, cut)
    eager = largest(case.eager(dtype, 0.8, cut), exact)
    ours = largest(case.one_pass(HeadSettings(temperature=0.8, top_p=top_p, top_k=top_k, min_p=min_p)), exact)
    assert 0.2 < float(cut.float().mean()) < 0.98
    assert all(ours[name] <= 1.05 * eager[name] + 2e-5 for name in NAMES), (ours, eager)


def test_golden_floors() -> None:
    """p = (1/2, 1/4, 1/8, 1/8) in logits; the target is the likeliest entry, then one that is cut."""
    logits = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()

    def kept(target: int = 0, top_p: float = 1.0, top_k: int = 0, min_p: float = 0.0, scale: float = 1.0) -> list[bool]:
        floor = kept_floor(logits, torch.tensor([target]), Filters(scale, top_p, top_k, min_p))
        return (logits >= floor.unsqueeze(-1))[0].tolist()

    assert kept(min_p=0.4) == [True, True, False, False]
    assert kept(min_p=0.4, scale=2.0) == [True, False, False, False]  # shares 1, 1/4, 1/16, 1/16 of the likeliest
    assert kept(min_p=0.2) == [True] * 4 and kept(min_p=1.0) == [True, False, False, False]
    assert kept(top_p=0.6) == [True, True, False, False]
    assert kept(top_p=0.6, min_p=0.4) == [True, False, False, False]  # 2/3 is enough once the eighths are gone
    assert kept(top_p=0.6, top_k=2) == [True, False, False, False]
    assert kept(top_k=3) == [True] * 4  # ties at the border stay
    assert kept(top_k=9) == [True] * 4
    assert kept(target=2, min_p=0.9) == [True] * 4  # the sampler drew it, so it was kept


def test_scoring_form_has_the_same_gradients(ops: RowOps) -> None:
    case = Case(8, 6, 19)
    found = case.one_pass(HeadSettings(temperature=0.7))
    hidden, weight = (one.detach().clone().requires_grad_() for one in (case.hidden, case.weight))
    logprob, entropy = token_logprob(hidden, weight, case.targets, HeadSettings(temperature=0.7))
    case.objective(logprob, entropy, slice(None)).backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None and weight.grad is not None
    assert torch.equal(logprob, found[1]) and torch.equal(entropy, found[2])
    assert (hidden.grad - found[3]).abs().max() < 1e-6 and (weight.grad - found[4]).abs().max() < 1e-5


def test_scoring_form_of_one_result_alone() -> None:
    case = Case(4, 6, 19)
    logprob, entropy = token_logprob(case.hidden.requires_grad_(), case.weight, case.targets)
    [by_entropy] = torch.autograd.grad(entropy.sum(), case.hidden)
    hidden = case.hidden.detach().double().requires_grad_()
    _, exact = token_logprob_reference(hidden, case.weight.detach().double(), case.targets)
    assert (by_entropy - torch.autograd.grad(exact.sum(), hidden)[0]).abs().max() < 1e-5
    assert logprob.requires_grad


@given(n=st.integers(1, 9), h=st.integers(1, 70), v=st.integers(2, 400), seed=st.integers(0, 99))
def test_native_outer_product_of_any_shape(n: int, h: int, v: int, seed: int) -> None:
    """bfloat16 products are exact in float32, so only the order of n sums differs from float64."""
    ops, generator = made("cpu"), torch.Generator().manual_seed(seed)
    gradient = torch.randn(n, v, generator=generator).bfloat16()
    hidden = torch.randn(n, h, generator=generator).bfloat16()
    total = torch.randn(v, h, generator=generator)
    exact = total.double() + gradient.double().T @ hidden.double()
    ops.add_outer_(total, gradient, hidden)
    assert (total - exact).abs().max() < 1e-5


def test_native_result_does_not_depend_on_threads() -> None:
    ops, case, held = made("cpu"), Case(37, 96, 1003, torch.bfloat16), torch.get_num_threads()
    results = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        total = torch.zeros(1003, 96)
        logits = (case.hidden @ case.weight.T).detach()
        rows = HeadSettings().rows(logits, case.targets)
        statistics = ops.statistics(logits, rows)
        ops.add_outer_(total, logits, case.hidden)
        results.append((statistics.logprob, statistics.entropy, total))
    torch.set_num_threads(held)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_stay_finite(ops: RowOps, dtype: torch.dtype) -> None:
    hidden = torch.tensor([[1e4]], dtype=dtype)
    weight = torch.nn.Parameter(torch.tensor([[1.0], [-1.0]], dtype=dtype))
    found = head_loss(hidden, weight, torch.tensor([1]), lambda logprob, entropy, rows: logprob.sum() + entropy.sum())
    assert found.logprob.item() == 2 * -hidden.item() and found.entropy.item() == 0.0
    assert weight.grad is not None and weight.grad.flatten().tolist() == [-hidden.item(), hidden.item()]


def test_a_nan_is_not_hidden(ops: RowOps) -> None:
    hidden = torch.tensor([[1.0], [float("nan")]])
    found = head_loss(hidden, torch.ones(70, 1), torch.tensor([1, 1]), lambda logprob, entropy, rows: logprob.sum())
    assert math.isfinite(found.logprob[0].item()) and math.isnan(found.logprob[1].item())
    assert math.isnan(found.loss.item())


def test_chunks_keep_to_the_bytes_of_the_device() -> None:
    weight = torch.empty(152_000, 1, dtype=torch.bfloat16)
    assert chunks.rows_at_once(weight, made("cpu")) == 526
    assert chunks.rows_at_once(weight, TorchOps()) == 75  # beside three float32 copies
    assert chunks.rows_at_once(weight.float(), made("cpu")) == 131
    assert chunks.rows_at_once(torch.empty(10**9, 1, device="meta"), TorchOps()) == 1


def test_a_machine_without_the_native_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpo.kernels.native.processor_flags", frozenset)
    chunks._cpu_ops.cache_clear()
    with pytest.warns(UserWarning, match="plain torch, which is slower: the processor has no avx512_bf16"):
        assert isinstance(chunks.ops_for(torch.zeros(1)), TorchOps)
    chunks._cpu_ops.cache_clear()


@pytest.mark.parametrize(
    ("hidden", "weight", "targets", "message"),
    [((2, 3), (4, 5), (2,), "share H"), ((2, 3), (4, 3), (3,), "targets must be"), ((3,), (4, 3), (3,), "share H")],
)
def test_shapes_that_do_not_fit_are_refused(
    hidden: tuple[int, ...], weight: tuple[int, ...], targets: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        token_logprob(torch.zeros(hidden), torch.zeros(weight), torch.zeros(targets, dtype=torch.int64))


def test_mixed_dtypes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one dtype, got torch\.bfloat16 and torch\.float32"):
        token_logprob(torch.zeros(1, 2, dtype=torch.bfloat16), torch.zeros(3, 2), torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"min_p": 1.5}])
def test_impossible_sampling_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        HeadSettings(**wrong)  # type: ignore[arg-type]
