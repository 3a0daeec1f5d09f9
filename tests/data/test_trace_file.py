"""What a stage writes is what the next one reads, with where it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import datasets
import pyarrow.parquet as parquet
import pytest

from grpo.config.slices import DataConfig
from grpo.data.load import load_split
from grpo.data.trace_file import GENERAL, Provenance, TraceRow, is_trace_file, read_traces, write_traces
from grpo.types import Problem

SOURCE = Provenance(
    run="2026-01-01_tiny_ab12",
    stage="rejection",
    sampler="rl",
    base_model="scratch",
    weight_version=7,
    seed=3,
    sampling={"temperature": 1.0, "top_p": 0.9, "top_k": 0, "min_p": 0, "max_tokens": 48, "completions_per_prompt": 4},
    git_commit="c0ffee",
)
PLAIN = Problem(id="train/5", prompt="1+1=", answer="2", columns={"domain": "sums", "level": 3})
CHAT = Problem(id="train/6", prompt=({"role": "system", "content": "s"}, {"role": "user", "content": "ü"}), answer="4")
ROWS = [
    TraceRow(
        problem=PLAIN, demonstration="<think>2</think>", completion_index=2, tokens=9, rewards={"b": 1.0, "a": None}
    ),
    TraceRow(problem=CHAT, demonstration="四", completion_index=0, tokens=2, rewards={"b": 1.0, "a": 0.5}, total=1.05),
    TraceRow(problem=replace(PLAIN, id="general/1", answer=""), demonstration="hi", origin=GENERAL, rewards={}),
]


def written(folder: Path) -> str:
    path = folder / "dataset.parquet"
    write_traces(path, ROWS, SOURCE)
    return str(path)


def test_problems_come_back_demonstrated(tmp_path: Path) -> None:
    found = read_traces(written(tmp_path))
    assert found == [
        replace(PLAIN, id="train/5#2", demonstration="<think>2</think>"),
        replace(CHAT, id="train/6#0", demonstration="四"),
        replace(PLAIN, id="general/1", answer="", demonstration="hi"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.parquet"]


def test_every_row_says_where_it_comes_from(tmp_path: Path) -> None:
    first, second, general = parquet.read_table(written(tmp_path)).to_pylist()
    assert (first["problem_id"], first["completion_index"], first["tokens"]) == ("train/5", 2, 9)
    assert first["rewards"] == [{"name": "b", "value": 1.0}, {"name": "a", "value": None}]
    assert second["total"] == 1.05 and second["prompt"] is None and first["messages"] is None
    for row in (first, second, general):
        assert (row["run"], row["stage"], row["base_model"]) == ("2026-01-01_tiny_ab12", "rejection", "scratch")
        assert row["seed"] == 3 and row["git_commit"] == "c0ffee"
        assert row["sampling"] == SOURCE.sampling
    assert (first["sampler"], first["weight_version"], first["origin"]) == ("rl", 7, "model")
    assert (general["sampler"], general["weight_version"], general["origin"]) == (None, None, "general")


def test_the_same_rows_give_the_same_bytes_and_datasets_reads_them(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = Path(path).read_bytes()
    assert Path(written(tmp_path)).read_bytes() == content
    table = datasets.load_dataset("parquet", data_files=path, split="train", cache_dir=str(tmp_path / "cache"))
    assert table["demonstration"][0] == "<think>2</think>"


def test_a_stages_columns_do_not_matter_to_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    for data in (DataConfig(), DataConfig(source="files", path="x.jsonl", prompt_column="problem", rows=1)):
        found = load_split(data, "train", path)
        assert [problem.id for problem in found] == ["train/5#2", "train/6#0", "general/1"][: data.rows]


def test_other_files_are_no_such_data_sets(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    assert not is_trace_file(str(tmp_path / "torn.parquet")) and not is_trace_file(str(tmp_path / "none.parquet"))
    table = parquet.read_table(written(tmp_path))
    parquet.write_table(table.replace_schema_metadata({}), tmp_path / "plain.parquet")
    assert not is_trace_file(str(tmp_path / "plain.parquet")) and is_trace_file(str(tmp_path / "dataset.parquet"))
    parquet.write_table(table.replace_schema_metadata({"grpo_traces": "2"}), tmp_path / "later.parquet")
    with pytest.raises(ValueError, match="version b'2'"):
        read_traces(str(tmp_path / "later.parquet"))


def test_an_id_twice_is_refused(tmp_path: Path) -> None:
    write_traces(tmp_path / "twice.parquet", [ROWS[0], ROWS[0]], SOURCE)
    with pytest.raises(ValueError, match="ids occur twice"):
        read_traces(str(tmp_path / "twice.parquet"))
