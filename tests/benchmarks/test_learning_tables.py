"""The tables of what is learnt, from records made by hand."""

from __future__ import annotations

from typing import Any

from benchmarks.learning_tables import algorithms_table, improvement_table, race_table

SIZES = {"prompts": 16, "completions": 8, "held_out": 512}


def interval(mean: float, ends: list[float] | None = None) -> dict[str, Any]:
    return {"mean": mean, "ci95": ends, "values": [mean, mean]}


def test_the_algorithms_table() -> None:
    def row(title: str, block: str, sampled: dict[str, Any], tokens: int) -> dict[str, Any]:
        return {"title": title, "block": block, "seeds": [0, 1], "sampled": sampled, "greedy": interval(0.75),
                "tokens_sampled": [tokens, tokens], "steps": [60, 61]}  # fmt: skip

    record = {
        "plan": {"tokens": 199_680, "steps": 60, "lr": 5e-5, "sizes": SIZES},
        "before": {"0": None, "1": {"sampled": 0.2, "greedy": 0.4}},
        "rows": {
            "token_mean": row("GRPO", "on", interval(0.5, [0.4, 0.6]), 200_000),
            "refill": row("refill", "on", interval(0.55), 210_000),
            "gspo": row("GSPO", "off", interval(0.25), 200_000),
            "sapo": {"title": "SAPO", "block": "off", "seeds": []},
        },
        "against": {"refill": interval(0.05, [-0.01, 0.11])},
        "missing": {"sapo_0": "ConfigError: a | b"},
    }
    text = "\n".join(algorithms_table(record))
    assert "199,680 sampled tokens a run, about 60 rollouts of 16 prompts × 8 completions; learning rate 5e-05" in text
    assert "Before: seed 1 20.0 % sampled, 40.0 % greedy." in text
    assert "| GRPO | 50.0 %, 50.0 % | 50.0 % (40.0 to 60.0) |  | 75.0 % | 200,000 | 60 |" in text
    assert "| refill | 55.0 %, 55.0 % | 55.0 % | +5.0 (-1.0 to +11.0) | 75.0 % | 210,000 | 60 |" in text
    assert text.index("One optimizer step") < text.index("GRPO |") < text.index("Four optimizer") < text.index("GSPO")
    assert "Not finished: sapo_0 (ConfigError: a / b)." in text and "| SAPO" not in text


def side(lr: float, seconds: float, phases: dict[str, float]) -> dict[str, Any]:
    accuracy = {"sampled": interval(0.2), "greedy": interval(0.4)}
    return {"lr": lr, "before": accuracy, "after": accuracy, "seconds": interval(seconds),
            "seconds_a_step": seconds / 59, "tokens": [400_000], "phases": phases, "peak_rss_bytes": 2**30}  # fmt: skip


def test_the_race_table() -> None:
    never = {"target": 0.5, "trl_seconds": 90.0, "ratio": None, "ratio_to_reached": None}
    there = never | {"ratio": 0.4, "ratio_to_reached": 0.5, "reached_seconds": 36.0, "reached_step": 55}
    record = {
        "plan": {"steps": 60, "threads": 2, "seeds": [0, 1], "sizes": SIZES},
        "window": 5,
        "chosen": {"micro_batch": 64, "lr": {"ours": 1e-4, "trl": 5e-5}},
        "sides": {
            "ours": side(1e-4, 59.0, {"rollout": 0.5, "sync": 0.25, "other": 0.25}),
            "trl": side(5e-5, 118.0, {"rollout": 1.0, "other": 1.0}),
        },
        "bars": {"ours": {"median_ratio": None, "met": False, "allowed": 0.6, "seeds": {"0": there, "1": never}}},
        "rates": {"ours": {"2e-05": 0.4, "0.0001": 0.5}, "trl": {"2e-05": 0.3}},
    }
    text = "\n".join(race_table(record))
    assert "| ours, `transformers` | 0.0001 | 20.0 % | 20.0 % | 40.0 % | 59 | 400,000 | 1,024 |" in text
    assert "| ours, `transformers` | 0 | 50.0 % | 90.0 | 36.0 s | 55 | 0.40 | 0.50 |" in text
    assert "| ours, `transformers` | 1 | 50.0 % | 90.0 | not reached |  |  |  |" in text
    assert "median not reached, **above** the 0.6 wanted" in text
    assert "| TRL's GRPOTrainer, `transformers` | 2.00 | 1.000 |  | 1.000 |" in text
    assert "| ours, `transformers` | 40.0 % | 50.0 % | 0.0001 |" in text
    assert "| TRL's GRPOTrainer, `transformers` | 30.0 % | failed | 5e-05 |" in text
    assert text.rstrip().endswith("(race.svg)")
    columns = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(set(columns[:4])) == 1


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
    figures = "2.00 | 400 k, 1,200 k | 61 | 60.0 % (50.0 to 70.0) | 70.0 % | 55 | -10.0 (-20.0 to +1.0) |"
    assert f"| RL | {figures}" in text and f"| rejection sampling, fine-tuning of the base | {figures}" in text
    assert "Kept of what was sampled: 45.0 %, 45.0 %; problems with a right answer: 75.0 %, 75.0 %." in text
    assert "| cold start | 0 | 1.00 | | 10.0 % | 75.0 % | |" in text
    assert "| distilled: fine-tuned on the teacher's right answers | 0.50 | 12.00 | 20 | 50.0 % | 75.0 % |  |" in text
    assert (
        "| own RL, as much as the fine-tuning | 0.50 | 1.50 | 40 | 30.0 % | 75.0 % | +20.0 (+10.0 to +30.0) |" in text
    )
    assert "| own RL, as much as fine-tuning and traces | 1.00 | 2.00 | 80 | 40.0 % | 75.0 % | +10.0 |" in text
    assert "0.50 TFLOP of traces (45.0 % kept) and 10.00 of the teacher's own." in text
    assert "Not finished: student_2 (RuntimeError: a / b)." in text
    empty = "\n".join(improvement_table(record | {"rounds": {"seeds": []}, "student": {"seeds": []}}))
    assert "**" not in empty
