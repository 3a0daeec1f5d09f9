"""Our side: the trainer's own policy, optimizer and update."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.update.workload import LEARNING_RATE, Rollout, Shared, load_rollout
from grpo.config.limits import CHOICES
from grpo.config.slices import AlgorithmConfig, ModelConfig, OptimizerConfig
from grpo.kernels.token_logprob import HeadSettings
from grpo.model.load import load_model
from grpo.update.experience import Branch, Tree
from grpo.update.mismatch import mismatch_limit
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from grpo.update.reinforce import PolicyUpdate, UpdateSettings

if TYPE_CHECKING:
    from benchmarks.update.worker import Clerk


def run(request: dict[str, Any], clerk: Clerk) -> None:
    """`request["setting"]`: what `build` takes beside the shared settings."""
    shared = Shared(**request["shared"])
    rollout = load_rollout(Path(request["rollout"]))
    update = build(Path(request["model"]), shared, rollout, **request["setting"])
    clerk.watch(update.optimizer.adamw, update.policy.model)
    clerk.answer(ready=True)
    while clerk.begin():
        metrics = update([tree_of(rollout)])
        clerk.end(metrics["loss"], metrics["grad_norm"])


def attention_choices() -> list[str]:
    """Backends of ours that are worth timing."""
    return [name for name in CHOICES["model.attention"] if name != "eager"]


def build(
    folder: Path, shared: Shared, rollout: Rollout, *, micro_batch: int, attention: str, optimizer: str = "adamw"
) -> PolicyUpdate:
    """As `grpo/stages/reinforce.py` puts it together. `micro_batch`: tokens; the others are names in our config."""
    config = ModelConfig(dtype=shared.dtype, attention=attention, activations=shared.activations)
    policy = Policy(load_model(folder, config).model.eval())
    settings = OptimizerConfig(
        name=optimizer,
        lr=LEARNING_RATE,
        beta1=shared.beta1,
        beta2=shared.beta2,
        eps=shared.eps,
        max_grad_norm=shared.max_grad_norm,
    )
    return PolicyUpdate(
        policy,
        Optimizer(policy.model, settings, steps=1_000_000),
        UpdateSettings(
            algorithm=AlgorithmConfig(),
            sampling=HeadSettings(),
            max_tokens=max(map(len, rollout.completions)),
            optimizer_steps=1,
            limits=PackingLimits(micro_batch=micro_batch),
            mismatch=mismatch_limit(shared.dtype, None),
        ),
        reference=None,
    )


def tree_of(rollout: Rollout) -> Tree:
    """The group as our update takes it."""
    branches = zip(rollout.completions, rollout.logprobs, rollout.advantages, strict=True)
    return Tree(
        prompt_ids=rollout.prompt,
        branches=tuple(Branch(token_ids=a, sampler_logprobs=b, advantage=c) for a, b, c in branches),
    )
