"""Loss and gradient of every loss and reduction do not depend on how the optimizer step is split or ordered."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.update.invariance import CASES, Case, Learner, relative, totals_of

from grpo.algorithm.losses import LOSSES, OVER_STEP, LossInputs, LossSettings, LossTerms, StepTokens
from grpo.update.experience import Branch, Tree
from grpo.update.noise import token_noise

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-6
WHOLE = 400
"""Tokens that hold the whole step."""


@pytest.fixture(scope="module")
def learner() -> Iterator[Learner]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Learner()
    torch.set_num_threads(threads)


def assert_equal(found: tuple[float, torch.Tensor], wanted: tuple[float, torch.Tensor]) -> None:
    assert wanted[1].norm() > 0.1
    assert found[0] == pytest.approx(wanted[0], rel=TOLERANCE)
    assert relative(found[1], wanted[1]) < TOLERANCE


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_any_split_packing_and_order_is_the_same_step(learner: Learner, case: Case) -> None:
    """A stream for all, streams of a few completions, of one or two, and the groups in other orders."""
    trees = learner.step.trees
    wanted = learner.gradient(case, trees, WHOLE)
    assert_equal(learner.gradient(case, trees[::-1], 64), wanted)
    assert_equal(learner.gradient(case, random.Random(3).sample(trees, len(trees)), 12), wanted)


def test_a_normaliser_of_the_micro_batch_would_be_seen(learner: Learner) -> None:
    """What TRL's `bnpo` does, and what this comparison is there to find."""
    case, trees = Case("clipped_ratio", "token_mean", False), learner.step.trees
    wanted = learner.gradient(case, trees, WHOLE)
    parts = [learner.gradient(case, part, WHOLE, totals=totals_of(part)) for part in (trees[:2], trees[2:])]
    mean = (parts[0][1] + parts[1][1]) / 2
    assert relative(mean, wanted[1]) > 0.05
    whole = [learner.gradient(case, part, WHOLE) for part in (trees[:2], trees[2:])]
    assert relative(whole[0][1] + whole[1][1], wanted[1]) < TOLERANCE


def test_on_policy_losses_that_cancel_are_equal(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without old log-probs the ratio is 1 and the loss a sum of advantages that nearly cancel."""
    plain = type(learner.step).columns
    monkeypatch.setattr(
        type(learner.step), "columns", lambda self, *rest: replace(plain(self, *rest), old_logprob=None)
    )
    case, trees = Case("clipped_ratio", "sequence_mean", False), learner.step.trees
    # the sampler is 0.6 nats off: what is compared is a truncated correction, too
    wanted = learner.gradient(case, trees, WHOLE)
    assert_equal(learner.gradient(case, trees[::-1], 12), wanted)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, torch.Tensor]]:
    """Losses and gradients of every case by 1, 2 and 4 processes."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.update.invariance_ranks", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {int(path.stem): load_file(path) for path in folder.glob("*.safetensors")}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_processes_is_the_same_step(
    learner: Learner, ranks: dict[int, dict[str, torch.Tensor]], count: int
) -> None:
    for case in CASES:
        wanted = learner.gradient(case, learner.step.trees, WHOLE)
        assert_equal((float(ranks[count][f"{case.name}/loss"]), ranks[count][case.name]), wanted)


def over_rank(tokens: StepTokens, settings: LossSettings) -> torch.Tensor:
    """1 for the tenth of the step's tokens with the most noise, times their completion's mean advantage."""
    picked = tokens.noise.argsort(descending=True)[: tokens.noise.numel() // 10]
    count = int(tokens.completion.max()) + 1
    sums = torch.zeros(count, dtype=torch.float64).index_add(0, tokens.completion, tokens.advantage.double())
    mean = sums / torch.bincount(tokens.completion, minlength=count)
    chosen = torch.zeros_like(tokens.logprob)
    chosen[picked] = mean[tokens.completion][picked].float()
    return chosen


def picked_logprob(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    assert inputs.over_step is not None
    none = torch.zeros_like(inputs.advantage, dtype=torch.bool)
    return LossTerms(loss=-inputs.over_step * inputs.logprob, clipped_low=none, clipped_high=none)


def test_losses_that_see_the_whole_step_see_all_of_it(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Split, order and shares of a loss that picks tokens by rank and knows whole completions."""
    monkeypatch.setitem(LOSSES, "picked", picked_logprob)
    monkeypatch.setitem(OVER_STEP, "picked", over_rank)
    case, trees = Case("picked", "token_mean", False), learner.step.trees
    wanted = learner.gradient(case, trees, WHOLE)
    assert_equal(learner.gradient(case, trees[::-1], 12), wanted)
    apart = [learner.gradient(case, part, WHOLE) for part in (trees[:2], trees[2:])]  # each picks among its own
    assert relative(apart[0][1] + apart[1][1], wanted[1]) > 0.05


words = st.text("abc", min_size=1, max_size=3)
groups = st.lists(
    st.tuples(words, st.lists(st.integers(1, 6), min_size=1, max_size=4)), max_size=5, unique_by=lambda g: g[0]
)


@settings(max_examples=30)
@given(shapes=groups, order=st.randoms(use_true_random=False), key=st.integers(0, 9))
def test_noise_is_a_function_of_its_token_alone(
    shapes: list[tuple[str, list[int]]], order: random.Random, key: int
) -> None:
    def by_token(trees: list[Tree], *keys: int | str) -> dict[tuple[str, int, int], float]:
        places = [
            (tree.prompt_id, branch.index, position)
            for tree in trees
            for branch in tree.branches
            for position in range(len(branch.token_ids))
        ]
        return dict(zip(places, token_noise(trees, keys).tolist(), strict=True))

    trees = [
        Tree(
            prompt_ids=(1,),
            prompt_id=name,
            branches=tuple(
                Branch(token_ids=(2,) * length, sampler_logprobs=(), advantage=1.0, index=index)
                for index, length in enumerate(lengths)
            ),
        )
        for name, lengths in shapes
    ]
    shuffled = [replace(tree, branches=tuple(order.sample(tree.branches, len(tree.branches)))) for tree in trees]
    order.shuffle(shuffled)
    found = by_token(trees, key, "tokens")
    assert by_token(shuffled, key, "tokens") == found
    assert all(0 <= value < 1 for value in found.values()) and len(set(found.values())) == len(found)
    part = by_token(shuffled[:2], key, "tokens")
    assert part.items() <= found.items()
    other = by_token(trees, key + 1, "tokens")
    assert not found or all(other[place] != value for place, value in found.items())
