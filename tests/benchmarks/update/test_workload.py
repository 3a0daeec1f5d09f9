"""The rollout both sides are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.update.workload import (
    CASES,
    MODELS,
    RESERVED_TOKENS,
    UNEVEN,
    Shared,
    load_rollout,
    make_rollout,
    write_model,
)


def test_the_group_of_the_bar() -> None:
    assert CASES["main"].prompt == 64 and CASES["main"].completions == (448, 387, 325, 262, 212, 162, 112, 60)
    assert CASES["short_prompt"].prompt == 16 and CASES["short_prompt"].completions == UNEVEN
    assert sum(CASES["equal"].completions) == sum(UNEVEN) and len(set(CASES["equal"].completions)) == 1
    assert CASES["main"].context == 512


def test_a_rollout_has_no_dead_group_and_survives_its_file(tmp_path: Path) -> None:
    rollout = make_rollout(CASES["main"], 151936, seed=4)
    assert [len(ids) for ids in rollout.completions] == list(UNEVEN) and rollout.tokens == 1968
    assert sum(rollout.advantages) == pytest.approx(0.0, abs=1e-6)
    assert min(abs(value) for value in rollout.advantages) > 0.5
    assert min(min(ids) for ids in rollout.completions) >= RESERVED_TOKENS
    rollout.save(tmp_path / "rollout.json")
    assert load_rollout(tmp_path / "rollout.json") == rollout
    assert make_rollout(CASES["main"], 151936, seed=5).completions != rollout.completions


@pytest.mark.parametrize(("name", "millions"), [("0.1B", 111.6), ("0.5B", 494.0), ("1.5B", 1543.7)])
def test_shapes_have_the_parameters_of_their_names(name: str, millions: float) -> None:
    """`0.5B` and `1.5B` as Qwen2.5 counts them; counted here by hand, biases and norms included."""
    shape = MODELS[name]
    narrow = shape.key_value_heads * shape.hidden // shape.heads
    attention = 2 * shape.hidden**2 + shape.hidden + 2 * (shape.hidden + 1) * narrow
    layer = attention + 3 * shape.hidden * shape.intermediate + 2 * shape.hidden
    total = shape.vocab * shape.hidden + shape.layers * layer + shape.hidden
    assert total / 1e6 == pytest.approx(millions, abs=0.06)


def test_a_model_folder_in_the_dtype_asked_for(tmp_path: Path) -> None:
    from safetensors import safe_open

    count = write_model(MODELS["tiny"], 64, "bfloat16", 0, tmp_path)
    assert count == 205_376
    with safe_open(tmp_path / "model.safetensors", "pt") as saved:
        assert {saved.get_slice(name).get_dtype() for name in saved.keys()} == {"BF16"}  # noqa: SIM118
    assert (tmp_path / "tokenizer.json").exists() and (tmp_path / "config.json").exists()


def test_both_sides_are_told_the_same() -> None:
    assert Shared() == Shared(dtype="float32", activations="keep", max_grad_norm=1.0)
