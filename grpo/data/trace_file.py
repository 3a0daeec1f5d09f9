"""Data sets that stages write: one parquet row per demonstration, with where it comes from.

The text of a demonstration is tokenised when a supervised stage reads it, by that stage's tokenizer; token ids are not
kept, since a teacher's are of another vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.run.atomic import PARTIAL, flush_to_disk
from grpo.types import Message, Problem

KEY, FORMAT = b"grpo_traces", b"1"
"""In the file's metadata: it is such a data set, and of which version."""
MODEL, GENERAL = "model", "general"
"""Values of the column `origin`: sampled and verified by the stage, or mixed in from `mix_path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What all rows of a data set share."""

    run: str
    """Name of the run folder."""
    stage: str
    sampler: str
    """What sampled: `model_from` of a rejection stage, `teacher` of a distilling one."""
    base_model: str
    """`model.name` of the run."""
    weight_version: int
    """The run's steps behind the weights; 0 for a teacher that the run did not train."""
    seed: int
    """Of the run; completion i of a problem derives its own from it, the stage, the problem's id and i."""
    sampling: Mapping[str, float]
    """Temperature, top_p, top_k, min_p, max_tokens, completions_per_prompt."""
    git_commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """One demonstration."""

    problem: Problem
    demonstration: str
    origin: str = MODEL
    completion_index: int | None = None
    """Which completion of the problem; None for general rows."""
    tokens: int | None = None
    """Length as sampled; None for general rows."""
    rewards: Mapping[str, float | None]
    """Label to raw value; empty for general rows."""
    total: float | None = None
    """Weighted sum of the rewards."""

    @property
    def id(self) -> str:
        index = self.completion_index
        return self.problem.id if index is None else f"{self.problem.id}#{index}"


def write_traces(path: Path, rows: Sequence[TraceRow], source: Provenance) -> None:
    """Write the file whole or not at all; the same rows give the same bytes."""
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    shared = _shared_values(source)
    table = _table([_values(row, source) | shared for row in rows])
    partial = path.with_name(PARTIAL + path.name)
    parquet.write_table(table, partial)
    flush_to_disk(partial)
    partial.replace(path)
    flush_to_disk(path.parent)


def is_trace_file(path: str) -> bool:
    """Whether the file is such a data set, whoever wrote it."""
    if not path.endswith(".parquet") or not Path(path).is_file():
        return False
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        return KEY in (parquet.read_schema(path).metadata or {})
    except pyarrow.ArrowException:
        return False  # the reader of rows says what is wrong with it


def read_traces(path: str) -> list[Problem]:
    """A demonstrated problem per row, in file order; its id is unique, its columns are those of the problem.

    Raises:
        ValueError: the file is of another version, or an id occurs twice.
    """
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    version = (table.schema.metadata or {}).get(KEY)
    if version != FORMAT:
        raise ValueError(f"data set {path}: version {version!r} of the format; this program reads {FORMAT!r}")
    problems = [_problem(row) for row in table.to_pylist()]
    if len({problem.id for problem in problems}) < len(problems):
        raise ValueError(f"data set {path}: ids occur twice")
    return problems


def _problem(row: Mapping[str, Any]) -> Problem:
    messages = row["messages"]
    return Problem(
        id=row["id"],
        prompt=row["prompt"] if messages is None else tuple(messages),
        answer=row["answer"],
        demonstration=row["demonstration"],
        columns=json.loads(row["columns"]),
    )


def _values(row: TraceRow, source: Provenance) -> dict[str, Any]:
    prompt, sampled = row.problem.prompt, row.origin == MODEL
    return {
        "id": row.id,
        "prompt": prompt if isinstance(prompt, str) else None,
        "messages": None if isinstance(prompt, str) else [_message(turn) for turn in prompt],
        "answer": row.problem.answer,
        "demonstration": row.demonstration,
        "origin": row.origin,
        "problem_id": row.problem.id,
        "completion_index": row.completion_index,
        "tokens": row.tokens,
        "rewards": [{"name": name, "value": value} for name, value in row.rewards.items()],
        "total": row.total,
        "columns": json.dumps(dict(row.problem.columns), sort_keys=True, default=str),
        "sampler": source.sampler if sampled else None,
        "weight_version": source.weight_version if sampled else None,
    }


def _message(turn: Message) -> dict[str, str]:
    return {"role": turn["role"], "content": turn["content"]}


def _shared_values(source: Provenance) -> dict[str, Any]:
    return {
        "run": source.run,
        "stage": source.stage,
        "base_model": source.base_model,
        "seed": source.seed,
        "sampling": dict(source.sampling),
        "git_commit": source.git_commit,
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> Any:
    import pyarrow as pa

    text, whole, real = pa.string(), pa.int64(), pa.float64()
    kinds = {
        "id": text,
        "prompt": text,
        "messages": pa.list_(pa.struct([("role", text), ("content", text)])),
        "answer": text,
        "demonstration": text,
        "origin": text,
        "problem_id": text,
        "completion_index": whole,
        "tokens": whole,
        "rewards": pa.list_(pa.struct([("name", text), ("value", real)])),
        "total": real,
        "columns": text,
        "sampler": text,
        "weight_version": whole,
        "run": text,
        "stage": text,
        "base_model": text,
        "seed": whole,
        "sampling": pa.struct([(name, real) for name in SAMPLING]),
        "git_commit": text,
    }
    return pa.Table.from_pylist(list(rows), schema=pa.schema(kinds).with_metadata({KEY: FORMAT}))


SAMPLING = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "completions_per_prompt")
"""Fields of the column `sampling`."""
