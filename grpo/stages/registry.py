"""The kinds of stages, by the name in `conf/stage/`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from grpo.stages.budget import run_budget
from grpo.stages.context import RunContext
from grpo.stages.distill import run_distill
from grpo.stages.evaluate import run_evaluate
from grpo.stages.export import run_export
from grpo.stages.reinforce import run_reinforce
from grpo.stages.rejection import run_rejection
from grpo.stages.sft import run_sft
from grpo.stages.totals import StageTotals

StageFunction = Callable[[str, Any, RunContext, Path | None], StageTotals]
"""(name, the stage's slice, context, checkpoint to go on from) → what it used."""

STAGES: dict[str, StageFunction] = {
    "sft": run_sft,
    "reinforce": run_reinforce,
    "evaluate": run_evaluate,
    "budget": run_budget,
    "export": run_export,
    "rejection": run_rejection,
    "distill": run_distill,
}
