"""AdamW (torch's), its learning-rate schedule, and one clipped step."""

from __future__ import annotations

import math

import torch

from grpo.config.slices import OptimizerConfig
from grpo.run.state import PartState


class NonFiniteError(RuntimeError):
    """A loss, gradient or reward is NaN or infinite; nothing was applied."""


class Optimizer:
    """AdamW over all trainable parameters of one stage; weight decay on matrices only."""

    def __init__(self, model: torch.nn.Module, config: OptimizerConfig, steps: int) -> None:
        trainable = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=config.lr,
            betas=(config.beta1, config.beta2),
            eps=config.eps,
            fused=True,
        )
        self.config, self.steps = config, steps
        self.done = 0
        """Optimizer steps so far, skipped ones included: the schedule's only state."""

    def step(self) -> tuple[float, float]:
        """Clip, update, drop the gradients → (norm before clipping, learning rate used). Raises NonFiniteError."""
        parameters = [p for group in self.adamw.param_groups for p in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm, foreach=True))
        if not math.isfinite(norm):
            raise NonFiniteError(f"the gradient's norm is {norm}; the step was not applied")
        rate = self.config.lr * rate_factor(self.config, self.steps, self.done)
        for group in self.adamw.param_groups:
            group["lr"] = rate
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
