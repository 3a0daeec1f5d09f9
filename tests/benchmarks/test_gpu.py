"""The GPU run on a machine without one: a section that fails, hangs or finishes early leaves the others alone."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu


def test_a_command_ends_well_badly_or_is_ended() -> None:
    assert gpu._run([sys.executable, "-c", "pass"], 30) is None
    reason = gpu._run([sys.executable, "-c", "raise ValueError('poisoned context')"], 30)
    assert reason is not None and "ended with 1" in reason and "poisoned context" in reason
    started = time.monotonic()
    assert gpu._run([sys.executable, "-c", "import time; time.sleep(60)"], 1) == "took longer than its 1 s"
    assert time.monotonic() - started < 20


def test_what_a_section_found_survives_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The section's process writes after each case; then it crashes."""

    def crash_after_writing(command: list[str], seconds: float) -> str | None:
        Path(command[command.index("--out") + 1]).write_text(json.dumps({"head_cases": [1]}))
        return "ended with -11: "

    monkeypatch.setattr(gpu, "_run", crash_after_writing)
    section = gpu.run_section("head_896", 60, gpu.parse(["--dry-run"]))
    assert (section["status"], section["head_cases"]) == ("partial", [1])
    assert gpu.run_section("head_896", 5, gpu.parse(["--dry-run"]))["status"] == "skipped"


def test_the_record_is_written_after_every_section(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[str]] = []
    out = tmp_path / "gpu.json"

    def run_section(name: str, seconds: float, options: Any) -> dict[str, Any]:
        seen.append(list(json.loads(out.read_text())["sections"]) if out.exists() else [])
        return {"status": "failed" if name == "ptx" else "measured", "reason": "x", "wall_seconds": 1.0}

    monkeypatch.setattr(gpu, "run_section", run_section)
    assert gpu.main(["--dry-run", "--only", "head_896,ptx,optimizer", "--out", str(out), "--commit", "abc"]) == 1
    record = json.loads(out.read_text())
    assert seen == [[], ["head_896"], ["head_896", "ptx"]]
    assert list(record["sections"]) == ["head_896", "ptx", "optimizer"]
    assert record["commit"] == "abc" and record["dry_run"] is True


def test_the_sections_fit_the_run() -> None:
    assert sum(section.seconds for section in gpu.SECTIONS.values()) <= 520
    assert gpu.parse(["--dry-run"]).seconds <= 540


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_only_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.parse([])
    assert "--dry-run" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["head_1536", "optimizer", "update_0.5B"])
def test_a_section_runs_dry(name: str, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert gpu.main(["--dry-run", "--only", name, "--out", str(out)]) == 0, out.read_text()
    section = json.loads(out.read_text())["sections"][name]
    assert section["status"] == "measured"
    if name == "optimizer":
        assert section["figures"]["AdamW fused, float32"]["state_bytes"] > 0
    if name == "head_1536":
        assert section["head_cases"][1]["rows"]["ours"]["status"] == "passed"
