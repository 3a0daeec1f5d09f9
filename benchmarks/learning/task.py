"""The embedded task at a benchmark's sizes, the cold starts made for it, and a run of our pipeline."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grpo.config.check import check
from grpo.config.load import load_config
from grpo.data.cursor import ProblemCursor
from grpo.data.load import load_split
from grpo.run.pipeline import run_pipeline
from grpo.types import Problem

COLD, COLD_EVAL, RL, RL_EVAL = "cold_start", "cold_start_eval", "rl", "rl_eval"
SMALL_MODEL = (
    "model.scratch.hidden_size=32",
    "model.scratch.layers=1",
    "model.scratch.attention_heads=2",
    "model.scratch.key_value_heads=1",
    "model.scratch.intermediate_size=64",
    "data.arithmetic.operands=2",
    "data.arithmetic.problems=64",
)
SIGNALLED = 128
"""Exit codes from here on are 128 + the signal that ended a run."""
NO_CHECKPOINTS = "checkpoint.every=1000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSizes:
    """How much of the task is used."""

    cold_steps: int = 350
    """Supervised steps: at 350 about a quarter of the sampled answers is right."""
    prompts: int = 16
    """Of a rollout step."""
    completions: int = 8
    """For each prompt."""
    max_tokens: int = 48
    """Of a completion."""
    held_out: int = 512
    small: bool = False
    """A model and data for a look at whether everything runs."""

    def overrides(self, seed: int, threads: int, engine: str = "transformers") -> list[str]:
        """Config overrides that every run of the benchmark has."""
        return [
            f"rollout={engine}",
            f"seed={seed}",
            f"threads={threads}",
            f"stages.{COLD}.steps={self.cold_steps}",
            f"stages.{RL}.prompts_per_step={self.prompts}",
            f"rollout.completions_per_prompt={self.completions}",
            f"rollout.max_tokens={self.max_tokens}",
            f"data.arithmetic.held_out={self.held_out}",
            f"data.eval_rows={self.held_out}",
            NO_CHECKPOINTS,
            "logger=[file]",
            "logger.file.rollouts_every=0",
            *(SMALL_MODEL if self.small else ()),
        ]


def cold_folder(work: Path, sizes: TaskSizes, seed: int) -> Path:
    """Where a seed's cold start lies; other sizes of the supervised stage lie elsewhere."""
    facts = {key: value for key, value in asdict(sizes).items() if key not in ("prompts", "completions")}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
    return work / f"cold-{digest}" / f"seed_{seed}"


def cold_start(work: Path, sizes: TaskSizes, seed: int, threads: int) -> Path:
    """The seed's supervised model, made unless it is there → its folder, `evaluation.json` beside it."""
    folder = cold_folder(work, sizes, seed)
    if not (folder / "evaluation.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        run = our_run(folder, [*sizes.overrides(seed, threads), f"pipeline=[{COLD},{COLD_EVAL}]"])
        shutil.copytree(run / "stages" / COLD / "model", folder / "model")
        found = {entry["mode"]: entry["accuracy"] for entry in summary_of(run)["eval"]}
        aside = folder / "evaluation.partial"
        aside.write_text(json.dumps(found) + "\n", encoding="utf-8")
        aside.replace(folder / "evaluation.json")
    return folder / "model"


def cold_accuracy(work: Path, sizes: TaskSizes, seed: int) -> dict[str, float] | None:
    """Held-out accuracy of the seed's cold start by mode, `sampled` and `greedy`; None before it is made."""
    file = cold_folder(work, sizes, seed) / "evaluation.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def our_run(root: Path, overrides: Sequence[str]) -> Path:
    """A run of our pipeline below `root` → its folder.

    Raises ConfigError for wrong overrides, RuntimeError with the end of its log when the run failed, KeyboardInterrupt
    when it was asked to stop.
    """
    config = load_config([*overrides, f"run_root={root}"])
    check(config)
    before = set(root.glob("*/run.json"))
    code = run_pipeline(config)
    [made] = set(root.glob("*/run.json")) - before
    if code >= SIGNALLED:
        raise KeyboardInterrupt
    if code != 0:
        log = (made.parent / "run.log").read_text(encoding="utf-8")
        raise RuntimeError(f"the run ended with code {code}: {log[-600:]}")
    return made.parent


def problems_in_order(sizes: TaskSizes, seed: int, count: int) -> list[Problem]:
    """The first `count` problems of our reinforcement stage, in the order in which it samples them."""
    data = load_config(sizes.overrides(seed, threads=1)).stages[RL].data
    return ProblemCursor(load_split(data, "train"), (seed, RL)).take(count)


def summary_of(run: Path) -> dict[str, Any]:
    """`summary.json` of a run."""
    found: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return found
