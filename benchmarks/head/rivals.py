"""Those who take part. Each turns a `HeadProblem` into a `HeadOutput`; the bare products only compute."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import torch

from benchmarks.head.ours import head as our_head
from benchmarks.head.problem import CLIP, SEQUENCES, HeadOutput, HeadProblem, objective

Run = Callable[[HeadProblem], HeadOutput]
TRL_VOCAB_TILE = 32768
"""`trl.trainer.utils._CHUNKED_LOGPROB_CHUNK_SIZE` of 1.16, which needs the whole of TRL to be imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A row of the table."""

    name: str
    title: str
    run: Run
    package: str | None = None
    """Distribution it comes from; None: part of this repository or of torch."""
    devices: tuple[str, ...] = ("cpu", "cuda")

    def absent(self, device: str) -> str | None:
        """Why it cannot take part here, or None."""
        if device not in self.devices:
            return f"has no path for {device}"
        if self.package is not None and importlib.util.find_spec(self.package.replace("-", "_")) is None:
            return f"{self.package} is not installed"
        return None

    @property
    def version(self) -> str | None:
        """Of the package it comes from."""
        try:
            return metadata.version(self.package) if self.package else None
        except metadata.PackageNotFoundError:
            return "unknown"


def by_autograd(logprob: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> Run:
    """A rival from a differentiable function (hidden, weight, targets) → log-probs (T,)."""

    def run(problem: HeadProblem) -> HeadOutput:
        hidden, weight = problem.hidden.detach().requires_grad_(), problem.weight.detach().requires_grad_()
        loss = objective(logprob(hidden, weight, problem.targets), problem)
        torch.autograd.backward(loss)
        assert hidden.grad is not None and weight.grad is not None
        return HeadOutput(loss=loss.detach(), d_hidden=hidden.grad, d_weight=weight.grad)

    return run


def naive_logprob(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """All logits at once, log_softmax in float32."""
    logits = (hidden @ weight.T).float()
    return torch.log_softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def cut_cross_entropy_logprob(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, **options: Any
) -> torch.Tensor:
    """Apple's linear cross-entropy per token, negated."""
    from cut_cross_entropy import linear_cross_entropy

    return -linear_cross_entropy(hidden, weight, targets, reduction="none", **options)


def trl_logprob(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The function behind TRL's fused head, with the entropy that its GRPO trainer always asks for."""
    _import_trl_kernel_alone()
    from trl.kernels import ChunkedLogProbFunction

    return ChunkedLogProbFunction.apply(hidden, weight, None, targets, 1.0, TRL_VOCAB_TILE, None, 1.0, ("entropy",))[0]


def _import_trl_kernel_alone() -> None:
    """TRL's backward takes one ZeRO-3 helper from a module that needs `datasets`: without it, a stand-in that does
    what the helper does without DeepSpeed, nothing."""
    name = "trl.trainer.utils"
    if name in sys.modules or importlib.util.find_spec("datasets") is not None:
        return
    stand_in = types.ModuleType(name)
    stand_in.maybe_gather_lm_head_ctx = lambda *_: nullcontext()  # type: ignore[attr-defined]
    sys.modules[name] = stand_in


def liger(problem: HeadProblem, compiled: bool = False) -> HeadOutput:
    """Liger's fused linear GRPO loss, one completion per chunk; `bnpo` divides by the tokens of the batch."""
    from liger_kernel.chunked_loss import LigerFusedLinearGRPOLoss

    rows = (SEQUENCES, problem.targets.numel() // SEQUENCES)
    hidden, weight = problem.hidden.detach().requires_grad_(), problem.weight.detach().requires_grad_()
    loss_module = LigerFusedLinearGRPOLoss(
        beta=0.0,
        compiled=compiled,
        use_ref_model=False,
        epsilon_low=CLIP,
        epsilon_high=CLIP,
        loss_type="bnpo",
        temperature=1.0,
    )
    loss, _ = loss_module(
        hidden.view(*rows, -1),
        weight,
        problem.targets.view(rows),
        torch.ones(rows, device=hidden.device),
        problem.advantage.view(rows)[:, 0],
        old_per_token_logps=problem.old_logprob.view(rows),
    )
    torch.autograd.backward(loss)
    assert hidden.grad is not None and weight.grad is not None
    return HeadOutput(loss=loss.detach(), d_hidden=hidden.grad, d_weight=weight.grad)


class BareProducts:
    """The three matrix products of the problem's shapes and dtype, into buffers that exist already: the yardstick."""

    def __init__(self, problem: HeadProblem) -> None:
        tokens, vocab = problem.hidden.shape[0], problem.weight.shape[0]
        self.logits = torch.zeros(tokens, vocab, dtype=problem.weight.dtype, device=problem.weight.device)
        self.d_hidden, self.d_weight = torch.zeros_like(problem.hidden), torch.zeros_like(problem.weight)

    def __call__(self, problem: HeadProblem) -> None:
        torch.mm(problem.hidden, problem.weight.T, out=self.logits)
        torch.mm(self.logits, problem.weight, out=self.d_hidden)
        torch.mm(self.logits.T, problem.hidden, out=self.d_weight)


CCE = "cut-cross-entropy"
RIVALS = (
    Rival(name="ours", title="ours, one pass", run=our_head),
    Rival(name="naive", title="naive: all logits, log_softmax in float32", run=by_autograd(naive_logprob)),
    Rival(
        name="cce_compile",
        title="cut-cross-entropy, torch_compile (has no filter)",
        run=by_autograd(partial(cut_cross_entropy_logprob, impl="torch_compile")),
        package=CCE,
    ),
    Rival(
        name="cce_filter",
        title="cut-cross-entropy, filter on",
        run=by_autograd(partial(cut_cross_entropy_logprob, impl="cce", filter_eps="high")),
        package=CCE,
        devices=("cuda",),
    ),
    Rival(
        name="cce_exact",
        title="cut-cross-entropy, filter off",
        run=by_autograd(partial(cut_cross_entropy_logprob, impl="cce", filter_eps=None)),
        package=CCE,
        devices=("cuda",),
    ),
    Rival(name="trl", title="TRL, chunked head", run=by_autograd(trl_logprob), package="trl"),
    Rival(name="liger", title="Liger, fused linear GRPO, not compiled", run=liger, package="liger-kernel"),
    Rival(
        name="liger_compiled",
        title="Liger, fused linear GRPO, compiled",
        run=partial(liger, compiled=True),
        package="liger-kernel",
        devices=("cuda",),
    ),
)
