"""Reinforcement learning with verifiable rewards: sample, score, advantage, update, sync."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grpo.config.schema import ReinforceConfig
from grpo.config.selection import problems_at_once
from grpo.config.slices import RolloutConfig
from grpo.data.curriculum import Curriculum
from grpo.kernels.token_logprob import HeadSettings
from grpo.model.load import LoadedModel
from grpo.run.random import derive_seed
from grpo.run.state import StateRegistry
from grpo.stages.context import RunContext
from grpo.stages.gather import Gathered, Gatherer, GatherSettings
from grpo.stages.learner import Learner
from grpo.stages.loop import train, training_state
from grpo.stages.sampler import PolicySampler
from grpo.stages.scoring import Scorer, length_metrics
from grpo.stages.totals import Clock, StageTotals
from grpo.types import Problem, SamplingSettings
from grpo.update.mismatch import mismatch_limit
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from grpo.update.reinforce import UpdateSettings


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
        self.encoder = loaded.encoder(stage.data, stage.rollout.max_tokens)
        problems = context.fitting(self.encoder, context.problems(stage, "train"), stage)
        self.curriculum = self._curriculum(problems)
        self.optimizer = Optimizer(
            self.policy.model,
            stage.optimizer,
            stage.steps * stage.optimizer_steps_per_rollout,
            seed=derive_seed(context.config.seed, name, "rounding"),
        )
        self.scorer = Scorer(stage.reward, self.encoder)
        self.learner = Learner(stage, self.policy, self.optimizer, self._update_settings())
        self.sampler = self._sampler(loaded)
        self.gather = Gatherer(self._gather_settings(), self.curriculum, self.sampler, self.scorer)
        self.totals = StageTotals()

    def parts(self) -> StateRegistry:
        registry = training_state(self.policy, self.optimizer, self.curriculum, self.totals)
        self.learner.register(registry)
        return registry

    def start(self) -> None:
        """Dropout stays off: the sampler has none, and the two must agree."""
        self.policy.model.eval()
        self.sampler.push_weights(self.context.step)

    def step(self, index: int) -> dict[str, float]:
        """groups and their rewards → advantages → update → sync."""
        clock = Clock()
        gathered = self.gather(index, self.context.step + 1, clock)
        with clock("update"):
            self.sampler.engine.sleep()
            learned = self.learner(gathered.learnt, index, self.context.step)
        with clock("sync"):
            probe = self.sampler.push_weights(self.context.step + 1)
        if self.context.tracker.wants_groups(self.context.step + 1):
            here = (self.context.step + 1, self.name)
            self.context.tracker.log_groups(
                self.scorer.record(here, gathered.sampled, gathered.for_all(learned.advantages))
            )
        return (
            self.scorer.metrics(gathered.sampled)
            | length_metrics(gathered.sampled.groups)
            | gathered.metrics
            | learned.metrics
            | {"probe/max_logprob_diff": probe}
            | clock.metrics()
            | self._throughput(clock, gathered, learned.tokens)
        )

    def _throughput(self, clock: Clock, gathered: Gathered, trained: int) -> dict[str, float]:
        self.totals.tokens_sampled += gathered.tokens
        self.totals.tokens_prompted += gathered.sampled.prompt_tokens
        self.totals.tokens_trained += trained
        return {
            "num_tokens": float(self.totals.tokens_sampled + self.totals.tokens_prompted),
            "tokens_per_second/sampled": gathered.tokens / clock.seconds["rollout"],
            "tokens_per_second/trained": trained / clock.seconds["update"],
        }

    def _curriculum(self, problems: Sequence[Problem]) -> Curriculum:
        selection = self.stage.algorithm.selection
        at_once = problems_at_once(selection, self.stage.prompts_per_step)
        return Curriculum(problems, (self.context.config.seed, self.name), selection, at_once)

    def _gather_settings(self) -> GatherSettings:
        return GatherSettings(
            selection=self.stage.algorithm.selection,
            prompts_per_step=self.stage.prompts_per_step,
            sampling=sampling_settings(self.stage.rollout),
            seed_keys=(self.context.config.seed, self.name),
            say=self.context.tracker.message,
        )

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
        return PolicySampler(engine, self.policy, self.encoder, probe, self.learner.update.settings.limits)


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
