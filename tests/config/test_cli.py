"""The command as a user runs it: help, views, refusals and sweeps, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grpo.__main__ import main
from grpo.cli import sweep
from grpo.cli.arguments import parse_arguments
from grpo.config.errors import ConfigError
from grpo.config.load import ConfigSource, from_yaml, load_config, to_yaml
from grpo.config.overrides import expand
from tests.config.helpers import ROOT, grpo


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("dry_run=true", "experiment", "gsm8k_small", "--config-dir", "grpo.doctor"))


def test_help_and_errors_are_quick_and_light(tmp_path: Path) -> None:
    """Neither loads torch, transformers or vllm; the best of three is within two seconds."""
    script = (
        "import sys; from grpo.__main__ import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'vllm', 'datasets', 'wandb'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    for argument, code in (("--help", 0), ("algorithm.clip_hihg=0.3", 2), ("optimizer.lr=0", 2)):
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            command = [sys.executable, "-c", script, argument]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
            seconds.append(time.perf_counter() - start)
            assert done.returncode == code, done.stderr
            assert "Traceback" not in done.stderr
            if seconds[-1] < 2:
                break
        if os.getloadavg()[0] < (os.cpu_count() or 1):
            assert min(seconds) < 2, (argument, seconds)
    assert list(tmp_path.iterdir()) == []


def test_refusal_is_one_line_exit_code_2_and_leaves_nothing(tmp_path: Path) -> None:
    done = grpo("algorithm.clip_hihg=0.3", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "grpo: unknown key algorithm.clip_hihg; did you mean algorithm.clip_high?\n"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_view_is_the_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", "job", "--resolve", "seed=5"]) == 0
    assert from_yaml(capsys.readouterr().out) == load_config(["seed=5"])


@pytest.mark.parametrize("argv", [["--cfg", "hydra"], ["--resolve"], ["--config-dir"], ["-x"]])
def test_wrong_flags(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().err.startswith("grpo: ")


def test_dry_run_shows_arithmetic_and_tries_the_rewards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dry_run=true", "debug=tiny", "cost.price_per_device_hour=2"]) == 0
    text = capsys.readouterr().out
    assert "16 prompts × 4 completions = 64 completions" in text
    assert "64 training and 8 held-out problems" in text
    assert "USD at 2 a device-hour" in text
    assert "gold answer: 1" in text and "empty answer: 0" in text


def test_dry_run_refuses_a_broken_reward(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "mine.py"
    broken.write_text("def f(completions, **columns):\n    raise RuntimeError('my mistake')\n")
    functions = f"reward.functions=[{broken}:f]"
    assert main(["dry_run=true", "debug=tiny", functions, "reward.weights=[1.0]"]) == 2
    assert "my mistake" in capsys.readouterr().err


def test_expansion_is_the_product() -> None:
    jobs = expand(["seed=1,2", "optimizer.lr=0.5,0.25", "rollout.max_tokens=8", "pipeline=[rl,export]"])
    assert len(jobs) == 4
    assert jobs[1] == ["seed=1", "optimizer.lr=0.25", "rollout.max_tokens=8", "pipeline=[rl,export]"]
    assert expand(["seed=range(0,3)"]) == [["seed=0"], ["seed=1"], ["seed=2"]]
    assert expand(["logger=[console],[file]"]) == [["logger=[console]"], ["logger=[file]"]]


def test_a_sweep_with_one_bad_job_starts_none() -> None:
    with pytest.raises(ConfigError, match=r"job optimizer\.lr=0: optimizer\.lr"):
        sweep.plan(["optimizer.lr=0.1,0"], ConfigSource())


def test_each_job_has_its_own_process_and_its_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The jobs are a stand-in that writes what a run would: config and process id; the second one fails."""
    stand_in = (
        "import os, sys, pathlib; folder = pathlib.Path(sys.argv[1]); folder.mkdir(parents=True); "
        "(folder / 'config.yaml').write_text(sys.argv[2]); (folder / 'pid').write_text(str(os.getpid())); "
        "sys.exit(int(sys.argv[3]))"
    )

    def command(overrides: list[str], flags: list[str]) -> list[str]:
        config = load_config(overrides)
        folder = tmp_path / "runs" / f"seed{config.seed}"
        return [sys.executable, "-c", stand_in, str(folder), to_yaml(config), "0" if config.seed == 1 else "3"]

    monkeypatch.setattr(sweep, "command", command)
    code = sweep.sweep(parse_arguments(["-m", "seed=1,2", f"run_root={tmp_path}/runs"]), ConfigSource())
    assert code == 3
    pids = {(tmp_path / "runs" / f"seed{seed}" / "pid").read_text() for seed in (1, 2)}
    assert len(pids) == 2 and str(os.getpid()) not in pids
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split()[:2] == ["1", "0"] and lines[-2].endswith("runs/seed1")
    assert lines[-1].split()[:2] == ["2", "3"] and lines[-1].endswith("runs/seed2")


def test_ctrl_c_reaches_the_job_once_and_stops_the_sweep(tmp_path: Path) -> None:
    supervisor = sweep.Supervisor()
    heard = tmp_path / "heard"
    child = (
        "import os, pathlib, signal, sys, time\n"
        f"heard = pathlib.Path({str(heard)!r})\n"
        "count = []\n"
        "signal.signal(signal.SIGINT, lambda *_: count.append(1))\n"
        "heard.write_text('ready')\n"
        "deadline = time.monotonic() + 30\n"
        "while not count and time.monotonic() < deadline: time.sleep(0.01)\n"
        "time.sleep(0.2); heard.write_text(f'{len(count)} {os.getpgrp() == os.getpid()}'); sys.exit(7)"
    )
    killer = f"""
import os, pathlib, signal, time
deadline = time.monotonic() + 30
while not pathlib.Path({str(heard)!r}).exists() and time.monotonic() < deadline: time.sleep(0.01)
os.kill({os.getpid()}, signal.SIGINT)
"""
    with supervisor.listening(), subprocess.Popen([sys.executable, "-c", killer]) as helper:
        assert supervisor.run([sys.executable, "-c", child]) == 7
        helper.wait(timeout=30)
    assert supervisor.stopped
    assert heard.read_text() == "1 True", "once, and out of reach of the terminal's own Ctrl-C"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
def test_real_sweep_from_another_folder(tmp_path: Path) -> None:
    """Two dry runs with a reward from the current folder; nothing is left behind."""
    (tmp_path / "my_rewards.py").write_text("def one(completions, **columns):\n    return [1.0] * len(completions)\n")
    reward = ("reward.functions=[my_rewards.one]", "reward.weights=[1.0]")
    done = grpo("-m", "seed=1,2", "dry_run=true", "debug=tiny", *reward, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dry run: nothing was trained") == 2
    assert {path.name for path in tmp_path.iterdir()} <= {"my_rewards.py", "__pycache__"}


@pytest.mark.slow
def test_hydra_launcher(tmp_path: Path) -> None:
    """Hydra's own launchers work too; its basic one stands for submitit."""
    overrides = ("hydra/launcher=basic", "seed=1,2", "dry_run=true", "debug=tiny", f"run_root={tmp_path}/runs")
    done = grpo("-m", *overrides, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dry run: nothing was trained") == 2
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


@pytest.mark.slow
def test_tiny_sizes_run(tmp_path: Path) -> None:
    """The smallest real run, without vLLM, from another folder."""
    done = grpo("debug=tiny", "rollout=transformers", cwd=tmp_path, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 1 and (folders[0] / "summary.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
