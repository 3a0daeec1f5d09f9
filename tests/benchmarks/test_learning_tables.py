"""The tables of what is learnt, from records made by hand."""

from __future__ import annotations

from typing import Any

from benchmarks.learning_tables import algorithms_table, race_table

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
