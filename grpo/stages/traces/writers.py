"""Completions from the run's engine: the policy's, whose weights are pushed into it, or those of a teacher it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer

from grpo.config.slices import DataConfig
from grpo.config.stages_data import DataSetConfig
from grpo.data.prompts import PromptEncoder
from grpo.model.load import LoadedModel
from grpo.rollouts.checkpoint import Checkpoint
from grpo.rollouts.engine import RolloutEngine
from grpo.run.model_folder import require_model_folder
from grpo.run.random import derive_seed
from grpo.stages.context import RunContext
from grpo.stages.sampler import PolicySampler
from grpo.stages.traces.sample import Batch, Written
from grpo.types import Group, Problem, Prompt, SamplingSettings
from grpo.update.mismatch import mismatch_limit
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineWriter:
    """Samples from whatever the engine holds; the seed of a group derives from `keys` and the problem's id."""

    engine: Callable[[], RolloutEngine]
    """Called when there is something to sample: a resumed stage may have it all."""
    encoder: PromptEncoder
    settings: SamplingSettings
    keys: tuple[int | str, ...]

    def write(self, problems: Sequence[Problem]) -> Batch:
        prompts = [
            Prompt(problem_id=one.id, token_ids=self.encoder.encode(one), seed=derive_seed(*self.keys, one.id))
            for one in problems
        ]
        groups = self.engine().sample(prompts, self.settings)
        return Batch(
            written=[self._written(group) for group in groups],
            tokens_prompted=sum(len(group.prompt.token_ids) * len(group.completions) for group in groups),
        )

    def _written(self, group: Group) -> list[Written]:
        return [
            Written(
                text=self.encoder.decode(one.token_ids),
                token_ids=one.token_ids,
                finish_reason=one.finish_reason,
                weight_version=one.weight_version,
            )
            for one in group.completions
        ]


def push_policy(
    context: RunContext, stage: DataSetConfig, loaded: LoadedModel, encoder: PromptEncoder
) -> RolloutEngine:
    """The run's engine with the weights of `model_from`, proven by the probe; their version is the run's step."""
    config = context.config
    engine = context.engine.get(context.model_folder(stage.model_from), loaded.context)
    sampler = PolicySampler(
        engine,
        Policy(loaded.model.eval()),
        encoder,
        mismatch_limit(config.model.dtype, stage.rollout.max_logprob_diff),
        PackingLimits(micro_batch=config.optimizer.max_tokens_per_micro_batch),
    )
    sampler.push_weights(context.step)
    context.summary.saw_logprob_difference(sampler.largest_probe_difference)
    return engine


def encoder_of(folder: Path, data: DataConfig, max_tokens: int) -> tuple[PromptEncoder, int]:
    """The encoder of a model whose weights only the engine needs, and its context in tokens.

    Raises:
        ValueError: the folder is no complete model, or `max_tokens` leaves no room for a prompt.
    """
    require_model_folder(folder)
    context = int(AutoConfig.from_pretrained(str(folder), local_files_only=True).max_position_embeddings)
    encoder = PromptEncoder(
        AutoTokenizer.from_pretrained(str(folder), local_files_only=True),
        data.system_prompt,
        context,
        max_tokens,
        Checkpoint.read(folder).eos_token_ids,
        template=data.prompt_template,
    )
    return encoder, context
