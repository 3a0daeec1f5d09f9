"""Which parts of an algorithm do not go together, and which are allowed but known to be biased.

Where a KL estimate may stand depends on what its gradient is: arXiv 2510.01555 and arXiv 2512.21852 (both 2025).
"""

from __future__ import annotations

from collections.abc import Iterator

from grpo.config.schema import ReinforceConfig, RunConfig
from grpo.config.slices import AlgorithmConfig

DUAL_CLIPPED = ("clipped_ratio", "gspo", "gspo_token", "clip_cov")
"""Losses that `dual_clip` has a meaning for."""
TOKEN_ADVANTAGES = ("batch_zscore",)
"""Advantages that differ between the tokens of a completion, once the KL penalty is part of the reward."""
SCALED_ADVANTAGES = ("group_mean_std",)
"""Advantages divided by the spread within a group."""


def algorithm_problems(path: str, algorithm: AlgorithmConfig) -> Iterator[str]:
    """Combinations that are wrong whatever the stage does."""
    if algorithm.kl_coef > 0:
        yield from kl_problems(path, algorithm)
    elif algorithm.reference_reset_steps > 0:
        yield (
            f"{path}.reference_reset_steps={algorithm.reference_reset_steps}: there is no reference with "
            f"{path}.kl_coef={algorithm.kl_coef}; valid is 0, or kl_coef above 0"
        )
    if algorithm.dual_clip > 0 and algorithm.loss not in DUAL_CLIPPED:
        yield (
            f"{path}.dual_clip={algorithm.dual_clip}: has no effect on {path}.loss={algorithm.loss}; valid is 0, or a "
            f"loss of {', '.join(DUAL_CLIPPED)}"
        )


def kl_problems(path: str, algorithm: AlgorithmConfig) -> Iterator[str]:
    """Estimates in a place where their gradient is not the KL's at all, and penalties that others cannot take."""
    estimator, place = f"{path}.kl_estimator={algorithm.kl_estimator}", f"{path}.kl_in={algorithm.kl_in}"
    if algorithm.kl_in == "loss":
        if algorithm.kl_estimator == "k1":
            yield (
                f"{estimator} with {place}: its gradient is 0 in expectation, so it adds noise and no pull; valid in "
                "the loss are k2 (one optimizer step per rollout), k3_unbiased, and GRPO's own k3, or kl_in=reward"
            )
        return
    if algorithm.kl_estimator != "k1":
        yield (
            f"{estimator} with {place}: a reward's own gradient is never taken, so only the value counts, and only "
            "k1's leads to the gradient of the KL; valid in the reward is k1"
        )
    if algorithm.loss == "gspo" and algorithm.advantage in TOKEN_ADVANTAGES:
        yield (
            f"{path}.loss=gspo with {path}.advantage={algorithm.advantage} and {place}: the advantage differs between "
            "the tokens of a completion, and gspo has one ratio for all of them; valid is gspo_token"
        )
    if algorithm.advantage == "maxrl":
        yield (
            f"{path}.advantage=maxrl with {place}: it divides by the group's mean reward, which a penalty can make "
            "negative; valid is kl_in=loss, or another advantage"
        )


def sampling_problems(path: str, stage: ReinforceConfig) -> Iterator[str]:
    """A KL between distributions of which one is 0 where the other is not."""
    rollout = stage.rollout
    if stage.algorithm.kl_coef > 0 and (rollout.top_p < 1 or rollout.top_k > 0 or rollout.min_p > 0):
        yield (
            f"{path}.algorithm.kl_coef={stage.algorithm.kl_coef} with rollout.top_p={rollout.top_p}, "
            f"top_k={rollout.top_k}, min_p={rollout.min_p}: policy and reference keep different tokens, so their KL "
            "may be infinite; valid are kl_coef=0, or top_p=1, top_k=0 and min_p=0"
        )


def warnings(config: RunConfig) -> list[str]:
    """What the pipeline's stages do that is allowed and has a known bias, a line each."""
    found: list[str] = []
    for name in config.pipeline:
        stage = config.stages[name]
        if isinstance(stage, ReinforceConfig):
            found += loss_warnings(f"stages.{name}", stage)
            if stage.algorithm.kl_coef > 0:
                found += kl_warnings(f"stages.{name}", stage)
    return found


def loss_warnings(path: str, stage: ReinforceConfig) -> Iterator[str]:
    """Losses made for another number of optimizer steps."""
    loss, steps = stage.algorithm.loss, stage.optimizer_steps_per_rollout
    where = f"{path}.algorithm.loss={loss} with {path}.optimizer_steps_per_rollout={steps}"
    if loss == "reinforce" and steps > 1:
        yield (
            f"{where}: it has no ratio, so every optimizer step but the first is biased; clipped_ratio corrects for "
            "the policy that has moved"
        )
    if loss == "kl_cov" and steps == 1:
        yield f"{where}: its penalty is 0 where the policy has not moved; it takes several steps to act"


def kl_warnings(path: str, stage: ReinforceConfig) -> Iterator[str]:
    """Placements of the KL estimate whose gradient is near the KL's, but not it."""
    algorithm, steps = stage.algorithm, stage.optimizer_steps_per_rollout
    where = f"{path}.algorithm.kl_estimator={algorithm.kl_estimator} with kl_in={algorithm.kl_in}"
    if algorithm.kl_in == "loss" and algorithm.kl_estimator == "k3":
        yield (
            f"{where}: its gradient is the KL's to first order only; "
            f"{'k2 and k3_unbiased have' if steps == 1 else 'k3_unbiased has'} the exact one"
        )
    if algorithm.kl_in == "loss" and algorithm.kl_estimator == "k2" and steps > 1:
        yield (
            f"{where} and {path}.optimizer_steps_per_rollout={steps}: its gradient is the KL's in the first optimizer "
            "step only; k3_unbiased has it in all"
        )
    if algorithm.kl_in == "reward" and algorithm.advantage in SCALED_ADVANTAGES:
        yield (
            f"{where} and advantage={algorithm.advantage}: in groups of equal rewards the penalty alone is divided by "
            "its own spread, whatever kl_coef is; group_mean keeps its scale"
        )
