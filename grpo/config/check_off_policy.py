"""What can be wrong about data from another policy: its correction, its age, and the filters it was sampled with."""

from __future__ import annotations

from collections.abc import Iterator

from grpo.config.schema import ReinforceConfig
from grpo.config.slices import AlgorithmConfig, RolloutConfig


def correction_problems(path: str, algorithm: AlgorithmConfig) -> Iterator[str]:
    """Bounds that keep out ρ = 1, which is no mismatch at all, and knobs that the chosen correction does not read."""
    mode, level = algorithm.importance, algorithm.importance_level
    floor, cap = algorithm.importance_floor, algorithm.importance_cap
    if mode == "truncate" and level == "geometric":
        yield (
            f"{path}.importance_level=geometric with {path}.importance=truncate: a geometric mean can reject a "
            "completion but weigh none; valid are importance=mask, or importance_level=token or sequence"
        )
    if mode == "off" and level != "token":
        yield f"{path}.importance_level={level}: has no effect with {path}.importance=off; valid is token"
    if mode != "mask" and floor > 0:
        yield f"{path}.importance_floor={floor}: has no effect with {path}.importance={mode}; valid is 0"
    if mode == "mask" and not floor < 1 < cap:
        yield (
            f"{path}.importance_floor={floor}, importance_cap={cap}: 1, which is no mismatch, would be masked; "
            "valid is a floor below 1 and a cap above it"
        )
    if mode == "truncate" and cap < 1:
        yield f"{path}.importance_cap={cap}: every weight would be below 1; valid is 1 or more"


def staleness_problems(path: str, stage: ReinforceConfig) -> Iterator[str]:
    """Rollouts that are older than allowed by the time their last optimizer step learns from them."""
    steps, most = stage.optimizer_steps_per_rollout, stage.algorithm.max_staleness
    if steps - 1 > most:
        yield (
            f"{path}.optimizer_steps_per_rollout={steps}: the last of them learns from completions {steps - 1} "
            f"optimizer steps old, above {path}.algorithm.max_staleness={most}; valid is at most {most + 1}"
        )


def filter_problems(path: str, rollout: RolloutConfig) -> Iterator[str]:
    """Filters for an engine that draws nothing."""
    if rollout.engine == "scripted" and filtered(rollout):
        yield (
            f"{path}.top_p={rollout.top_p}, top_k={rollout.top_k}, min_p={rollout.min_p}: the scripted engine draws "
            "nothing; valid with it are top_p=1, top_k=0 and min_p=0"
        )


def filtered(rollout: RolloutConfig) -> bool:
    """Whether tokens are sampled from less than the whole distribution."""
    return rollout.top_p < 1 or rollout.top_k > 0 or rollout.min_p > 0
