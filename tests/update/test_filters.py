"""Under every filter the trainer finds the log-probs that the engine really sampled with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from grpo.config.slices import RolloutConfig
from grpo.kernels.token_logprob import HeadSettings
from grpo.rollouts.engine import RolloutEngine
from grpo.rollouts.registry import start_engine
from grpo.stages.reinforce import head_settings, sampling_settings
from grpo.types import Group
from grpo.update.experience import Tree, experience_from
from grpo.update.mismatch import LogprobMismatchError, mismatch_limit
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from tests.rollouts.tiny_models import build_model, engine_settings, prompts
from tests.update.test_reinforce import SETTINGS, updater

LIMITS = PackingLimits(micro_batch=80)
FILTERS = {
    "none": {},
    "temperature": {"temperature": 0.7},
    "top_p": {"top_p": 0.8},
    "top_k": {"top_k": 5},
    "min_p": {"min_p": 0.15},
    "all": {"temperature": 1.3, "top_p": 0.9, "top_k": 12, "min_p": 0.05},
}


@pytest.fixture(
    scope="module",
    params=["transformers", pytest.param("vllm", marks=(pytest.mark.vllm, pytest.mark.slow))],
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutEngine]:
    if request.param == "vllm":
        pytest.importorskip("vllm", reason="vLLM is not installed: pip install -e .[cpu]")
    threads, folder = torch.get_num_threads(), tmp_path_factory.mktemp(request.param)
    torch.set_num_threads(1)
    build_model(tied=False).save_pretrained(folder)
    started = start_engine(engine_settings(request.param, Path(folder)))
    yield started
    started.close()
    torch.set_num_threads(threads)


def rollout(name: str) -> RolloutConfig:
    return RolloutConfig(completions_per_prompt=4, max_tokens=10, **FILTERS[name])  # type: ignore[arg-type]


def trees_of(groups: list[Group]) -> list[Tree]:
    return experience_from(groups, [[1.0, -1.0, 0.5, -0.5]] * len(groups))


def largest(trees: list[Tree], sampling: HeadSettings) -> float:
    found = Policy(build_model(tied=False)).tree_logprobs(trees, LIMITS, sampling)
    sampler = [value for tree in trees for branch in tree.branches for value in branch.sampler_logprobs]
    return float((found - torch.tensor(sampler)).abs().max())


@pytest.mark.parametrize("name", FILTERS)
def test_trainer_and_engine_agree(engine: RolloutEngine, name: str) -> None:
    config = rollout(name)
    trees = trees_of(engine.sample(prompts(8), sampling_settings(config)))
    assert largest(trees, head_settings(config)) < 1e-4
    if head_settings(config).filtered:
        # without the mass that was cut off, the trainer's log-probs would be lower
        assert largest(trees, HeadSettings(temperature=config.temperature)) > 0.1


@pytest.mark.parametrize("name", FILTERS)
def test_the_update_s_ratios_are_one(engine: RolloutEngine, name: str) -> None:
    """A whole optimizer step on what was sampled; without the correction it stops, and nothing is applied."""
    config, model = rollout(name), build_model(tied=False)
    trees = trees_of(engine.sample(prompts(4), sampling_settings(config)))
    sampling = head_settings(config)
    limit = mismatch_limit("float32", None, filtered=sampling.filtered)
    settings = replace(SETTINGS, sampling=sampling, max_tokens=10, mismatch=limit)
    if sampling.filtered:
        bare = replace(settings, sampling=HeadSettings(temperature=config.temperature))
        with pytest.raises(LogprobMismatchError, match="differ by mean"):
            updater(model, bare)(trees)
        model.zero_grad(set_to_none=True)
    metrics = updater(model, settings)(trees)
    assert metrics["ratio/min"] == metrics["ratio/max"] == 1.0
    for statistic in ("min", "mean", "max"):
        assert metrics[f"sampling/importance_sampling_ratio/{statistic}"] == pytest.approx(1.0, abs=1e-4)
    assert metrics["mismatch_kl"] < 1e-9


def test_a_token_at_the_border_costs_no_run() -> None:
    """One of 300 tokens whose row the sampler cut elsewhere (p = 0.3): log 0.7 on it, 0.0012 in the mean."""
    difference = torch.zeros(300)
    difference[7] = 0.357
    mismatch_limit("float32", None, filtered=True).check(difference, "here")
    with pytest.raises(LogprobMismatchError):
        mismatch_limit("float32", None).check(difference, "here")
    assert mismatch_limit("bfloat16", None) == mismatch_limit("bfloat16", None, filtered=True)
    assert mismatch_limit("float32", 0.5, filtered=True).value == 0.5
