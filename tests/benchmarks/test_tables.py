"""The page says what the result files say, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import tables
from benchmarks.record import RESULTS
from benchmarks.tables import MARKED, PAGE, filled, head_table, read_results, update_table

FACTS = {
    "machine": {"device": "cpu", "processor": "Some CPU", "threads": 2, "cores": 4},
    "versions": {"python": "3.11", "torch": "2.13", "trl": "1.16.0"},
    "commit": "0123456789abcdef",
    "seed": 7,
}


def test_the_page_holds_the_results() -> None:
    """Red: run `python -m benchmarks.tables` after adding or changing a file in benchmarks/results/."""
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, read_results(RESULTS)) == page
    assert {match[2] for match in MARKED.finditer(page)} == set(tables.TABLES)


def test_every_figure_names_its_machine() -> None:
    for name, record in read_results(RESULTS).items():
        assert record["benchmark"] in {kind for kind, _ in tables.TABLES.values()} | {"sampling"}, name
        assert record["machine"]["processor"] and record["versions"]["torch"] and record["commit"], name
        assert not str(record["commit"]).endswith("-dirty"), f"{name}: measured with uncommitted changes"


def test_an_unknown_marker_is_an_error_and_an_empty_one_says_so() -> None:
    with pytest.raises(ValueError, match="'tpu'"):
        filled("<!-- table: tpu -->\n<!-- end -->", {})
    page = "before\n<!-- table: head -->\nold figures\n<!-- end -->\nafter"
    assert filled(page, {}) == "before\n<!-- table: head -->\n*Not measured yet.*\n<!-- end -->\nafter"


def timed(median: float, **more: Any) -> dict[str, Any]:
    return {"status": "passed", "seconds": {"median": median, "repeats": 7}, "gate": {"difference": 0.0035}} | more


HEAD: dict[str, Any] = FACTS | {
    "benchmark": "head",
    "cases": [
        {
            "shape": {"tokens": 1024, "hidden": 896, "vocab": 151936, "dtype": "bfloat16"},
            "bare_products": {"seconds": {"median": 2.0, "repeats": 7}},
            "rows": {
                "ours": timed(2.5, title="ours", memory={"extra_bytes": 600 * 2**20}),
                "liger": {"title": "Liger", "status": "failed", "reason": "loss error 0.3 | allowed 0.1"},
            },
            "bars": {"time_over_bare": 1.25, "allowed_time": 1.3, "bytes": 800 * 2**20, "allowed_bytes": 700 * 2**20},
        }
    ],
}


def test_the_head_table() -> None:
    text = "\n".join(head_table(HEAD))
    assert "Some CPU, 2 of 4 cores; python 3.11, torch 2.13, trl 1.16.0; commit `0123456789ab`, seed 7." in text
    assert "| ours | 2.5 | 1.25 | 0.335 | 600 | 3.5e-03 | 7 |" in text
    assert "| Liger | failed: loss error 0.3 / allowed 0.1 | | | | | |" in text
    assert "Ours: time 1.25, within the 1.3 times the bare products; memory 800, **above** the 700 MiB." in text


def test_the_update_table() -> None:
    def side(name: str, setting: dict[str, int], seconds: float, extra: int) -> dict[str, Any]:
        memory = {"extra_bytes": extra * 2**20, "over_post_import_bytes": 3 * extra * 2**20}
        return timed(seconds, side=name, setting=setting, memory=memory)

    rows = [
        side("ours", {"micro_batch": 8192, "attention": "flex"}, 4.0, 900),
        side("ours", {"micro_batch": 512, "attention": "flex"}, 5.0, 600),
        side("ours", {"micro_batch": 512, "attention": "flex", "optimizer": "compact_adamw"}, 5.0, 100),
        side("trl", {"micro_batch": 4}, 10.0, 1500),
        side("trl", {"micro_batch": 1}, 12.0, 1200),
    ]
    bars = {"allowed": 0.5, "time": 0.4, "memory_at_fastest": 0.6, "memory_at_least": 0.75, "time_met": True}
    case = {
        "model": {"parameters": 111_600_000},
        "lengths": {"prompt": 64, "completions": [448, 60]},
        "shared": {"dtype": "float32", "activations": "keep"},
        "rows": rows,
        "bars": bars,
    }
    text = "\n".join(update_table(FACTS | {"model_name": "0.1B", "cases": {"main": case}}))
    assert "main: 0.1B shape (112 M parameters), float32, activations: keep; prompt 64" in text
    assert "| ours, micro-batches of 8,192 tokens, flex | 4 | 900 | 2,700 | 3.5e-03 | 7 |" in text
    assert "| TRL GRPOTrainer, micro-batches of 4 completions | 10 |" in text
    assert "0.40 of the time, **0.60** (wanted 0.5) of the extra memory (0.75 of the least" in text
    assert "Ours at one setting, micro-batches of 8,192 tokens, flex, against TRL at its fastest: 0.40 of" in text
    assert (
        "Ours at its fastest, micro-batches of 8,192 tokens, flex: 0.40 of the time and 0.60 of the extra memory"
        in text
    )


def test_check_sees_a_stale_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any) -> None:
    page = tmp_path / "performance.md"
    page.write_text("<!-- table: head -->\n*Not measured yet.*\n<!-- end -->\n")
    monkeypatch.setattr(tables, "PAGE", page)
    monkeypatch.setattr(tables, "read_results", lambda folder: {"head-cpu": HEAD})
    assert tables.main(["--check"]) == 1 and "python -m benchmarks.tables" in capsys.readouterr().err
    assert tables.main([]) == 0 and "Some CPU" in page.read_text()
    assert tables.main(["--check"]) == 0
