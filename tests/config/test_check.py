"""Values and combinations that a run would trip over are refused, and every problem is told at once."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from grpo.algorithm.advantages import ADVANTAGES
from grpo.config import check_slices
from grpo.config.check import check
from grpo.config.errors import ConfigError
from grpo.config.leaves import all_leaves
from grpo.config.limits import CHOICES, RANGES, REGISTRIES, registered
from grpo.config.load import from_yaml, load_config, to_yaml
from grpo.config.schema import RunConfig

DEFAULT = load_config()

INVALID = {
    "optimizer.lr": (0.0, -1.0, float("nan"), float("inf")),
    "optimizer.beta1": (1.0, -0.1),
    "optimizer.beta2": (1.0,),
    "optimizer.eps": (0.0,),
    "optimizer.warmup_steps": (-1,),
    "optimizer.schedule": ("cosin",),
    "optimizer.name": ("adam", "compact"),
    "optimizer.states": ("cpu",),
    "optimizer.max_tokens_per_micro_batch": (0,),
    "rollout.engine": ("vlm", ""),
    "rollout.top_p": (0.0, 1.1),
    "rollout.top_k": (-1,),
    "rollout.temperature": (-1.0,),
    "rollout.max_tokens": (0, 128),
    "rollout.completions_per_prompt": (0,),
    "rollout.deadline_seconds": (0.0,),
    "rollout.gpu_memory_utilization": (0.0, 1.5),
    "algorithm.advantage": ("group_mean_sdt",),
    "algorithm.loss": ("ppo",),
    "algorithm.reduction": ("mean",),
    "algorithm.clip_low": (-0.1, 1.5),
    "algorithm.kl_coef": (-0.1,),
    "algorithm.dead_groups": ("drop",),
    "reward.functions": ([], ["exact_integr"], ["nowhere.py:f"], ["exact_integer", "exact_integer"]),
    "reward.weights": ([1.0], [0.0, 0.0], [float("nan"), 1.0]),
    "reward.max_error_share": (-0.1, 1.1),
    "model.name": ("", "./nowhere", "a/b/c"),
    "model.dtype": ("float16",),
    "model.attention": ("flash",),
    "model.activations": ("offlaod", ""),
    "model.revision": ("main",),
    "algorithm.selection.max_batches": (0,),
    "algorithm.selection.oversample": (0.9, float("inf")),
    "algorithm.selection.curriculum": ("hard",),
    "algorithm.selection.retire_above": (0.0, 1.1),
    "model.lora.rank": (-1,),
    "model.lora.alpha": (0.0, -8.0),
    "model.lora.targets": (["q_proj"],),
    "model.scratch.hidden_size": (127, 0),
    "model.scratch.attention_heads": (3,),
    "model.scratch.key_value_heads": (3,),
    "data.source": ("file", "files"),
    "data.arithmetic.operands": (1,),
    "data.arithmetic.operators": ("", "+/"),
    "data.arithmetic.wrong_steps": (1.1,),
    "seed": (-1,),
    "name": ("", "a/b", ".x"),
    "resume": ("always",),
    "pipeline": ([], ["rll"], ["rl"], ["cold_start", "cold_start"]),
    "stages.rl.steps": (0,),
    "stages.rl.prompts_per_step": (0,),
    "stages.rl.optimizer_steps_per_rollout": (0, 33),
    "stages.rl.model_from": ("rl", "rl_eval", "cold_start_eval", "nowhere"),
    "stages.rl.data_from": ("cold_start", "nowhere.jsonl"),
    "stages.rl.rollout.completions_per_prompt": (1,),
    "stages.rl.rollout.temperature": (0.0,),
    "stages.rl.optimizer.lr": (0.0,),
    "stages.rl_eval.samples_per_problem": (0,),
    "checkpoint.every": (0,),
    "cost.price_per_device_hour": (-1.0,),
    "alarms.stop": (["truncate"], ["truncation", "loud"]),
    "alarms.off": (["all"],),
}


def with_value(path: str, value: object) -> RunConfig:
    """The default config, each stage's copy of a changed slice following it as on the command line."""
    config = copy.deepcopy(DEFAULT)
    *parents, leaf = path.split(".")
    roots = [config] if parents[:1] == ["stages"] else [config, *config.stages.values()]
    for root in roots:
        node: object = root
        for part in parents:
            node = node[part] if isinstance(node, dict) else getattr(node, part, None)
        if node is not None and hasattr(node, leaf):
            setattr(node, leaf, value)
    return config


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in INVALID.items() for value in values], ids=str
)
def test_invalid_value_is_named(path: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        check(with_value(path, value))
    message = str(caught.value)
    assert path.rpartition(".")[2] in message or path == "pipeline"
    assert "valid" in message or "must" in message or "needs" in message


def test_alarms_are_checked_one_by_one_and_against_each_other() -> None:
    config = with_value("alarms.stop", ["truncation", "mismatsh"])
    with pytest.raises(ConfigError, match=r"^alarms\.stop=mismatsh: valid are .*; did you mean mismatch\?$"):
        check(config)
    config.alarms.stop, config.alarms.off = ["truncation"], ["truncation", "mismatch"]
    with pytest.raises(ConfigError, match=r"^alarms\.stop=truncation: it is in alarms\.off too"):
        check(config)
    config.alarms.off = ["mismatch"]
    check(config)


def test_all_problems_in_one_message() -> None:
    config = with_value("optimizer.lr", 0.0)
    config.seed = -1
    config.stages["rl"].model_from = "nowhere"
    with pytest.raises(ConfigError) as caught:
        check(config)
    message = str(caught.value)
    assert message.startswith("3 problems")
    assert all(key in message for key in ("optimizer.lr=0.0", "seed=-1", "stages.rl.model_from=nowhere"))


def test_an_inherited_problem_is_told_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check(with_value("rollout.top_k", -1))
    assert str(caught.value).count("top_k") == 1


def test_adapters_need_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    config = with_value("model.lora.rank", 8)
    monkeypatch.setattr(check_slices, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"model.lora.rank=8: needs peft.*pip install 'grpo-trainer\[lora\]'"):
        check(config)
    check(DEFAULT)


@pytest.mark.parametrize("target", ["", ".q_proj", "layers.*.q_proj", "q_proj$"])
def test_targets_are_ends_of_names_not_patterns(target: str) -> None:
    config = with_value("model.lora.rank", 8)
    config.model.lora.targets = ["v_proj", target]
    with pytest.raises(ConfigError, match=r"valid is the end of a layer's name, such as q_proj or mlp.up_proj"):
        check(config)


def test_bfloat16_needs_a_gpu_for_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    config = with_value("model.dtype", "bfloat16")
    monkeypatch.setattr(check_slices, "has_gpu", lambda: False)
    with pytest.raises(ConfigError, match="float32"):
        check(config)
    monkeypatch.setattr(check_slices, "has_gpu", lambda: True)
    check(config)


def test_flex_attention_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    config = with_value("model.attention", "flex")
    monkeypatch.setattr(check_slices, "has_gpu", lambda: False)
    with pytest.raises(ConfigError, match=r"model\.attention=flex without a GPU.*valid are shared_prompt, sdpa, eager"):
        check(config)
    monkeypatch.setattr(check_slices, "has_gpu", lambda: True)
    check(config)


def test_group_size_one_is_fine_for_evaluation() -> None:
    config = copy.deepcopy(DEFAULT)
    config.pipeline = ["cold_start", "cold_start_eval"]
    config.rollout.completions_per_prompt = 1
    check(config)


def test_data_file_and_model_folder(tmp_path: Path) -> None:
    rows, model = tmp_path / "rows.jsonl", tmp_path / "model"
    config = copy.deepcopy(DEFAULT)
    for data in (config.data, *(stage.data for stage in config.stages.values())):
        data.source, data.path = "files", str(rows)
    config.stages["cold_start"].model_from = str(model)
    with pytest.raises(ConfigError) as caught:
        check(config)
    assert "data.path" in str(caught.value) and "stages.cold_start.model_from" in str(caught.value)
    rows.write_text("{}\n")
    model.mkdir()
    with pytest.raises(ConfigError, match=r"no config\.json"):
        check(config)
    (model / "config.json").write_text("{}")
    check(config)


def test_no_divisibility_puzzles() -> None:
    config = copy.deepcopy(DEFAULT)
    stage = config.stages["rl"]
    stage.prompts_per_step, stage.optimizer_steps_per_rollout = 7, 3  # type: ignore[attr-defined]
    check(config)


def test_advantages_of_single_completions_are_the_real_ones() -> None:
    from grpo.algorithm import advantages
    from grpo.config import check_slices

    assert check_slices.SINGLE_COMPLETIONS == advantages.SINGLE_COMPLETIONS
    assert set(advantages.SINGLE_COMPLETIONS) < set(advantages.ADVANTAGES)


def test_registries_read_from_source_are_the_real_ones() -> None:
    from grpo.algorithm.kl import ESTIMATORS
    from grpo.algorithm.losses import LOSSES
    from grpo.algorithm.reductions import REDUCTIONS
    from grpo.data.arithmetic_words import WORDINGS
    from grpo.rewards.registry import REGISTERED
    from grpo.track.alarms import ALARMS

    real = {
        "algorithm.advantage": ADVANTAGES,
        "algorithm.loss": LOSSES,
        "algorithm.reduction": REDUCTIONS,
        "algorithm.kl_estimator": ESTIMATORS,
        "data.arithmetic.languages": WORDINGS,
        "reward.functions": REGISTERED,
        "alarms.stop": ALARMS,
        "alarms.off": ALARMS,
    }
    assert real.keys() == REGISTRIES.keys()
    for key, registry in real.items():
        assert registered(key) == tuple(registry)


def test_every_limit_belongs_to_a_knob() -> None:
    knobs = {leaf.path.replace("stages.<name>.", "stage.") for leaf in all_leaves()}
    assert not (set(RANGES) | set(CHOICES) | set(REGISTRIES)) - knobs


def test_every_number_has_a_range() -> None:
    numbers = {
        leaf.path.replace("stages.<name>.", "stage.")
        for leaf in all_leaves()
        if "int" in leaf.type or "float" in leaf.type
    }
    assert numbers - set(RANGES) == {"reward.weights"}


def test_checked_config_survives_the_way_through_yaml() -> None:
    check(from_yaml(to_yaml(DEFAULT)))


def test_a_stage_cannot_have_an_engine_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"stages.rl.rollout.engine=transformers: a run has one engine"):
        check(load_config(["stages.rl.rollout.engine=transformers"]))
