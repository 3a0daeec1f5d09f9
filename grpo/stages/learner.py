"""What one rollout step teaches: scored groups → advantages → trees → update."""

from __future__ import annotations

from dataclasses import dataclass

from grpo.algorithm.advantages import Advantage
from grpo.config.schema import ReinforceConfig
from grpo.run.state import StateRegistry
from grpo.stages.sampled import SampledGroups
from grpo.update.advantages import RewardKl, advantages_of
from grpo.update.experience import experience_from
from grpo.update.optimizer import Optimizer
from grpo.update.policy import Policy
from grpo.update.reference import Resetting, reference_policy
from grpo.update.reinforce import PolicyUpdate, UpdateSettings
from grpo.update.staleness import StalenessBound, without_stale


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Of one rollout step."""

    advantages: list[list[Advantage | None]]
    """Per group and completion; None: nothing was learnt from it."""
    tokens: int
    """Completion tokens that were computed."""
    metrics: dict[str, float]


class Learner:
    """The policy's teacher, with the reference that the KL penalty needs."""

    def __init__(self, stage: ReinforceConfig, policy: Policy, optimizer: Optimizer, settings: UpdateSettings) -> None:
        """Before a checkpoint is loaded: the reference is what the stage starts from, until it is reset."""
        algorithm = stage.algorithm
        self._algorithm = algorithm
        reset_steps, in_reward = algorithm.reference_reset_steps, algorithm.kl_in == "reward"
        self.reference = reference_policy(policy, reset_steps) if algorithm.kl_coef > 0 else None
        self.update = PolicyUpdate(policy, optimizer, settings, None if in_reward else self.reference)
        self._reward_kl = RewardKl(self.reference if in_reward else None, settings)
        self._bound = StalenessBound(most=algorithm.max_staleness, optimizer_steps=stage.optimizer_steps_per_rollout)

    def __call__(self, batch: SampledGroups, index: int, version: int) -> Learned:
        """Stage step `index` (from 0), which begins with weights `version`."""
        penalties = self._reward_kl(batch.groups, batch.scores)
        advantages = advantages_of(batch.groups, batch.scores, self._algorithm.advantage, penalties.tokens)
        advantages, staleness = without_stale(batch.groups, advantages, version, self._bound)
        trees = experience_from(batch.groups, advantages, mask_truncated=self._algorithm.truncated == "mask")
        metrics = self.update(trees, index)
        if isinstance(self.reference, Resetting):
            self.reference.after_step(index + 1)
        return Learned(
            advantages=advantages,
            tokens=sum(tree.tokens for tree in self.update.live(trees)),
            metrics={**metrics, **penalties.metrics, **staleness},
        )

    def register(self, registry: StateRegistry) -> None:
        """What a checkpoint must hold beside policy and optimizer."""
        if isinstance(self.reference, Resetting):
            registry.register("reference", self.reference)
