"""`rollouts/step_000010.jsonl`: what the policy wrote and what it earned, a line per group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grpo.track.cut import rollout_name, write_whole
from grpo.track.jsonl import finite, json_line
from grpo.track.records import RolloutRecord, ScoredCompletion, ScoredGroup
from grpo.track.writer import Writer
from grpo.types import StepMetrics


class RolloutFiles(Writer):
    """Writes each record it gets to a file of its own, whole or not at all."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def log(self, metrics: StepMetrics) -> None:
        """Metrics go elsewhere."""

    def log_groups(self, record: RolloutRecord) -> None:
        lines = b"".join(json_line(group_row(record, group)) for group in record.groups)
        write_whole(self._folder / rollout_name(record.step), lines)

    def close(self, status: str) -> None:
        """Nothing is open."""


def group_row(record: RolloutRecord, group: ScoredGroup) -> dict[str, Any]:
    """The JSON object of one group."""
    return {
        "step": record.step,
        "stage": record.stage,
        "problem_id": group.problem_id,
        "prompt": group.prompt_text,
        "answer": group.answer,
        "completions": [_completion_row(item) for item in group.completions],
    }


def _completion_row(item: ScoredCompletion) -> dict[str, Any]:
    return {
        "text": item.text,
        "token_ids": list(item.token_ids),
        "finish_reason": item.finish_reason,
        "weight_version": item.weight_version,
        "rewards": {name: finite(value) for name, value in item.rewards},
        "total": finite(item.total),
        "advantage": finite(item.advantage),
        "error": item.error,
        "extra": dict(item.extra),
    }
