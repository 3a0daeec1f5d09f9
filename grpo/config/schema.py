"""The run and its stages, put together from the slices of `slices.py`.

Stages inherit the top-level slices leaf by leaf (`inherited`), so that `algorithm.clip_high=0.3` reaches every stage
and `stages.rl2.algorithm.clip_high=0.3` only one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Dict, List, Optional, TypeVar

from omegaconf import MISSING

from grpo.config.slices import (
    AlarmsConfig,
    AlgorithmConfig,
    CheckpointConfig,
    CostConfig,
    DataConfig,
    LoggerConfig,
    ModelConfig,
    OptimizerConfig,
    RewardConfig,
    RolloutConfig,
)
from grpo.config.waits import WAIT_TEXT

Slice = TypeVar("Slice")


def inherited(cls: type[Slice], path: str) -> Slice:
    """An instance of a slice whose every leaf points at the top-level slice of that name."""
    values: dict[str, Any] = {}
    blank = cls()
    for item in fields(cls):  # type: ignore[arg-type]
        value = getattr(blank, item.name)
        here = f"{path}.{item.name}"
        values[item.name] = inherited(type(value), here) if is_dataclass(value) else "${" + here + "}"
    return cls(**values)


def evaluation_rollout(temperature: float) -> RolloutConfig:
    """The run's rollout slice, but for how it samples: figures stay comparable whatever training samples with."""
    rollout = inherited(RolloutConfig, "rollout")
    rollout.temperature, rollout.top_p, rollout.top_k, rollout.min_p = temperature, 1.0, 0, 0.0
    return rollout


@dataclass
class StageConfig:
    """What every stage has."""

    kind: str = MISSING
    """Set by the stage's file in `conf/stage/`."""
    model_from: str = "base"
    """`base`, a model folder, or the name of an earlier stage of the pipeline."""
    data_from: str = "base"
    """`base` (the `data` slice), a data file, or an earlier stage that writes a data set."""
    data: DataConfig = field(default_factory=lambda: inherited(DataConfig, "data"))


@dataclass
class SFTConfig(StageConfig):
    """Supervised fine-tuning on demonstrations."""

    kind: str = "sft"
    steps: int = 100
    """Optimizer steps."""
    demonstrations_per_step: int = 64
    """Demonstrations of one optimizer step."""
    optimizer: OptimizerConfig = field(default_factory=lambda: inherited(OptimizerConfig, "optimizer"))


@dataclass
class ReinforceConfig(StageConfig):
    """Reinforcement learning with verifiable rewards."""

    kind: str = "reinforce"
    steps: int = 100
    """Rollout steps: one sampling of `prompts_per_step` groups each."""
    prompts_per_step: int = 32
    """P, prompts of one rollout step."""
    optimizer_steps_per_rollout: int = 1
    """Optimizer steps the groups of a rollout are split into."""
    algorithm: AlgorithmConfig = field(default_factory=lambda: inherited(AlgorithmConfig, "algorithm"))
    reward: RewardConfig = field(default_factory=lambda: inherited(RewardConfig, "reward"))
    optimizer: OptimizerConfig = field(default_factory=lambda: inherited(OptimizerConfig, "optimizer"))
    rollout: RolloutConfig = field(default_factory=lambda: inherited(RolloutConfig, "rollout"))


@dataclass
class EvaluateConfig(StageConfig):
    """Accuracy on held-out problems, sampled and greedy, with 95 % intervals.

    Samples at temperature 1, unfiltered, unless its own `rollout` says otherwise.
    """

    kind: str = "evaluate"
    samples_per_problem: int = 1
    """Completions sampled per problem, each with a seed of its own; greedy is one more."""
    rollout: RolloutConfig = field(default_factory=lambda: evaluation_rollout(1.0))
    reward: RewardConfig = field(default_factory=lambda: inherited(RewardConfig, "reward"))


@dataclass
class BudgetConfig(StageConfig):
    """Budget forcing: accuracy on held-out problems over the tokens a model may think with.

    Greedy unless its own `rollout.temperature` is above 0. `rollout.max_tokens` limits thinking and answer together.
    """

    kind: str = "budget"
    budgets: List[int] = field(default_factory=lambda: [8, 16, 32])
    """Most tokens of thinking, rising: at the limit `end_text` is appended and the model goes on with the answer."""
    waits: int = 2
    """Most times `wait_text` takes the place of the end of thinking, while the budget lasts; each number from 0 is
    measured."""
    wait_text: str = WAIT_TEXT
    """Appended in the place of the end of thinking."""
    end_text: str = "</think><answer>"
    """Appended where a budget is spent: the end of thinking, and whatever opens an answer in the run's format."""
    samples_per_problem: int = 1
    """Completions per problem; more than 1 needs a temperature above 0."""
    rollout: RolloutConfig = field(default_factory=lambda: evaluation_rollout(0.0))
    reward: RewardConfig = field(default_factory=lambda: inherited(RewardConfig, "reward"))


@dataclass
class ExportConfig(StageConfig):
    """Writes the final model to `model/` in Hugging Face format, with a model card."""

    kind: str = "export"
    repo_id: Optional[str] = None
    """Upload `model/` to this hub repository (`owner/name`), made private where it is new; unset: stay on this disk.
    The token comes from the environment (`HF_TOKEN`)."""
    license: Optional[str] = None
    """Licence of the model card, as the hub names it (`apache-2.0`); unset: the base's, where its card has one."""


@dataclass
class RunConfig:
    """The whole run."""

    name: str = "grpo"
    """Goes into the run folder's name."""
    seed: int = 0
    """All randomness derives from it."""
    run_root: str = "runs"
    """Folder that holds run folders."""
    resume: str = "never"
    """`never`, `auto` (the newest unfinished run of this very config), or a run folder."""
    dry_run: bool = False
    """Print the resolved config, batch arithmetic and estimates, check data and rewards on a few rows, and exit."""
    threads: int = 0
    """CPU threads of the trainer; 0 leaves PyTorch's default."""
    pipeline: List[str] = field(default_factory=list)
    """Names of the stages to run, in order."""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    algorithm: AlgorithmConfig = field(default_factory=AlgorithmConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    stages: Dict[str, StageConfig] = field(default_factory=dict)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    cost: CostConfig = field(default_factory=CostConfig)
    alarms: AlarmsConfig = field(default_factory=AlarmsConfig)
