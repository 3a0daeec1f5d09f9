"""Both sides reach the float64 gradient, whoever does not gets no figure, and the bars follow from the figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.update import __main__ as command
from benchmarks.update import ours
from benchmarks.update.measure import Contest, Effort, absent, bars, fastest, gate, measure_case, our_settings
from benchmarks.update.reference import compute
from benchmarks.update.workload import CASES, MODELS, Rollout, Shared, make_rollout, write_model

TINY = Contest(
    shape=MODELS["tiny"],
    lengths=CASES["tiny"],
    shared=Shared(threads=1),
    seed=0,
    settings={"ours": [{"micro_batch": 8192, "attention": "shared_prompt"}], "trl": [{"micro_batch": 4}]},
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rollout, dict[str, float]]:
    """A folder with the tiny model and the reference's gradients, the rollout with log-probs, the reference."""
    folder = tmp_path_factory.mktemp("update")
    write_model(TINY.shape, TINY.lengths.context, "float32", 0, folder / "model")
    rollout = make_rollout(TINY.lengths, TINY.shape.vocab, 0)
    reference, rollout = compute(folder / "model", rollout, folder / "reference.safetensors")
    return folder, rollout, reference


def test_our_update_reaches_the_reference(prepared: tuple[Path, Rollout, dict[str, float]], tmp_path: Path) -> None:
    folder, rollout, reference = prepared
    update = ours.build(
        folder / "model", replace(TINY.shared, max_grad_norm=1e9), rollout, micro_batch=8192, attention="shared_prompt"
    )
    model = update.policy.model
    found = tmp_path / "found.safetensors"
    update.optimizer.adamw.register_step_pre_hook(
        lambda *_: save_file({name: one.grad.clone() for name, one in model.named_parameters()}, found)
    )
    metrics = update([ours.tree_of(rollout)])
    step = {"loss": metrics["loss"], "gradient_norm": metrics["grad_norm"]}
    row = gate(step, found, folder / "reference.safetensors", reference, "float32")
    assert row["status"] == "passed", row
    assert row["gate"]["difference"] < 1e-5


@pytest.mark.parametrize(
    ("change", "word"),
    [("loss", "loss"), ("gradient", "norm"), ("told norm", "says its gradient norm")],
)
def test_the_gate_stops_what_is_wrong(
    change: str, word: str, prepared: tuple[Path, Rollout, dict[str, float]], tmp_path: Path
) -> None:
    folder, _, reference = prepared
    gradients = load_file(folder / "reference.safetensors")
    step = {"loss": reference["loss"], "gradient_norm": reference["gradient_norm"]}
    if change == "loss":
        step["loss"] *= 8 / 7
    elif change == "gradient":
        gradients = {name: one * 8 / 7 for name, one in gradients.items()}
    else:
        step["gradient_norm"] *= 8 / 7
    save_file(gradients, tmp_path / "found.safetensors")
    row = gate(step, tmp_path / "found.safetensors", folder / "reference.safetensors", reference, "float32")
    assert row["status"] == "failed" and word in row["reason"]


def test_gradients_of_other_parameters_are_an_error(
    prepared: tuple[Path, Rollout, dict[str, float]], tmp_path: Path
) -> None:
    folder, _, reference = prepared
    save_file({"lm_head.weight": torch.ones(3)}, tmp_path / "found.safetensors")
    step = {"loss": reference["loss"], "gradient_norm": 1.0}
    with pytest.raises(RuntimeError, match="other parameters"):
        gate(step, tmp_path / "found.safetensors", folder / "reference.safetensors", reference, "float32")


@pytest.mark.slow
def test_a_whole_case_in_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command itself; TRL's trainer has to give the same loss and gradient as ours and float64."""
    if reason := absent("trl"):
        pytest.skip(reason)
    monkeypatch.setattr(command, "our_settings", lambda lengths, attention: TINY.settings["ours"])
    out = tmp_path / "update.json"
    command.main(["--model", "tiny", "--cases", "tiny", "--micro-batches", "4", "--repeats", "2", "--out", str(out)])
    case = json.loads(out.read_text())["cases"]["tiny"]
    assert [(row["side"], row["status"]) for row in case["rows"]] == [("ours", "passed"), ("trl", "passed")], case
    for row in case["rows"]:
        assert row["gate"]["difference"] < 1e-5
        assert row["memory"]["over_post_import_bytes"] > row["memory"]["extra_bytes"] > 4 * 205_376  # the gradient
    for side in ("ours", "trl"):
        row = fastest(case["rows"], side)
        assert row is not None and row["seconds"]["repeats"] == 2
    assert case["bars"]["time"] > 0 and case["bars"]["memory_at_least"] >= case["bars"]["memory_at_fastest"]


@pytest.mark.slow
def test_a_side_that_fails_says_why(tmp_path: Path) -> None:
    contest = replace(TINY, settings={"ours": [{"micro_batch": 8192, "no_such": 1}]})
    row = measure_case(contest, Effort(repeats=1))["rows"][0]
    assert row["status"] == "error" and "no_such" in row["reason"]


def test_without_trl_there_is_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert absent("trl") == "trl and datasets not installed" and absent("ours") is None
    result = bars([row("ours", 1.0, 100), {"side": "trl", "status": "absent"}])
    assert result["time_met"] is None and result["memory_met"] is None


def row(side: str, seconds: float, extra: int, *, final: bool = True) -> dict[str, Any]:
    times = {"median": seconds}
    figures = {"side": side, "status": "passed", "trial_seconds": times, "memory": {"extra_bytes": extra}}
    return figures | ({"seconds": times} if final else {})


def test_bars_by_hand() -> None:
    rows = [
        row("ours", 4.0, 500),
        row("ours", 5.0, 300, final=False),
        row("trl", 12.0, 600, final=False),
        row("trl", 10.0, 1200),
    ]
    result = bars(rows)
    assert (result["time"], result["memory_at_fastest"]) == (0.4, pytest.approx(500 / 1200))
    assert result["memory_at_least"] == pytest.approx(500 / 600)
    assert result["time_met"] is True and result["memory_met"] is True
    assert bars([row("ours", 5.1, 700), row("trl", 10.0, 1200)])["time_met"] is False
    assert fastest(rows, "trl") is rows[3] and fastest(rows, "prime") is None
    assert fastest(rows, "ours", slack=1.25) is rows[1] and fastest(rows, "ours", slack=1.2) is rows[0]
    compact = row("ours", 1.0, 10) | {"setting": {"micro_batch": 8192, "optimizer": "compact_adamw"}}
    assert fastest([*rows, compact], "ours") is rows[0]  # another optimizer than the peer's: shown, not compared


def test_our_settings_hold_the_default_and_shorter_streams() -> None:
    settings = our_settings(CASES["main"])
    assert settings[0] == {"micro_batch": 8192, "attention": "shared_prompt"}
    assert [setting["micro_batch"] for setting in settings] == [8192, 1024, 512, 8192]
    assert [setting.get("optimizer") for setting in settings] == [None, None, None, "compact_adamw"]
    assert len(our_settings(CASES["tiny"])) == 2
