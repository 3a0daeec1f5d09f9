"""General rows that are mixed into a data set, so that reasoning is not all a model learns."""

from __future__ import annotations

from dataclasses import replace

from grpo.config.slices import DataConfig
from grpo.config.stages_data import DataSetConfig
from grpo.data.convert import BadRowError, problem_of
from grpo.data.files import LISTED_BAD_ROWS
from grpo.data.rows import Row, read_rows
from grpo.data.trace_file import GENERAL, TraceRow
from grpo.run.random import python_random
from grpo.stages.traces.overlap import EvaluatedOn

GENERAL_SHARE = 0.25
"""Of the whole data set: 200,000 of 800,000 in DeepSeek-R1 (arXiv 2501.12948, 2.3.3)."""
COLUMN = "demonstration"


def general_rows(stage: DataSetConfig, held_out: EvaluatedOn, reasoning: int, *keys: int | str) -> list[TraceRow]:
    """As many rows of `mix_path`, drawn without repeats and kept in file order, as make up `GENERAL_SHARE`.

    With `reasoning` rows beside them; all of the file's, when there are fewer; none of them is one of `held_out`. A
    demonstration is taken word for word: answers to trivial questions have no chain of thought.

    Raises:
        ValueError: the file cannot be read, or rows lack a prompt or a demonstration (the first ten are listed).
    """
    if stage.mix_path is None:
        return []
    found, bad = [], []
    for row in read_rows(stage.mix_path, split="train", subset=None):
        try:
            found.append(_general(row, stage))
        except BadRowError as error:
            bad.append(f"  row {row.number}: {error}")
    if bad:
        raise ValueError(f"{stage.mix_path}: {len(bad)} rows are bad\n" + "\n".join(bad[:LISTED_BAD_ROWS]))
    found = [row for row in found if row.problem not in held_out]
    wanted = round(reasoning * GENERAL_SHARE / (1 - GENERAL_SHARE))
    places = python_random(*keys, "mix").sample(range(len(found)), min(wanted, len(found)))
    return [found[place] for place in sorted(places)]


def _general(row: Row, stage: DataSetConfig) -> TraceRow:
    if row.values is None:
        raise BadRowError(row.fault or "not read")
    text = row.values.get(COLUMN)
    if not isinstance(text, str) or not text.strip():
        raise BadRowError(f"column {COLUMN!r} has no text")
    column = stage.data.prompt_column
    plain = DataConfig(prompt_column=column, answer_column=COLUMN)
    problem = problem_of({column: row.values.get(column), COLUMN: text}, plain, f"{GENERAL}/{row.number}")
    return TraceRow(problem=replace(problem, answer="", columns={}), demonstration=text, origin=GENERAL, rewards={})
