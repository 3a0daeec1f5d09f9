"""The chosen optimizer, its learning-rate schedule, and one clipped step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from grpo.config.slices import OptimizerConfig
from grpo.kernels.adamw import CompactAdamW, PlainAdamW, StreamedAdamW
from grpo.run.state import PartState


class NonFiniteError(RuntimeError):
    """A loss, gradient or reward is NaN or infinite; nothing was applied."""


class Optimizer:
    """AdamW of one kind over all trainable parameters of one stage; weight decay on matrices only."""

    def __init__(self, model: torch.nn.Module, config: OptimizerConfig, steps: int, seed: int = 0) -> None:
        """`seed` keys the rounding of compact states."""
        trainable = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.adamw = build_adamw([group for group in groups if group["params"]], config, seed)
        self.config, self.steps = config, steps
        self.done = 0
        """Optimizer steps so far, skipped ones included: the schedule's only state."""

    def step(self) -> tuple[float, float]:
        """Clip, update, drop the gradients → (norm before clipping, learning rate used). Raises NonFiniteError."""
        parameters = [p for group in self.adamw.param_groups for p in group["params"] if p.grad is not None]
        norm = gradient_norm([p.grad for p in parameters if p.grad is not None])
        if not math.isfinite(norm):
            raise NonFiniteError(f"the gradient's norm is {norm}; the step was not applied")
        rate = self.config.lr * rate_factor(self.config, self.steps, self.done)
        for group in self.adamw.param_groups:
            group["lr"] = rate
        clip = min(1.0, self.config.max_grad_norm / (norm + 1e-6))
        if isinstance(self.adamw, StreamedAdamW):
            self.adamw.step(grad_scale=clip)
        else:
            with gradients_in_weights_dtype(parameters):
                torch._foreach_mul_([p.grad for p in parameters], clip)
                self.adamw.step()
        self.skip()
        return norm, rate

    def state(self) -> PartState:
        """The schedule's place; the moments are a part of their own (`OptimizerState`)."""
        return PartState(values={"done": self.done})

    def load_state(self, saved: PartState) -> None:
        self.done = int(saved.values["done"])

    def skip(self) -> None:
        """Drop the gradients and let the schedule go on; weights and moments stay."""
        self.adamw.zero_grad(set_to_none=True)
        self.done += 1


def rate_factor(config: OptimizerConfig, steps: int, done: int) -> float:
    """Learning rate of the step after `done` steps, as a share of the peak."""
    warm = min(1.0, (done + 1) / (config.warmup_steps + 1))
    left = max(0.0, 1.0 - max(0, done - config.warmup_steps) / max(1, steps - config.warmup_steps))
    if config.schedule == "linear":
        return warm * left
    if config.schedule == "cosine":
        return warm * 0.5 * (1.0 - math.cos(math.pi * left))
    return warm


def build_adamw(groups: list[dict[str, object]], config: OptimizerConfig, seed: int) -> torch.optim.Optimizer:
    """`adamw` (torch's fused one, its moments in the weights' dtype) or `compact_adamw`; states on device or host."""
    betas = (config.beta1, config.beta2)
    if config.name == "compact_adamw":
        return CompactAdamW(groups, seed=seed, states=config.states, lr=config.lr, betas=betas, eps=config.eps)
    if config.states == "host":
        return PlainAdamW(groups, states="host", lr=config.lr, betas=betas, eps=config.eps)
    return torch.optim.AdamW(groups, lr=config.lr, betas=betas, eps=config.eps, fused=True)


NORM_SLICE = 2**22
"""Elements whose squares are summed at once in float32; the sums are added in float64."""


@torch.no_grad()
def gradient_norm(gradients: Iterable[torch.Tensor]) -> float:
    """Global 2-norm, accumulated in float32 also for 16-bit gradients, one wait for the device; 0 for none."""
    slices = [part for gradient in gradients for part in torch.split(gradient.reshape(-1), NORM_SLICE)]
    if not slices:
        return 0.0
    norms = [torch.linalg.vector_norm(part, dtype=torch.float32) for part in slices]
    return float(torch.linalg.vector_norm(torch.stack(norms).double()))


@contextmanager
def gradients_in_weights_dtype(parameters: Iterable[torch.nn.Parameter]) -> Iterator[None]:
    """Torch's fused kernel wants them equal; a float32 gradient of a bfloat16 weight is rounded for the step."""
    changed = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.dtype != parameter.dtype:
            changed.append((parameter, parameter.grad_dtype))
            parameter.grad, parameter.grad_dtype = None, parameter.dtype
            parameter.grad = gradient.to(parameter.dtype)
    try:
        yield
    finally:
        for parameter, dtype in changed:
            parameter.grad, parameter.grad_dtype = None, dtype
