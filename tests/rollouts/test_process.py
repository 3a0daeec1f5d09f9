"""What an engine does to the process around it, and that a new process gives the same completions."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from grpo.rollouts.quiet import log_to_file, output_to
from tests.rollouts.conftest import ModelFolder
from tests.rollouts.tiny_models import CONTEXT

PROGRAM = """
    import json, os, pathlib, sys
    import torch
    from grpo.rollouts.engine import EngineSettings
    from grpo.rollouts.registry import start_engine
    from grpo.types import Prompt, SamplingSettings

    name, folder, result, context = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    torch.set_num_threads(1)
    before = os.environ.get("LD_PRELOAD")
    engine = start_engine(EngineSettings(
        name=name, model_folder=folder, context=context, log_path=folder / "engine.log", cpu_kv_cache_gib=0.25))
    prompts = [Prompt(problem_id=str(i), token_ids=(5, 6, 7 + i), seed=100 + i) for i in range(4)]
    groups = engine.sample(prompts, SamplingSettings(completions_per_prompt=4, max_tokens=10, temperature=0.8))
    engine.score([(3, 4, 5)])
    threads = torch.get_num_threads()
    engine.close()
    rows = [[c.token_ids, c.logprobs] for g in groups for c in g.completions]
    kept = os.environ.get("LD_PRELOAD") == before and threads == 1
    pathlib.Path(result).write_text(json.dumps({"rows": rows, "kept": kept}))
    print("only this line")
"""


def run(name: str, folder: Path, result: Path) -> object:
    program = textwrap.dedent(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-c", program, name, str(folder), str(result), str(CONTEXT)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "only this line\n"
    assert done.stderr == ""
    return json.loads(result.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformers", pytest.param("vllm", marks=pytest.mark.vllm)])
def test_processes_agree_bit_for_bit_and_keep_the_console_clean(
    name: str, model_folder: ModelFolder, tmp_path: Path
) -> None:
    if name == "vllm":
        pytest.importorskip("vllm", reason="vLLM is not installed: pip install -e .[cpu]")
    first = run(name, model_folder(True), tmp_path / "first.json")
    assert first == run(name, model_folder(True), tmp_path / "second.json")
    assert isinstance(first, dict) and first["kept"]
    assert (model_folder(True) / "engine.log").exists()


def test_native_and_python_output_go_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs" / "engine.log"
    print("before")
    with output_to(log):
        os.write(1, b"native out\n")
        os.write(2, b"native err\n")
    print("after")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("before\nafter\n", "")
    assert log.read_text() == "native out\nnative err\n"


def test_output_returns_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), output_to(None):
        os.write(2, b"hidden")
        raise KeyError
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def test_log_records_go_to_the_file_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("grpo_test_engine")
    logger.addHandler(logging.StreamHandler())
    log_to_file("grpo_test_engine", tmp_path / "engine.log")
    logger.warning("noted")
    assert capfd.readouterr().err == ""
    assert "WARNING grpo_test_engine: noted" in (tmp_path / "engine.log").read_text()
    log_to_file("grpo_test_engine", None)
