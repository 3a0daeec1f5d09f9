from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grpo.config.slices import DataConfig
from grpo.data.files import BadRow, load_problems, read_problems
from grpo.types import Problem


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {"question": f"{number}+1=", "answer": str(number + 1)} | changes


def write(path: Path, lines: Sequence[dict[str, Any] | bytes]) -> DataConfig:
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(encoded) + b"\n" if encoded else b"")
    return DataConfig(source="files", path=str(path), eval_rows=0)


def skipped(data: DataConfig) -> tuple[list[Problem], list[tuple[int, str]]]:
    problems, report = read_problems(replace(data, on_bad_row="skip"))
    assert report.kept == len(problems) and report.total == report.kept + len(report.bad)
    return problems, [(bad.number, bad.reason) for bad in report.bad]


def test_rows_become_problems(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [row(1, level=3), row(2, id="two"), row(3, id=33)])
    assert load_problems(data) == [
        Problem(id="train/1", prompt="1+1=", answer="2", columns={"answer": "2", "level": 3}),
        Problem(id="two", prompt="2+1=", answer="3", columns={"answer": "3", "id": "two"}),
        Problem(id="33", prompt="3+1=", answer="4", columns={"answer": "4", "id": 33}),
    ]


def test_column_names_numbers_and_chat_prompts(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    data = write(tmp_path / "a.jsonl", [{"q": chat, "gold": 27.0}, {"q": "x", "gold": 7}, {"q": "x", "gold": 0.5}])
    problems = load_problems(replace(data, prompt_column="q", answer_column="gold"))
    assert [problem.answer for problem in problems] == ["27", "7", "0.5"]
    assert problems[0].prompt == tuple(chat)


BAD_LINES: list[tuple[dict[str, Any] | bytes, str]] = [
    ({"answer": "1"}, "column 'question' is missing; the row has ['answer']"),
    ({"question": "q"}, "column 'answer' is missing; the row has ['question']"),
    (row(1, answer=None), "column 'answer' is null"),
    (row(1, question=None), "column 'question' is null"),
    (row(1, answer=" \n"), "column 'answer' is empty"),
    (row(1, question=""), "column 'question' is empty"),
    (row(1, question=[]), "column 'question' is empty"),
    (row(1, question=3), "column 'question' is a int, not text or a list of chat messages"),
    (row(1, question=["hello"]), "message 1 of column 'question' is not an object with 'role' and 'content'"),
    (
        row(1, question=[{"role": "boss", "content": "x"}]),
        "message 1 of column 'question' has the role 'boss'; valid are system, user, assistant, tool",
    ),
    (row(1, question=[{"role": "user"}]), "message 1 of column 'question' has no text as its 'content'"),
    (row(1, answer=["1"]), "column 'answer' is a list, not text"),
    (row(1, answer=True), "column 'answer' is a bool, not text"),
    (b'{"question": "q", "answer": NaN}', "column 'answer' is a float, not text"),
    (row(1, id=1.5), "column 'id' is a float, not text or a whole number"),
    (b'{"question": "\xff", "answer": "1"}', "not UTF-8: byte 0xff at position 14"),
    (b'{"question": "\\ud800", "answer": "1"}', "column 'question' holds half a surrogate pair at character 0"),
    (b'{"question": "q"', "not JSON: Expecting ',' delimiter: line 2 column 1 (char 17)"),
    (b"[1, 2]", "a JSON list, not an object"),
    (b'{"question": ' + b"9" * 5000 + b"}", "not JSON: Exceeds the limit (4300 digits) for integer string conversion"),
    (b"[" * 100_000, "not JSON: maximum recursion depth exceeded"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_each_fault_is_named_with_its_row(tmp_path: Path, line: dict[str, Any] | bytes, reason: str) -> None:
    data = write(tmp_path / "a.jsonl", [row(1), b"", line, row(4)])
    problems, bad = skipped(data)
    assert [problem.id for problem in problems] == ["train/1", "train/4"]
    [(number, said)] = bad
    assert number == 3 and said.startswith(reason)
    with pytest.raises(ValueError, match=r"1 of 3 rows are bad\n  row 3: "):
        load_problems(data)


def test_row_numbers_survive_unicode_line_breaks_and_carriage_returns(tmp_path: Path) -> None:
    lines = ['{"question": "a\u2028b\u0085c", "answer": "1"}\r'.encode(), b"{}", row(3)]
    problems, bad = skipped(write(tmp_path / "a.jsonl", lines))
    assert [number for number, _ in bad] == [2]
    assert problems[0].prompt == "a\u2028b\u0085c" and problems[1].id == "train/3"


def test_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(row(1)).encode())
    assert len(load_problems(DataConfig(source="files", path=str(tmp_path / "a.jsonl"), eval_rows=0))) == 1


def test_duplicate_ids_name_the_first_row(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [row(1, id="x"), row(2), row(3, id="x"), row(4, id="train/2")])
    _, bad = skipped(data)
    assert bad == [(3, "id 'x' is already that of row 1"), (4, "id 'train/2' is already that of row 2")]


def test_the_first_ten_of_many_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = write(tmp_path / "a.jsonl", [row(n, answer=None if n % 2 else "1") for n in range(1, 51)])
    with pytest.raises(ValueError, match=r"25 of 50 rows are bad") as caught:
        load_problems(data)
    assert str(caught.value).count("is null") == 10 and "row 19:" in str(caught.value)
    assert "and 15 more" in str(caught.value) and "on_bad_row=skip" in str(caught.value)
    with caplog.at_level(logging.WARNING):
        assert len(load_problems(replace(data, on_bad_row="skip"))) == 25
    assert "25 of 50 rows are bad" in caplog.text


def test_nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.jsonl is empty"):
        load_problems(write(tmp_path / "a.jsonl", []))
    data = write(tmp_path / "b.jsonl", [row(1, answer=None)])
    with pytest.raises(ValueError, match="No usable row is left"):
        load_problems(replace(data, on_bad_row="skip"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, r"data.path is not set"),
        ("missing.jsonl", r"'missing.jsonl' does not exist"),
        ("../x/y.csv", r"valid are a .jsonl file, a .parquet file, or a hub id"),
    ],
)
def test_paths_that_are_none(path: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_problems(DataConfig(source="files", path=path))


def test_settings_out_of_range(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [row(1)])
    with pytest.raises(ValueError, match="on_bad_row 'drop': valid are 'fail' and 'skip'"):
        load_problems(replace(data, on_bad_row="drop"))
    with pytest.raises(ValueError, match="rows -1 must not be negative"):
        load_problems(replace(data, rows=-1))


def test_last_rows_are_held_out_and_not_trained_on(tmp_path: Path) -> None:
    data = replace(write(tmp_path / "a.jsonl", [row(n) for n in range(1, 11)]), eval_rows=3)
    assert [problem.id for problem in load_problems(data)] == [f"train/{n}" for n in range(1, 8)]
    assert [problem.id for problem in load_problems(data, "held_out")] == ["held_out/8", "held_out/9", "held_out/10"]
    assert len(load_problems(replace(data, rows=2))) == 2
    assert load_problems(replace(data, rows=2), "held_out") == load_problems(data, "held_out")
    assert len(load_problems(data, path_override=str(data.path))) == 10  # named as the set itself
    with pytest.raises(ValueError, match=r"10 rows and data.eval_rows=10 of them are held out"):
        load_problems(replace(data, eval_rows=10))
    assert load_problems(replace(data, eval_rows=0), "held_out") == []


def test_a_bad_held_out_row_does_not_move_the_cut(tmp_path: Path) -> None:
    lines = [row(n, answer=None if n == 9 else "1") for n in range(1, 11)]
    data = replace(write(tmp_path / "a.jsonl", lines), eval_rows=3, on_bad_row="skip")
    assert load_problems(data)[-1].id == "train/7"
    assert [problem.id for problem in load_problems(data, "held_out")] == ["held_out/8", "held_out/10"]


def test_held_out_file(tmp_path: Path) -> None:
    other = write(tmp_path / "test.jsonl", [row(n) for n in range(100, 105)])
    data = replace(write(tmp_path / "a.jsonl", [row(1), row(2)]), eval_path=other.path, eval_rows=3)
    assert len(load_problems(data)) == 2
    assert [problem.prompt for problem in load_problems(data, "held_out")] == ["100+1=", "101+1=", "102+1="]


def test_gold_after_and_demonstration(tmp_path: Path) -> None:
    solution = "48/2 = <<48/2=24>>24. See #### not this.\nSum <<1+1=2>>2\n#### 1,234 "
    answers = [solution, "#### 5", "5", "x #### "]
    data = replace(
        write(tmp_path / "a.jsonl", [row(n, answer=answer) for n, answer in enumerate(answers, start=1)]),
        gold_after="#### ",
        demonstration_column="answer",
    )
    problems, bad = skipped(data)
    assert [problem.answer for problem in problems] == ["1,234"]
    assert problems[0].demonstration == ("<think>48/2 = 24. See #### not this.\nSum 2</think><answer>1,234</answer>")
    assert bad == [
        (2, "column 'answer' gives no demonstration: the reasoning is empty"),
        (3, "column 'answer' gives no gold answer: there is no marker '#### '"),
        (4, "column 'answer' gives no gold answer: nothing follows the marker '#### '"),
    ]


def test_a_demonstration_must_not_hold_the_template(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [row(1, work="a</think>b"), row(2, work="fine")])
    problems, bad = skipped(replace(data, demonstration_column="work"))
    assert problems[0].demonstration == "<think>fine</think><answer>3</answer>"
    assert bad == [(1, "column 'work' gives no demonstration: the reasoning contains the template's </think>")]


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    rows = [row(1, extra=[1, 2]), row(2, extra=None), row(3, answer=None, extra=None)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    problems, report = read_problems(DataConfig(source="files", path=str(path), eval_rows=0, on_bad_row="skip"))
    assert [problem.id for problem in problems] == ["train/1", "train/2"]
    assert problems[0].columns["extra"] == [1, 2]
    assert report.bad == (BadRow(number=3, reason="column 'answer' is null"),)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match="cannot be read as parquet after row 0"):
        load_problems(DataConfig(source="files", path=str(path)))


def test_one_fault_in_a_hundred_is_counted_exactly(tmp_path: Path) -> None:
    """Ten thousand rows, a hundred of them bad in turn by every kind of fault."""
    lines: list[dict[str, Any] | bytes] = [row(n) for n in range(1, 10_001)]
    expected = {}
    for place in range(100):
        line, reason = BAD_LINES[place % (len(BAD_LINES) - 1)]
        lines[place * 97 + 5] = line
        expected[place * 97 + 6] = reason
    problems, bad = skipped(write(tmp_path / "a.jsonl", lines))
    assert len(problems) == 9_900
    assert [number for number, _ in bad] == sorted(expected)
    assert all(reason.startswith(expected[number]) for number, reason in bad)
