"""What is composed: order of precedence, inheritance leaf by leaf, every shipped file, and the way back from YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import grpo.conf
from grpo.config.check import check
from grpo.config.errors import ConfigError
from grpo.config.load import ConfigSource, from_yaml, load_config, resolved, shipped_options, show_config, to_yaml
from grpo.config.schema import EvaluateConfig, ReinforceConfig, RunConfig, SFTConfig

CONF = Path(grpo.conf.__file__).parent
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.fixture(scope="module")
def default() -> RunConfig:
    return load_config()


def reinforce(config: RunConfig, name: str = "rl") -> ReinforceConfig:
    stage = config.stages[name]
    assert isinstance(stage, ReinforceConfig)
    return stage


def test_default_pipeline(default: RunConfig) -> None:
    check(default)
    kinds = [default.stages[name].kind for name in default.pipeline]
    assert kinds == ["sft", "evaluate", "reinforce", "evaluate", "export"]
    assert isinstance(default.stages["cold_start"], SFTConfig)
    assert isinstance(default.stages["rl_eval"], EvaluateConfig)
    assert [default.stages[name].model_from for name in default.pipeline] == [
        "base",
        "cold_start",
        "cold_start",
        "rl",
        "rl",
    ]


def test_no_omegaconf_leaves(default: RunConfig) -> None:
    def walk(value: object) -> None:
        assert not type(value).__module__.startswith("omegaconf"), value
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
        elif hasattr(value, "__dataclass_fields__"):
            walk(vars(value))

    walk(default)


def test_top_level_reaches_every_stage_and_one_stage_can_differ() -> None:
    config = load_config(
        [
            "+stage@stages.rl2=reinforce",
            "algorithm.clip_low=0.1",
            "stages.rl2.algorithm.clip_high=0.5",
            "rollout.max_tokens=20",
            "stages.rl.reward.weights=[2.0,0.0]",
        ]
    )
    first, second = reinforce(config), reinforce(config, "rl2")
    assert (first.algorithm.clip_low, second.algorithm.clip_low) == (0.1, 0.1)
    assert (first.algorithm.clip_high, second.algorithm.clip_high) == (0.2, 0.5)
    evaluation = config.stages["rl_eval"]
    assert isinstance(evaluation, EvaluateConfig) and evaluation.rollout.max_tokens == 20
    assert first.reward.weights == [2.0, 0.0] and config.reward.weights != [2.0, 0.0]


def test_a_file_for_one_stage_only() -> None:
    config = load_config(["+optimizer@stages.rl.optimizer=adamw", "optimizer.lr=5e-5"])
    assert reinforce(config).optimizer.lr == load_config([]).optimizer.lr
    assert config.optimizer.lr == 5e-5 != reinforce(config).optimizer.lr


def test_experiment_wins_over_primary_and_command_line_over_both(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nseed: 7\nstages:\n  rl: {model_from: base, steps: 9}\n"
    text += "  cold_start:\n    optimizer: {lr: 0.5}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    config = load_config(["experiment=mine", "stages.rl.steps=4"], ConfigSource(config_dirs=(str(tmp_path),)))
    rl, cold_start = reinforce(config), config.stages["cold_start"]
    assert isinstance(cold_start, SFTConfig)
    assert (config.seed, rl.model_from, rl.steps, cold_start.optimizer.lr) == (7, "base", 4, 0.5)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_and_is_short(name: str) -> None:
    load_config([f"experiment={name}"])
    check(load_config([f"experiment={name}", "debug=tiny"]))  # limits of published models do not fit the scratch one
    assert len((CONF / "experiment" / f"{name}.yaml").read_text().splitlines()) <= 60


def test_every_option_is_reachable() -> None:
    files = {f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml")}
    options = shipped_options()
    assert files == {f"{group}={name}" for group, names in options.items() for name in names}


@pytest.mark.parametrize("choice", ["model=hf", "model=scratch_bpe", "data=files", "rollout=transformers"])
def test_groups_compose(choice: str) -> None:
    load_config([choice])


def test_loggers_are_a_list() -> None:
    logger = load_config(["logger=[console,file,wandb,tensorboard]"]).logger
    assert logger.console and logger.tensorboard and logger.wandb.enabled
    quiet = load_config(["logger=[file]"]).logger
    assert not quiet.console and not quiet.wandb.enabled


def test_yaml_round_trip(default: RunConfig) -> None:
    assert from_yaml(to_yaml(default)) == default
    assert yaml.safe_load(to_yaml(default)) == resolved(default)


def test_unresolved_view_shows_what_follows_what() -> None:
    text = show_config([], ConfigSource(), resolve=False)
    assert "${algorithm.clip_high}" in text
    assert "${" not in show_config([], ConfigSource(), resolve=True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("- a", "mapping"),
        ("optimizer: {lrr: 1}", "did you mean optimizer.lr"),
        ("seed: abc", "whole number"),
        ("stages: {x: {steps: 1}}", "stages.x.kind"),
        ("a: [", "not a config"),
    ],
)
def test_broken_yaml_is_refused(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        from_yaml(text)


def test_yaml_makes_no_objects() -> None:
    with pytest.raises(ConfigError):
        from_yaml("name: !!python/object/apply:os.getcwd []")


def test_settings_of_rewards_are_open_mappings_that_stages_follow_as_a_whole() -> None:
    config = load_config(["reward.settings.exact_integer.x=1", "reward.settings.exact_integer.y=[a,b]"])
    expected = {"exact_integer": {"x": 1, "y": ["a", "b"]}}
    assert config.reward.settings == expected
    assert all(stage.reward.settings == expected for stage in rewarded(config))
    overrides = ["reward.settings={exact_integer:{x:1}}", "stages.rl.reward.settings.think_answer_format.z.w=2"]
    config = load_config(overrides)
    assert config.reward.settings == {"exact_integer": {"x": 1}}
    assert reinforce(config).reward.settings == {"think_answer_format": {"z": {"w": 2}}}
    assert rewarded(config)[-1].reward.settings == {"exact_integer": {"x": 1}}
    assert from_yaml(to_yaml(config)) == config


def test_settings_of_a_group_can_be_dropped() -> None:
    functions = ["reward.functions=[exact_integer]", "reward.weights=[1.0]"]
    with pytest.raises(ConfigError, match=r"no such reward; .* ~reward.settings.math_answer to drop it"):
        check(load_config(["reward=math", *functions]))
    config = load_config(["reward=math", *functions, "~reward.settings.math_answer"])
    check(config)
    assert config.reward.settings == {}


def rewarded(config: RunConfig) -> list[ReinforceConfig | EvaluateConfig]:
    return [stage for stage in config.stages.values() if isinstance(stage, ReinforceConfig | EvaluateConfig)]
