"""The measurement of the kernels: its arguments and inputs here, all of its code once under Triton's interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import kernels_gpu
from benchmarks.kernels_gpu import PEAKED_RANGE, Sizes, make_chunk, parse, spread, table
from grpo.kernels.token_logprob.torch_ops import TorchOps

ROOT = Path(__file__).resolve().parents[2]
TRIAL = """
import json
from benchmarks.kernels_gpu import Sizes, measure
print(json.dumps(measure(Sizes(rows=(4, 6), columns=600, hidden=16, warmups=1, repeats=2), "cpu")))
"""


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    pytest.importorskip("triton", reason="Triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", TRIAL]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_every_operation_is_timed_in_both_forms(record: dict[str, Any]) -> None:
    assert record["sizes"]["columns"] == 600 and record["gate"].keys() == {"triton", "ptx", "torch"}
    found = {(row["rows"], row["input"], row["operation"], row["form"]) for row in record["results"]}
    kernels = {("copy", "torch")} | {(name, form) for name in ("statistics", "gradient_") for form in ("triton", "ptx")}
    expected = {(rows, kind, *one) for rows in (4, 6) for kind in ("random", "peaked") for one in kernels}
    assert found == expected | {(rows, "random", "chain", form) for rows in (4, 6) for form in ("triton", "ptx")}


def test_rates_follow_from_seconds(record: dict[str, Any]) -> None:
    """Bytes: statistics read 2 a logit, a copy and the gradient read and write them; work: 6 T H V."""
    for row in record["results"]:
        assert row["quartile_low"] <= row["seconds"] <= row["quartile_high"]
        if row["operation"] == "chain":
            assert row["teraflops"] == pytest.approx(6 * row["rows"] * 16 * 600 / row["seconds"] / 1e12)
        else:
            moved = row["rows"] * 600 * 2 * (1 if row["operation"] == "statistics" else 2)
            assert row["gigabytes_per_second"] == pytest.approx(moved / row["seconds"] / 1e9)


def test_the_table_has_a_line_for_each(record: dict[str, Any]) -> None:
    assert len(list(table(record))) == 2 + len(record["results"])


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]) == (Sizes(), None)
    sizes, out = parse(["--rows", "64", "128", "--columns", "1000", "--repeats", "3", "--out", "x.json"])
    assert (sizes.rows, sizes.columns, sizes.repeats, out) == ((64, 128), 1000, 3, Path("x.json"))
    with pytest.raises(SystemExit):
        parse(["--rows", "0"])
    assert "rows must be numbers of at least 1, got (0,)" in capsys.readouterr().err


def test_without_a_device_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert kernels_gpu.main([]) == 2
    assert "needs a CUDA device" in capsys.readouterr().err


def test_peaked_rows_are_as_certain_as_they_say() -> None:
    chunk = make_chunk("peaked", 400, 500, torch.Generator().manual_seed(0))
    share = torch.softmax(chunk.logits.float(), 1).gather(1, chunk.rows.targets.unsqueeze(1)).squeeze(1)
    low, high = PEAKED_RANGE
    certain = (share > low - 0.02) & (share < high + 0.001)
    assert chunk.logits.shape == (400, 500) and chunk.logits.dtype == torch.bfloat16
    assert 0.72 < certain.float().mean() < 0.88
    random = make_chunk("random", 400, 500, torch.Generator().manual_seed(0))
    assert torch.softmax(random.logits.float(), 1).gather(1, random.rows.targets.unsqueeze(1)).mean() < 0.02


def test_spread_by_hand() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0]) == {"seconds": 2.5, "quartile_low": 2.0, "quartile_high": 4.0}


def test_exact_gradient_by_autograd() -> None:
    chunk = make_chunk("random", 3, 40, torch.Generator().manual_seed(1))
    logits = chunk.logits.double().requires_grad_()
    log_share = torch.log_softmax(logits, 1)
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    assert chunk.upstream.entropy is not None
    chosen = log_share.gather(1, chunk.rows.targets.unsqueeze(1)).squeeze(1)
    (chosen * chunk.upstream.logprob + entropy * chunk.upstream.entropy).sum().backward()
    assert logits.grad is not None
    assert (kernels_gpu.exact_gradient(chunk) - logits.grad).abs().max() < 1e-12


def test_a_wrong_kernel_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate refuses a gradient whose sign is wrong in one of the forms."""

    class Wrong(TorchOps):
        def gradient_(self, logits: torch.Tensor, *rest: Any) -> None:
            super().gradient_(logits, *rest)
            logits.neg_()

    for forms in ({"triton": TorchOps(), "ptx": Wrong()}, {"triton": Wrong(), "ptx": Wrong()}):
        monkeypatch.setattr(kernels_gpu, "implementations", lambda forms=forms: forms)
        with pytest.raises(RuntimeError, match=r"PTX and its twin|errors of the gradient"):
            kernels_gpu.gate(Sizes(columns=50), torch.Generator().manual_seed(0))


@pytest.mark.gpu
def test_on_the_gpu() -> None:
    record = kernels_gpu.measure(Sizes(rows=(64,), columns=5000, hidden=64, warmups=1, repeats=2))
    assert all(0 < row["seconds"] < 1 for row in record["results"])
