"""The tables about stages of the recipe, from records made by hand."""

from __future__ import annotations

from typing import Any

from benchmarks.recipe_tables import improvement_table, language_table
from tests.benchmarks.test_learning_tables import SIZES, interval


def test_the_language_table() -> None:
    def row(consistency: float, accuracy: float, ends: list[float] | None = None) -> dict[str, Any]:
        return {mode: {"consistency": interval(consistency, ends), "accuracy": interval(accuracy, ends)}
                for mode in ("sampled", "greedy")}  # fmt: skip

    record = {
        "plan": {"cold_steps": 600, "steps": 100, "prompts": 32, "lr": 2e-4, "weight": 1.0, "held_out": 400},
        "cold_start": {"seeds": [0, 1], **row(0.6, 0.35)},
        "sides": {
            "with": {"seeds": [0, 1], **row(0.99, 0.5), "length": interval(17.25)},
            "without": {"seeds": [0, 1], **row(0.625, 0.55), "length": interval(18.0)},
        },
        "difference": {"seeds": [0, 1], **row(0.365, -0.05, [-0.1, 0.25]), "length": interval(-0.75, [-2.0, 0.5])},
        "missing": {"with_2": "OSError: a | b"},
    }
    lines = list(language_table(record))
    text = "\n".join(lines)
    assert "Cold starts of 600 supervised steps, then 100 rollouts of 32 prompts × 8 completions" in text
    assert text.count("| cold start | 60.0 %, 60.0 % | 60.0 % | 35.0 %, 35.0 % | 35.0 % |  |") == 2
    assert "| with the language reward | 99.0 %, 99.0 % | 99.0 % | 50.0 %, 50.0 % | 50.0 % | 17.2 |" in text
    paired = "+36.5, +36.5 | +36.5 (-10.0 to +25.0) | -5.0, -5.0 | -5.0 (-10.0 to +25.0) | -0.8 (-2.0 to +0.5)"
    assert f"| with less without, points | {paired} |" in text
    assert "Not finished: with_2 (OSError: a / b)." in text
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert lines[-1].endswith("(language.svg)")


def cost(tera: float, sampled: int, trained: int, seconds: float) -> dict[str, Any]:
    return {"flops": [tera * 1e12, 3 * tera * 1e12], "tokens_sampled": [sampled] * 2, "tokens_trained": [trained] * 2,
            "seconds": [seconds] * 2}  # fmt: skip


def accuracy(mean: float, ends: list[float] | None = None) -> dict[str, Any]:
    return {"sampled": interval(mean, ends), "greedy": interval(0.75)}


def test_the_improvement_table() -> None:
    """Costs are means over seeds: 1 and 3 TFLOP are 2."""
    data = {"sampled": [100, 100], "kept": [50, 40], "problems": [40, 40], "problems_covered": [30, 30]}
    point = {
        "rounds": accuracy(0.6, [0.5, 0.7]) | {"cost": cost(1, 400_000, 1_200_000, 61)},
        "plain": accuracy(0.7) | {"cost": cost(1, 700_000, 900_000, 55)},
        "difference": accuracy(-0.1, [-0.2, 0.01]),
    }
    record: dict[str, Any] = {
        "plan": {"seeds": [0, 1], "sizes": SIZES, "samples": 4, "rl_steps": 60, "lr": 1e-4},
        "parameters": {"model": 658_304, "student": 131_904},
        "rounds": {
            "seeds": [0, 1],
            "cold_start": accuracy(0.2, [0.1, 0.3]),
            "points": {"rl1": point, "sft1": point},
            "data_sets": {"rejection1": data, "rejection2": data},
        },
        "student": {
            "seeds": [0, 1],
            "cold_start": accuracy(0.1),
            "distilled": accuracy(0.5) | {"cost": cost(0.25, 0, 500_000, 20)},
            "rl": accuracy(0.3) | {"cost": cost(0.25, 300_000, 200_000, 40)},
            "rl_and_traces": accuracy(0.4) | {"cost": cost(0.5, 600_000, 400_000, 80)},
            "difference": {"rl": accuracy(0.2, [0.1, 0.3]), "rl_and_traces": accuracy(0.1)},
            "teacher": accuracy(0.8),
            "cost_before": cost(0.5, 0, 0, 1),
            "cost_of_traces": cost(0.25, 0, 0, 1),
            "cost_of_teacher": cost(5, 0, 0, 1),
            "data_set": data,
        },
        "missing": {"student_2": "RuntimeError: a | b"},
    }
    text = "\n".join(improvement_table(record))
    assert "a model of 658,304 parameters, a student of 131,904; 512 held-out problems, 4 samples of each" in text
    assert "| cold start | 0 | | | 20.0 % (10.0 to 30.0) | the same | | |" in text
    figures = "2.00 | 400 k, 1,200 k | 61 | 60.0 % (50.0 to 70.0) | 70.0 % | 55 | -10.0 (-20.0 to +1.0): -10.0, -10.0 |"
    assert f"| RL | {figures}" in text and f"| rejection sampling, fine-tuning of the base | {figures}" in text
    assert "Kept of what was sampled: 45.0 %, 45.0 %; problems with a right answer: 75.0 %, 75.0 %." in text
    assert "| cold start | 0 | 1.00 | | 10.0 % | 75.0 % | |" in text
    assert "| distilled: fine-tuned on the teacher's right answers | 0.50 | 12.00 | 20 | 50.0 % | 75.0 % |  |" in text
    paired = "+20.0 (+10.0 to +30.0): +20.0, +20.0"
    assert f"| own RL, as much as the fine-tuning | 0.50 | 1.50 | 40 | 30.0 % | 75.0 % | {paired} |" in text
    assert (
        "| own RL, as much as fine-tuning and traces | 1.00 | 2.00 | 80 | 40.0 % | 75.0 % | +10.0: +10.0, +10.0 |"
        in text
    )
    assert "0.50 TFLOP of traces (45.0 % kept) and 10.00 of the teacher's own." in text
    assert "Not finished: student_2 (RuntimeError: a / b)." in text
    empty = "\n".join(improvement_table(record | {"rounds": {"seeds": []}, "student": {"seeds": []}}))
    assert "**" not in empty
