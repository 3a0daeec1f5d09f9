"""Registers the schema with Hydra: `base_<group>` is the typed ground each file of a group starts from."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from grpo.config import schema, slices, stages_data

GROUPS: dict[str, type] = {
    "model": slices.ModelConfig,
    "data": slices.DataConfig,
    "reward": slices.RewardConfig,
    "algorithm": slices.AlgorithmConfig,
    "rollout": slices.RolloutConfig,
    "optimizer": slices.OptimizerConfig,
}
"""Group name to the class of its slice."""

STAGE_KINDS: dict[str, type[schema.StageConfig]] = {
    "sft": schema.SFTConfig,
    "reinforce": schema.ReinforceConfig,
    "evaluate": schema.EvaluateConfig,
    "budget": schema.BudgetConfig,
    "export": schema.ExportConfig,
    "rejection": stages_data.RejectionConfig,
    "distill": stages_data.DistillConfig,
}
"""`kind` of a stage to its class."""


def register() -> None:
    """Put every schema class into Hydra's ConfigStore; safe to call again."""
    OmegaConf.register_new_resolver("when", when, replace=True)
    store = ConfigStore.instance()
    store.store(name="base_run", node=schema.RunConfig)
    for group, node in GROUPS.items():
        store.store(group=group, name=f"base_{group}", node=node)
    for kind, stage in STAGE_KINDS.items():
        store.store(group="stage", name=f"base_{kind}", node=stage)


def when(key: str, value: str, then: Any, otherwise: Any, *, _root_: Any) -> Any:
    """`${when:model.name,scratch,2e-3,1e-5}`: a default that depends on another key of the config."""
    return then if OmegaConf.select(_root_, key) == value else otherwise
