"""AdamW (torch's), its learning-rate schedule, and one clipped step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from grpo.config.schema import OptimizerConfig


class NonFiniteError(RuntimeError):
    """A loss, gradient or reward is NaN or infinite; nothing was applied."""


@dataclass(frozen=True, slots=True)
class Optimizer:
    """The optimizer of one stage."""

    adamw: torch.optim.AdamW
    schedule: torch.optim.lr_scheduler.LambdaLR
    max_grad_norm: float

    def step(self) -> tuple[float, float]:
        """Clip, update, advance the schedule, drop the gradients → (norm before clipping, learning rate used)."""
        parameters = [p for group in self.adamw.param_groups for p in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm, foreach=True))
        if not math.isfinite(norm):
            raise NonFiniteError(f"the gradient's norm is {norm}; the step was not applied")
        rate = float(self.schedule.get_last_lr()[0])
        self.adamw.step()
        self.schedule.step()
        self.adamw.zero_grad(set_to_none=True)
        return norm, rate

    def skip(self) -> None:
        """A step without any gradient: the schedule goes on, weights and moments stay."""
        self.adamw.zero_grad(set_to_none=True)
        self.schedule.step()


def build_optimizer(model: torch.nn.Module, config: OptimizerConfig, steps: int) -> Optimizer:
    """AdamW over all trainable parameters; weight decay on matrices only."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(adamw, lambda done: rate_factor(config, steps, done))
    return Optimizer(adamw, schedule, config.max_grad_norm)


def rate_factor(config: OptimizerConfig, steps: int, done: int) -> float:
    """Learning rate of the step after `done` steps, as a share of the peak."""
    warm = min(1.0, (done + 1) / (config.warmup_steps + 1))
    left = max(0.0, 1.0 - max(0, done - config.warmup_steps) / max(1, steps - config.warmup_steps))
    if config.schedule == "linear":
        return warm * left
    if config.schedule == "cosine":
        return warm * 0.5 * (1.0 - math.cos(math.pi * left))
    return warm
