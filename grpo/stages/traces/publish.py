"""What a stage keeps becomes its data set: the parquet file, the counts beside it, and in the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.config.stages_data import DataSetConfig
from grpo.data.trace_file import SAMPLING, Provenance, TraceRow, write_traces
from grpo.run.atomic import write_json
from grpo.run.commit import git_commit
from grpo.run.manifest import sha256_of
from grpo.stages.context import RunContext
from grpo.stages.traces.general import GENERAL_SHARE, general_rows
from grpo.stages.traces.overlap import EvaluatedOn
from grpo.stages.traces.sample import Sample
from grpo.types import Problem

COUNTS_FILE = "dataset.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a stage sampled and what it keeps of it."""

    problems: Sequence[Problem]
    """All that were sampled."""
    sampled: int
    """Completions."""
    kept: Sequence[Sample]
    dropped: Mapping[str, int]
    """Filter, in the order of asking, to completions; together with `kept` they are all that was sampled."""
    sampler: str
    weight_version: int

    @property
    def right(self) -> int:
        """Completions that could be scored and were right."""
        return self.sampled - self.dropped["failed"] - self.dropped["wrong"]

    @property
    def covered(self) -> int:
        """Problems with a demonstration."""
        return len({sample.problem_id for sample in self.kept})

    def metrics(self) -> dict[str, float]:
        """For the stage's line of metrics."""
        return {
            "traces/sampled": float(self.sampled),
            **{f"traces/dropped/{reason}": float(count) for reason, count in self.dropped.items()},
            "traces/kept": float(len(self.kept)),
            "traces/problems_covered": self.covered / len(self.problems),
        }


def publish(name: str, stage: DataSetConfig, context: RunContext, outcome: Outcome, held_out: EvaluatedOn) -> None:
    """Write data set and counts, and put the counts into the summary; no general row is one of `held_out`.

    Raises:
        ValueError: nothing is kept; the message says which filter dropped what.
    """
    dropped = ", ".join(f"{reason} {count}" for reason, count in outcome.dropped.items() if count)
    if not outcome.kept:
        raise ValueError(f"stages.{name}: none of {outcome.sampled} completions is left; dropped: {dropped}")
    by_id = {problem.id: problem for problem in outcome.problems}
    rows = [_row(sample, by_id[sample.problem_id]) for sample in outcome.kept]
    general = general_rows(stage, held_out, len(rows), context.config.seed, name)
    path, provenance = context.folder.data_set(name), _provenance(name, stage, context, outcome)
    write_traces(path, [*rows, *general], provenance)
    file = {"file": path.relative_to(context.folder.path).as_posix(), "sha256": sha256_of(path)}
    counts = _counts(outcome, len(general)) | file | _origin(provenance)
    write_json(context.folder.stage(name) / COUNTS_FILE, counts)
    context.summary.add_data_set(name, counts)
    context.tracker.message(
        f"{name}: {len(rows)} of {outcome.sampled} completions kept, for {outcome.covered} of {len(by_id)} problems; "
        f"dropped: {dropped or 'none'}" + (f"; {len(general)} general rows mixed in" if general else "")
    )
    if stage.mix_path is not None and len(general) < round(len(rows) * GENERAL_SHARE / (1 - GENERAL_SHARE)):
        context.tracker.message(f"warning: {stage.mix_path} has only {len(general)} rows, fewer than a quarter of all")


def _counts(outcome: Outcome, general: int) -> dict[str, Any]:
    return {
        "sampled": outcome.sampled,
        "right": outcome.right,
        "dropped": [{"filter": reason, "completions": count} for reason, count in outcome.dropped.items()],
        "kept": len(outcome.kept),
        "general": general,
        "problems": len(outcome.problems),
        "problems_covered": outcome.covered,
        "tokens_kept": sum(sample.tokens for sample in outcome.kept),
    }


def _origin(provenance: Provenance) -> dict[str, Any]:
    """Who sampled, and how; the columns of every row have it too."""
    return {key: getattr(provenance, key) for key in ("sampler", "base_model", "weight_version", "seed", "sampling")}


def _row(sample: Sample, problem: Problem) -> TraceRow:
    return TraceRow(
        problem=problem,
        demonstration=sample.text,
        completion_index=sample.index,
        tokens=sample.tokens,
        rewards=sample.rewards,
        total=sample.total,
    )


def _provenance(name: str, stage: DataSetConfig, context: RunContext, outcome: Outcome) -> Provenance:
    return Provenance(
        run=context.folder.path.name,
        stage=name,
        sampler=outcome.sampler,
        base_model=context.config.model.name,
        weight_version=outcome.weight_version,
        seed=context.config.seed,
        sampling={key: float(getattr(stage.rollout, key)) for key in SAMPLING},
        git_commit=git_commit(),
    )
