"""Writes the final model to `model/`, where `from_pretrained` and `vllm serve` find it, and uploads it when asked."""

from __future__ import annotations

from pathlib import Path

from grpo.config.schema import ExportConfig
from grpo.config.slices import DataConfig
from grpo.publish.card import card_files
from grpo.publish.facts import gather, root_model
from grpo.publish.hub import push
from grpo.publish.prompt import trained_template
from grpo.report.read import read_run
from grpo.run.memory import GAUGE
from grpo.run.model_folder import save_model
from grpo.stages.context import RunContext
from grpo.stages.totals import Clock, StageTotals


def run_export(name: str, stage: ExportConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Copy the chosen model, checked, with a card and a manifest; a failed upload leaves it where it is."""
    clock = Clock()
    loaded = context.load_model(stage.model_from)
    loaded.tokenizer.chat_template = trained_template(loaded.tokenizer, _training_data(stage, context))
    GAUGE.enter("save")
    save_model(loaded.model, loaded.tokenizer, context.folder.model, texts=_card(name, context))
    context.tracker.message(f"{name}: model written to {context.folder.model}")
    if stage.repo_id is not None:
        _publish(name, stage.repo_id, context)
    return StageTotals(wall_seconds=clock.elapsed)


def _training_data(stage: ExportConfig, context: RunContext) -> DataConfig:
    """The data slice of the stage that trained the model; the export's own for a model that no stage trained."""
    return context.config.stages.get(stage.model_from, stage).data


def _card(name: str, context: RunContext) -> dict[str, str]:
    run = read_run(context.folder.path)
    root = root_model(run.config, name)
    begun_with = "base" if root == context.config.model.name else root
    base = None if root == "scratch" else context.model_folder(begun_with)
    return card_files(gather(run, name, base))


def _publish(name: str, repo_id: str, context: RunContext) -> None:
    context.tracker.message(f"{name}: uploading to {repo_id}")
    outcome = push(context.folder.model, repo_id)
    context.summary.set_published(outcome.entry())
    if outcome.ok:
        context.tracker.message(f"{name}: uploaded to {outcome.text}")
    else:
        again = f"python -m grpo.publish.hub {context.folder.model} {repo_id}"
        context.tracker.message(f"{name}: not uploaded: {outcome.text}; the model is safe, try again with: {again}")
