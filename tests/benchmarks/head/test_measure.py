"""Who is wrong gets no figure; who is right gets all of them; the bars follow from the figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.head import __main__ as command
from benchmarks.head import measure
from benchmarks.head.measure import BARE, Effort, bars, gate_row, measure_case, memory_of, short
from benchmarks.head.problem import HeadOutput, HeadProblem, HeadShape, make_problem
from benchmarks.head.rivals import RIVALS, BareProducts, Rival, by_autograd, naive_logprob

SHAPE = HeadShape(tokens=32, hidden=32, vocab=500, dtype="float32")
ONCE = Effort(repeats=2)
BY_NAME = {rival.name: rival for rival in RIVALS}
COMPILED = "cce_compile"


@pytest.mark.parametrize("name", [rival.name for rival in RIVALS if rival.name != COMPILED])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_rival_computes_the_same(name: str, dtype: str) -> None:
    row = gate_row(BY_NAME[name], *make_problem(replace(SHAPE, dtype=dtype), 0, torch.device("cpu")), dtype)
    if row["status"] == "absent":
        pytest.skip(row["reason"])
    assert row["status"] == "passed", row
    assert row["gate"]["difference"] < {"float32": 1e-5, "bfloat16": 0.02}[dtype]


@pytest.mark.slow
def test_the_compiled_rival_too() -> None:
    row = gate_row(BY_NAME[COMPILED], *make_problem(SHAPE, 0, torch.device("cpu")), "float32")
    if row["status"] == "absent":
        pytest.skip(row["reason"])
    assert row["status"] == "passed", row


def broken(what: str) -> Rival:
    """Naive, with one thing wrong."""

    def run(problem: HeadProblem) -> HeadOutput:
        right = by_autograd(naive_logprob)(problem)
        return {
            "loss": lambda: replace(right, loss=right.loss * 1.1),
            "frozen head": lambda: replace(right, d_weight=torch.zeros_like(right.d_weight)),
            "no clipping": lambda: by_autograd(naive_logprob)(replace(problem, old_logprob=problem.old_logprob * 0)),
            "other rows": lambda: replace(right, d_hidden=right.d_hidden.flip(0)),
        }[what]()

    return Rival(name="broken", title="broken", run=run)


@pytest.mark.parametrize("what", ["loss", "frozen head", "no clipping", "other rows"])
def test_a_wrong_rival_fails_and_gets_no_figure(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RIVALS", (broken(what),))
    row = measure_case(SHAPE, 0, ONCE, ["broken"])["rows"]["broken"]
    assert row["status"] == "failed" and "error" in row["reason"]
    assert "seconds" not in row and "memory" not in row


def test_a_rival_that_breaks_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(problem: HeadProblem) -> HeadOutput:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(measure, "RIVALS", (Rival(name="x", title="x", run=run),))
    row = measure_case(SHAPE, 0, ONCE, ["x"])["rows"]["x"]
    assert (row["status"], row["reason"]) == ("error", "RuntimeError: no kernel image")


def test_a_whole_case_and_its_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any) -> None:
    """The children are left out here; `test_memory_in_a_child` has one."""
    monkeypatch.setattr(
        measure, "in_child", lambda module, request, seconds: {"extra_bytes": 2**20, "extra_over_setup_bytes": 2**21}
    )
    out = tmp_path / "head.json"
    arguments = ["--hidden", "16", "--vocab", "300", "--tokens", "16,32", "--dtype", "float32", "--repeats", "3",
                 "--rivals", "ours,naive,cce_exact", "--threads", "1", "--out", str(out)]  # fmt: skip
    command.main(arguments)
    record = json.loads(out.read_text())
    assert [case["shape"]["tokens"] for case in record["cases"]] == [16, 32]
    for case in record["cases"]:
        assert case["rows"]["cce_exact"]["status"] == "absent"
        assert case[BARE]["seconds"]["repeats"] == 3
        for name in ("ours", "naive"):
            assert len(case["rows"][name]["seconds"]["all"]) == 3
        found = case["bars"]
        assert found["bytes"] == 2**21 and found["memory_met"] is True
        ratio = case["rows"]["ours"]["seconds"]["median"] / case[BARE]["seconds"]["median"]
        assert found["time_over_bare"] == pytest.approx(ratio)
    text = capsys.readouterr().out
    assert "three bare matrix products" in text and "absent: has no path for cpu" in text


def case_of(device: str, hidden: int, seconds: float) -> dict[str, Any]:
    def row(value: float) -> dict[str, Any]:
        return {"seconds": {"median": value}, "memory": {"extra_bytes": 10**9, "extra_over_setup_bytes": 10**9}}

    return {
        "device": device,
        "shape": {"tokens": 8192, "hidden": hidden, "vocab": 151936, "dtype": "bfloat16"},
        "rows": {"ours": row(seconds), "trl": row(3 * seconds)},
        BARE: {"seconds": {"median": 0.01}},
    }


def test_bars_by_hand() -> None:
    cpu = bars(case_of("cpu", 896, 0.0131))
    assert (cpu["time_met"], cpu["time_over_bare"]) == (False, pytest.approx(1.31))
    assert cpu["allowed_bytes"] == 4 * 151936 * 896 + 2 * 8192 * 896 + 200 * 2**20
    gpu = bars(case_of("cuda", 896, 0.0110))  # 6.69 TFLOP in 11 ms
    assert gpu["tera"] == pytest.approx(608.3, rel=1e-3) and gpu["time_met"] is True
    assert gpu["allowed_bytes"] == 4 * 151936 * 896 + 322122547 and gpu["memory_met"] is False
    assert gpu["faster_than"] == {"trl": pytest.approx(3.0)}
    assert bars(case_of("cuda", 1536, 0.0170))["time_met"] is False  # 675 of 700


def test_the_yardstick_multiplies() -> None:
    problem, _, _ = make_problem(SHAPE, 0, torch.device("cpu"))
    bare = BareProducts(problem)
    bare(problem)
    logits = problem.hidden @ problem.weight.T
    torch.testing.assert_close(bare.d_hidden, logits @ problem.weight)
    torch.testing.assert_close(bare.d_weight, logits.T @ problem.hidden)


def test_memory_counts_the_logits_and_not_the_inputs() -> None:
    """Naive: float32 logits (8 MB), their softmax and gradient; the inputs were there before."""
    problem, _, _ = make_problem(HeadShape(tokens=128, hidden=16, vocab=16384, dtype="float32"), 0, torch.device("cpu"))
    found = memory_of(BY_NAME["naive"], problem)
    logits = 4 * 128 * 16384
    assert 2 * logits < found["extra_bytes"] < 6 * logits
    assert found["setup_base_bytes"] > 50 * 2**20


@pytest.mark.slow
def test_memory_in_a_child() -> None:
    row = measure_case(HeadShape(tokens=128, hidden=16, vocab=16384, dtype="float32"), 0, ONCE, ["naive"])["rows"][
        "naive"
    ]
    assert 16 * 2**20 < row["memory"]["extra_bytes"] < 64 * 2**20


def test_a_short_problem_is_its_beginning() -> None:
    problem, _, _ = make_problem(SHAPE, 0, torch.device("cpu"))
    cut = short(problem, 16)
    assert cut.hidden.shape == (16, 32) and cut.weight is problem.weight
    assert torch.equal(cut.old_logprob, problem.old_logprob[:16])


def test_unknown_rivals_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parse(["--rivals", "ours,unsloth"])
    assert "unsloth unknown; known are ours, naive" in capsys.readouterr().err
