"""Reinforcement learning with verifiable rewards: sample, score, advantage, update, sync."""

from __future__ import annotations

from pathlib import Path

from grpo.config.schema import ReinforceConfig
from grpo.config.slices import RolloutConfig
from grpo.data.cursor import ProblemCursor
from grpo.kernels.token_logprob import HeadSettings
from grpo.model.load import LoadedModel
from grpo.run.random import derive_seed
from grpo.run.state import StateRegistry
from grpo.stages.context import RunContext
from grpo.stages.loop import train, training_state
from grpo.stages.sampler import PolicySampler
from grpo.stages.scoring import Scorer, length_metrics
from grpo.stages.totals import Clock, StageTotals
from grpo.types import Group, SamplingSettings
from grpo.update.advantages import RewardKl, advantages_of
from grpo.update.experience import Tree, experience_from
from grpo.update.mismatch import mismatch_limit
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from grpo.update.reference import Resetting, reference_policy
from grpo.update.reinforce import PolicyUpdate, UpdateSettings
from grpo.update.staleness import StalenessBound, without_stale


def run_reinforce(name: str, stage: ReinforceConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Train, save the model to the stage's folder, and say what it took."""
    loaded = context.load_model(stage.model_from, trained_by=name)
    trainer = ReinforceTrainer(name, stage, context, loaded)
    try:
        train(trainer, name, stage.steps, context, checkpoint)
    finally:
        trainer.scorer.close()
    context.summary.saw_logprob_difference(trainer.sampler.largest_probe_difference)
    loaded.save(context.folder.stage(name))
    return trainer.totals


class ReinforceTrainer:
    """One rollout step at a time."""

    def __init__(self, name: str, stage: ReinforceConfig, context: RunContext, loaded: LoadedModel) -> None:
        self.name, self.stage, self.context = name, stage, context
        self.policy = Policy(loaded.model, loaded.adapters)
        self.encoder = loaded.encoder(stage.data.system_prompt, stage.rollout.max_tokens)
        problems = context.fitting(self.encoder, context.problems(stage, "train"), stage)
        self.cursor = ProblemCursor(problems, (context.config.seed, name))
        self.optimizer = Optimizer(
            self.policy.model,
            stage.optimizer,
            stage.steps * stage.optimizer_steps_per_rollout,
            seed=derive_seed(context.config.seed, name, "rounding"),
        )
        self.scorer = Scorer(stage.reward, self.encoder)
        # Made before a checkpoint is loaded: the reference is what the stage starts from, until it is reset.
        resets, in_reward = stage.algorithm.reference_reset_steps, stage.algorithm.kl_in == "reward"
        self.reference = reference_policy(self.policy, resets) if stage.algorithm.kl_coef > 0 else None
        settings = self._update_settings()
        self.update = PolicyUpdate(self.policy, self.optimizer, settings, None if in_reward else self.reference)
        self.reward_kl = RewardKl(self.reference if in_reward else None, settings)
        self.sampler = self._sampler(loaded)
        self.settings = sampling_settings(stage.rollout)
        self.bound = StalenessBound(
            most=stage.algorithm.max_staleness, optimizer_steps=stage.optimizer_steps_per_rollout
        )
        self.totals = StageTotals()

    def parts(self) -> StateRegistry:
        registry = training_state(self.policy, self.optimizer, self.cursor, self.totals)
        if isinstance(self.reference, Resetting):
            registry.register("reference", self.reference)
        return registry

    def start(self) -> None:
        """Dropout stays off: the sampler has none, and the two must agree."""
        self.policy.model.eval()
        self.sampler.push_weights(self.context.step)

    def step(self, index: int) -> dict[str, float]:
        """groups → rewards → advantages → update → sync."""
        clock = Clock()
        problems = self.cursor.take(self.stage.prompts_per_step)
        with clock("rollout"):
            groups = self.sampler.sample(problems, self.settings, self.context.config.seed, self.name, index)
        with clock("reward"):
            scores = self.scorer(problems, groups, self.context.step + 1)
        with clock("update"):
            self.sampler.engine.sleep()
            penalties = self.reward_kl(groups, scores)
            advantages = advantages_of(groups, scores, self.stage.algorithm.advantage, penalties.tokens)
            advantages, staleness = without_stale(groups, advantages, self.context.step, self.bound)
            trees = experience_from(groups, advantages, mask_truncated=self.stage.algorithm.truncated == "mask")
            learned = self.update(trees, index) | penalties.metrics
            if isinstance(self.reference, Resetting):
                self.reference.after_step(index + 1)
        with clock("sync"):
            probe = self.sampler.push_weights(self.context.step + 1)
        if self.context.tracker.wants_groups(self.context.step + 1):
            here = (self.context.step + 1, self.name)
            self.context.tracker.log_groups(self.scorer.record(here, problems, groups, scores, advantages))
        return (
            self.scorer.metrics(scores)
            | length_metrics(groups)
            | learned
            | staleness
            | {"probe/max_logprob_diff": probe}
            | clock.metrics()
            | self._throughput(clock, groups, trees)
        )

    def _throughput(self, clock: Clock, groups: list[Group], trees: list[Tree]) -> dict[str, float]:
        sampled = sum(len(c.token_ids) for group in groups for c in group.completions)
        trained = sum(tree.tokens for tree in trees if tree.live)
        self.totals.tokens_sampled += sampled
        self.totals.tokens_prompted += sum(len(group.prompt.token_ids) * len(group.completions) for group in groups)
        self.totals.tokens_trained += trained
        return {
            "num_tokens": float(self.totals.tokens_sampled + self.totals.tokens_prompted),
            "tokens_per_second/sampled": sampled / clock.seconds["rollout"],
            "tokens_per_second/trained": trained / clock.seconds["update"],
        }

    def _update_settings(self) -> UpdateSettings:
        stage, sampling = self.stage, head_settings(self.stage.rollout)
        return UpdateSettings(
            algorithm=stage.algorithm,
            sampling=sampling,
            max_tokens=stage.rollout.max_tokens,
            optimizer_steps=stage.optimizer_steps_per_rollout,
            limits=PackingLimits(micro_batch=stage.optimizer.max_tokens_per_micro_batch),
            mismatch=mismatch_limit(
                self.context.config.model.dtype, stage.rollout.max_logprob_diff, filtered=sampling.filtered
            ),
            seed_keys=(self.context.config.seed, self.name, "tokens"),
        )

    def _sampler(self, loaded: LoadedModel) -> PolicySampler:
        engine = self.context.engine.get(self.context.model_folder(self.stage.model_from), loaded.context)
        probe = mismatch_limit(self.context.config.model.dtype, self.stage.rollout.max_logprob_diff)
        return PolicySampler(engine, self.policy, self.encoder, probe, self.update.settings.limits)


def head_settings(rollout: RolloutConfig) -> HeadSettings:
    """The distribution the update takes the rollouts to be sampled from."""
    return HeadSettings(temperature=rollout.temperature, top_p=rollout.top_p, top_k=rollout.top_k, min_p=rollout.min_p)


def sampling_settings(rollout: RolloutConfig) -> SamplingSettings:
    """How a stage's rollouts are sampled."""
    return SamplingSettings(
        completions_per_prompt=rollout.completions_per_prompt,
        max_tokens=rollout.max_tokens,
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        top_k=rollout.top_k,
        min_p=rollout.min_p,
    )
