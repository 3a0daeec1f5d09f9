from __future__ import annotations

import math

import pytest
import torch

from grpo.kernels.token_logprob import api, token_logprob
from grpo.kernels.token_logprob.chunked import token_logprob_chunked
from grpo.kernels.token_logprob.reference import token_logprob_reference


def test_golden_two_tokens() -> None:
    """Logits (ln 3, 0) at temperature 1: p = (3/4, 1/4); at temperature 1/2: p = (9/10, 1/10)."""
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[math.log(3.0)], [0.0]])
    logprob, entropy = token_logprob(hidden, weight, torch.tensor([0]))
    assert logprob.item() == pytest.approx(math.log(0.75), abs=1e-6)
    assert entropy.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), abs=1e-6)
    logprob, _ = token_logprob(hidden, weight, torch.tensor([1]), temperature=0.5)
    assert logprob.item() == pytest.approx(math.log(0.1), abs=1e-6)


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 100])
def test_chunked_equals_float64(chunk_rows: int) -> None:
    generator = torch.Generator().manual_seed(chunk_rows)
    hidden = torch.randn(7, 5, generator=generator, dtype=torch.float32, requires_grad=True)
    weight = torch.randn(11, 5, generator=generator, dtype=torch.float32, requires_grad=True)
    targets = torch.randint(11, (7,), generator=generator)
    upstream = torch.randn(7, generator=generator)
    logprob, entropy = token_logprob_chunked(hidden, weight, targets, 0.7, chunk_rows)
    (logprob * upstream).sum().backward()

    hidden64, weight64 = (t.detach().double().requires_grad_() for t in (hidden, weight))
    expected = torch.log_softmax(hidden64 @ weight64.T / 0.7, -1)
    (expected[torch.arange(7), targets] * upstream).sum().backward()
    assert (logprob - expected[torch.arange(7), targets]).abs().max() < 1e-5
    assert (entropy + (expected.exp() * expected).sum(-1)).abs().max() < 1e-5
    assert hidden.grad is not None and hidden64.grad is not None
    assert weight.grad is not None and weight64.grad is not None
    assert (hidden.grad - hidden64.grad).abs().max() < 1e-5
    assert (weight.grad - weight64.grad).abs().max() < 1e-5


def test_api_goes_in_chunks_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LARGEST_LOGITS", 22)  # two rows of 11
    hidden, weight, targets = torch.randn(5, 3), torch.randn(11, 3), torch.randint(11, (5,))
    seen: list[int] = []

    def watched(rows: torch.Tensor, *rest: object) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(rows.shape[0])
        return token_logprob_reference(rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("grpo.kernels.token_logprob.chunked.token_logprob_reference", watched)
    found, _ = token_logprob(hidden, weight, targets)
    assert seen == [2, 2, 1]
    assert torch.allclose(found, token_logprob_reference(hidden, weight, targets, 1.0)[0])


def test_extreme_logits_stay_finite() -> None:
    hidden, weight = torch.tensor([[1e4]]), torch.tensor([[1.0], [-1.0]])
    logprob, entropy = token_logprob(hidden, weight, torch.tensor([1]))
    assert logprob.item() == -2e4 and entropy.item() == 0.0


@pytest.mark.parametrize(
    ("hidden", "weight", "targets", "temperature"),
    [((2, 3), (4, 5), (2,), 1.0), ((2, 3), (4, 3), (3,), 1.0), ((2, 3), (4, 3), (2,), 0.0)],
)
def test_misuse_is_refused(
    hidden: tuple[int, ...], weight: tuple[int, ...], targets: tuple[int, ...], temperature: float
) -> None:
    with pytest.raises(ValueError, match="must"):
        token_logprob(torch.zeros(hidden), torch.zeros(weight), torch.zeros(targets, dtype=torch.int64), temperature)
