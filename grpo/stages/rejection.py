"""Rejection sampling: the policy's completions that are right and readable become a data set (DeepSeek-R1, 2.3.3)."""

from __future__ import annotations

from pathlib import Path

from grpo.config.stages_data import RejectionConfig
from grpo.stages.context import RunContext
from grpo.stages.reinforce import sampling_settings
from grpo.stages.totals import StageTotals
from grpo.stages.traces.publish import Outcome
from grpo.stages.traces.work import TraceWork
from grpo.stages.traces.writers import EngineWriter, push_policy


def run_rejection(name: str, stage: RejectionConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Sample every training problem, keep what passes the filters, and write `dataset.parquet` with its counts."""
    work = TraceWork(name, stage, context)
    try:
        loaded = context.load_model(stage.model_from)
        encoder = loaded.encoder(stage.data, stage.rollout.max_tokens)
        problems = context.fitting(encoder, context.problems(stage, "train"), stage)
        with work.clock("sync"):
            engine = push_policy(context, stage, loaded, encoder)
        context.spent("load")
        writer = EngineWriter(
            engine=lambda: engine, encoder=encoder, settings=sampling_settings(stage.rollout), keys=work.keys
        )
        samples = work.collect(writer, problems)
    finally:
        work.close()
    found = work.filtered(problems, samples)
    return work.finish(
        Outcome(
            problems=problems,
            sampled=len(samples),
            kept=found.kept,
            dropped=found.dropped,
            sampler=stage.model_from,
            weight_version=context.step,
        )
    )
