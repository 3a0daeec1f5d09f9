"""Writes the final model to `model/`, where `from_pretrained` and `vllm serve` find it."""

from __future__ import annotations

from pathlib import Path

from grpo.config.schema import ExportConfig
from grpo.run.memory import GAUGE
from grpo.run.model_folder import save_model
from grpo.stages.context import RunContext
from grpo.stages.totals import Clock, StageTotals


def run_export(name: str, stage: ExportConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Copy the chosen model, checked and with a manifest."""
    clock = Clock()
    loaded = context.load_model(stage.model_from)
    GAUGE.enter("save")
    save_model(loaded.model, loaded.tokenizer, context.folder.model)
    context.tracker.message(f"{name}: model written to {context.folder.model}")
    return StageTotals(wall_seconds=clock.elapsed)
