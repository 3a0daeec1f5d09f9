"""Mistyped keys, wrong types, unknown names and impossible values are all refused, with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.config.errors import ConfigError, nearest
from grpo.config.leaves import all_leaves
from grpo.config.load import ConfigSource, load_config
from tests.config.helpers import refusal

MISTYPED = {
    "algorithm.clip_hihg=0.3": "algorithm.clip_high",
    "algorithm.clip_hig=0.3": "algorithm.clip_high",
    "algorithm.cliplow=0.3": "algorithm.clip_low",
    "algoritm.clip_low=0.3": "algorithm.clip_low",
    "clip_high=0.3": "algorithm.clip_high",
    "lr=1e-5": "optimizer.lr",
    "optimizer.learning_rate=1e-5": "",
    "optimizer.Lr=1e-5": "optimizer.lr",
    "optimizer.beta=0.9": "optimizer.beta",
    "optimiser.lr=1e-5": "optimizer.lr",
    "optimizer.weight_dekay=0": "optimizer.weight_decay",
    "sede=1": "seed",
    "modle=hf": "model",
    "modell.name=x": "model.name",
    "model.nmae=x": "model.name",
    "model.scratch.hiden_size=8": "model.scratch.hidden_size",
    "model.scratch.num_layers=8": "model.scratch.layers",
    "data.pth=x": "data.path",
    "data.arithmetic.operand=3": "data.arithmetic.operands",
    "reward.wieghts=[1.0]": "reward.weights",
    "rollout.max_token=3": "rollout.max_tokens",
    "rollout.temprature=1": "rollout.temperature",
    "rollout.n_completions=3": "",
    "stages.rl.stepps=3": "stages.rl.steps",
    "stages.rl.prompts_pr_step=3": "stages.rl.prompts_per_step",
    "stages.rl.algorithm.clip_hihg=0.3": "stages.rl.algorithm.clip_high",
    "stages.rl.clip_high=0.3": "stages.rl.algorithm.clip_high",
    "stages.cold_start.prompts_per_step=3": "stages.rl.prompts_per_step",
    "logger.wandb.projct=x": "logger.wandb.project",
    "checkpoint.evry=3": "checkpoint.every",
    "cost.price=3": "cost.price_per_device_hour",
    "pipline=[rl]": "pipeline",
    "+algorithm.clip_hihg=0.3": "algorithm.clip_high",
    "++algorithm.clip_hihg=0.3": "algorithm.clip_high",
    "+sead=3": "seed",
    "+logger.wandb.entitty=x": "",
    "+stages.rl.rollout.top_kk=3": "stages.rl.rollout.top_k",
    "+anything.unknown=1": "",
    "+foo=1": "",
}

WRONG_TYPES = {
    "optimizer.lr=abc": "a number",
    "optimizer.lr=[1]": "a number",
    "seed=null": "a whole number",
    "seed=1.5": "a whole number",
    "rollout.max_tokens=7.5": "a whole number",
    "rollout.max_tokens=many": "a whole number",
    "stages.rl.steps=ten": "a whole number",
    "dry_run=maybe": "true or false",
    "data.rows=x": "a whole number or null",
    "reward.functions=exact_integer": "a list of texts",
    "reward.weights=[a]": "",
    "pipeline=rl": "a list of texts",
    "stages.rl=3": "a mapping",
    "stages.rl=null": "a mapping",
    "stages.rl.model_from=[a]": "text",
    "rollout.max_logprob_diff=small": "a number or null",
}

UNKNOWN_OPTIONS = {
    "model=foo": "hf, scratch, scratch_bpe",
    "model=scrath": "did you mean scratch?",
    "data=gsm8": "did you mean gsm8k?",
    "debug=tinny": "did you mean tiny?",
    "logger=[console,wandbb]": "did you mean wandb?",
    "stage@stages.rl=reinforced": "did you mean reinforce?",
    "stages.rx.steps=3": "rl_eval",
    "+stages.rx.steps=3": "+stage@stages.rx=reinforce",
    "stage@stages.rl2=reinforce": "+stage@stages.rl2=reinforce",
    "+modle@stages.rl.model=hf": "group",
}

MISUSED = {
    "foo": "key=value",
    "--hlep": "--help",
    "algorithm=[a": "quote",
    "seed=1,2": "-m",
    "hydra.run.dir=x": "no effect",
    "stages.rl.kind=sft": "stage@stages.rl=",
    "~seed": "cannot be removed",
    "~model": "cannot be removed",
    "model=null": "option",
    "logger=null": "logger=[]",
    "seed=${nope}": "nope",
    "stages=null": "stages",
}


@pytest.mark.parametrize("override", MISTYPED)
def test_mistyped_key_names_the_nearest(override: str) -> None:
    message = refusal(override)
    name = override.lstrip("+").partition("=")[0]
    assert f"unknown key {name}" in message
    if MISTYPED[override]:
        assert f"did you mean {MISTYPED[override]}" in message
    assert "+" not in message, "a hint to add a dead key"


@pytest.mark.parametrize("override", WRONG_TYPES)
def test_wrong_type_names_key_value_and_type(override: str) -> None:
    message = refusal(override)
    assert override in message
    assert WRONG_TYPES[override] in message


@pytest.mark.parametrize("override", UNKNOWN_OPTIONS)
def test_unknown_option_lists_the_options(override: str) -> None:
    assert UNKNOWN_OPTIONS[override] in refusal(override)


@pytest.mark.parametrize("override", MISUSED)
def test_misused_grammar_says_what_to_write(override: str) -> None:
    assert MISUSED[override] in refusal(override)


def test_unknown_key_in_a_file_of_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text("# @package _global_\noptimizer:\n  leraning_rate: 3\n")
    message = refusal("experiment=mine", source=ConfigSource(config_dirs=(str(tmp_path),)))
    assert "experiment/mine" in message
    assert "unknown key optimizer.leraning_rate" in message


def test_broken_yaml_in_a_file_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("a: [1, 2\n")
    refusal("experiment=mine", source=ConfigSource(config_dirs=(str(tmp_path),)))


def test_missing_config_dir() -> None:
    assert "no such folder" in refusal(source=ConfigSource(config_dirs=("nowhere/at/all",)))


KEYS = [leaf.path for leaf in all_leaves() if not leaf.path.startswith("stages.")]


@settings(max_examples=12)
@given(key=st.sampled_from(KEYS), place=st.integers(0, 40), letter=st.sampled_from("qxz"))
def test_any_key_with_an_inserted_letter_is_refused(key: str, place: int, letter: str) -> None:
    place %= len(key) + 1
    mutated = key[:place] + letter + key[place:]
    with pytest.raises(ConfigError, match="unknown key"):
        load_config([f"{mutated}=1"])


@given(key=st.sampled_from(KEYS), place=st.integers(0, 40))
def test_swapped_letters_find_their_key(key: str, place: int) -> None:
    """Two neighbouring letters of the last part swapped: the right key is suggested."""
    start = key.rfind(".") + 1
    if len(key) - start < 5:
        return
    place = start + place % (len(key) - start - 1)
    swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    if swapped != key and swapped not in KEYS:
        assert nearest(swapped, KEYS) == key


def test_nothing_close_suggests_nothing() -> None:
    assert nearest("qqqqqq", KEYS) is None
