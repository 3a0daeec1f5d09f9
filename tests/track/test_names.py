import subprocess
import sys

import pytest

from grpo.track.alarms import ALARMS
from grpo.track.names import METRICS, check_names, describe, is_time_field, markdown_table


def test_every_name_is_defined_once_with_one_sentence():
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    for metric in METRICS:
        assert metric.meaning.endswith("."), metric.name
        assert metric.good == "" or metric.good.endswith("."), metric.name


def test_names_that_other_trainers_dashboards_use():
    check_names(
        [
            "reward",
            "reward_std",
            "frac_reward_zero_std",
            "rewards/accuracy_reward/mean",
            "kl",
            "entropy",
            "rewards/accuracy_reward/std",
            "completions/mean_length",
            "completions/clipped_ratio",
            "completions/mean_terminated_length",
            "clip_ratio/low_mean",
            "clip_ratio/high_mean",
            "clip_ratio/region_mean",
            "sampling/sampling_logp_difference/mean",
            "num_tokens",
            "step_time",
            "sampling/importance_sampling_ratio/min",
        ]
    )


def test_reward_names_may_be_files():
    assert describe("rewards/my/rewards.py:short/mean") is describe("rewards/x/mean")
    assert describe("rewards//mean") is None
    assert describe("rewards/x/median") is None


def test_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"'grad_nrm' \(nearest: 'grad_norm'\)"):
        check_names(["reward", "grad_nrm"])


@pytest.mark.parametrize(
    "name", ["wall_time", "step_time", "time/rollout", "tokens_per_second/trained", "memory/peak_rss_bytes"]
)
def test_machine_dependent_fields(name):
    assert is_time_field(name)


@pytest.mark.parametrize("name", ["reward", "loss", "step", "num_tokens", "grad_norm", "no_such_metric"])
def test_reproducible_fields(name):
    assert not is_time_field(name)


def test_table_has_a_row_per_metric_and_no_broken_cells():
    rows = [line for line in markdown_table().splitlines() if line.startswith("| `")]
    assert len(rows) == len(METRICS) + len(ALARMS)
    for row in rows:
        is_alarm = row.split("`")[1] in ALARMS
        assert row.replace("\\|", "").count("|") == (6 if is_alarm else 5), row


def test_module_prints_the_table_without_heavy_imports():
    code = (
        "import sys, runpy; runpy.run_module('grpo.track.names', run_name='__main__'); "
        "assert not {'torch', 'transformers', 'vllm', 'wandb', 'tensorboard'} & set(sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert printed.stdout == markdown_table()
