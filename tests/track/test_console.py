import io
import sys

from grpo.track.console import Console, step_line
from grpo.track.writer import StageStart
from grpo.types import StepMetrics

RL = {
    "reward": 0.412,
    "rewards/exact_integer/mean": 0.39,
    "completions/mean_length": 28.4,
    "entropy": 0.31,
    "completions/clipped_ratio": 0.01,
    "clip_ratio/region_mean": 0.004,
    "grad_norm": 0.8,
    "learning_rate": 1e-4,
    "step_time": 2.1,
    "time/rollout": 1.2,
    "time/reward": 0.01,
    "time/update": 0.7,
    "reward_errors": 0.0,
}


def metrics(values, stage="rl", stage_step=12):
    return StepMetrics(step=stage_step, stage=stage, stage_step=stage_step, values=values)


def start(name="rl", kind="reinforce", steps=120):
    return StageStart(name=name, kind=kind, steps=steps, done_steps=0)


def test_reinforcement_line():
    assert step_line(metrics(RL), 120) == (
        "step 12 rl 12/120 | reward 0.412 | exact_integer 0.390 | len 28.4 | cut 0.01 | clip_frac 0.004 | "
        "entropy 0.310 | grad 0.8 | lr 0.0001 | 2.1 s (rollout 1.2 update 0.7)"
    )


def test_errors_are_shown_when_there_are_any():
    assert "| errors 3 |" in step_line(metrics(RL | {"reward_errors": 3.0}), None)


def test_supervised_and_evaluation_lines():
    supervised = {"loss": 0.51, "grad_norm": 1.25, "learning_rate": 1e-3}
    assert step_line(metrics(supervised, "sft"), 50) == ("step 12 sft 12/50 | loss 0.510 | grad 1.25 | lr 0.001")
    found = {"eval/greedy_accuracy": 0.5, "eval/greedy_accuracy_low": 0.45, "eval/greedy_accuracy_high": 0.55}
    assert step_line(metrics(found, "after", 1), 1) == "step 1 after 1/1 | greedy 0.500 [0.450, 0.550]"


def test_one_greppable_line_a_step_on_stdout(capsys):
    console = Console()
    console.stage_started(start())
    for number in (1, 2, 3):
        console.log(metrics(RL, stage_step=number))
    console.close("finished")
    out, err = capsys.readouterr()
    assert [line.split(" |")[0] for line in out.splitlines() if line.startswith("step ")] == [
        "step 1 rl 1/120",
        "step 2 rl 2/120",
        "step 3 rl 3/120",
    ]
    assert err == ""


def test_supervised_lines_are_every_tenth_and_the_ends(capsys):
    console = Console()
    console.stage_started(start("sft", "sft", 25))
    for number in range(1, 26):
        console.log(metrics({"loss": 1.0}, "sft", number))
    shown = [line.split()[3] for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert shown == ["1/25", "10/25", "20/25", "25/25"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_only_on_a_terminal_and_only_on_stderr(capsys, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    console = Console()
    console.stage_started(start(steps=2))
    console.log(metrics(RL, stage_step=1))
    console.log(metrics(RL, stage_step=2))
    console.close("finished")
    assert "2/2" in terminal.getvalue() or "1/2" in terminal.getvalue()
    assert "\r" not in capsys.readouterr().out
