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

from grpo.algorithm.losses import LOSSES, OVER_STEP
from grpo.algorithm.reductions import StepTotals, TokenCounts
from grpo.config.slices import AlgorithmConfig
from grpo.update.experience import Branch, Tree
from grpo.update.noise import token_noise
from grpo.update.objective import StepObjective, TokenFacts
from grpo.update.statistics import alone, joined
from tests.update.invariance import CASES, PICKED, Case, Learner, over_rank, picked_logprob, relative, totals_of

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


def test_losses_that_cancel_keep_their_digits() -> None:
    """The first step of a rollout: minus the mean of 2^14 advantages, 1/10,000 of a typical one."""
    generator = torch.Generator().manual_seed(0)
    advantage = torch.randn(16_384, generator=generator)
    advantage = advantage - advantage.mean() + 1e-4
    logprob = -torch.rand(16_384, generator=generator)
    length = torch.full((16_384,), 8)
    facts = TokenFacts(
        counts=TokenCounts(completion=length, prompt=length),
        advantage=advantage,
        sampler=logprob,
        old=None,
        reference=None,
    )
    totals = StepTotals(prompts=1, completions=2_048, tokens=16_384, max_tokens=8)
    objective = StepObjective(AlgorithmConfig(reduction="token_mean"), totals)
    halves = [slice(0, 7_001), slice(7_001, 16_384)]
    parts = [objective(logprob[rows], -logprob[rows], facts.part(rows)) for rows in halves]
    assert float(sum(parts)) == pytest.approx(-float(advantage.double().mean()), rel=TOLERANCE)


@pytest.fixture
def picked(monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setitem(LOSSES, PICKED.loss, picked_logprob)
    monkeypatch.setitem(OVER_STEP, PICKED.loss, over_rank)
    return PICKED


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
    learner: Learner, ranks: dict[int, dict[str, torch.Tensor]], picked: Case, count: int
) -> None:
    for case in [*CASES, picked]:
        wanted = learner.gradient(case, learner.step.trees, WHOLE)
        assert_equal((float(ranks[count][f"{case.name}/loss"]), ranks[count][case.name]), wanted)


def test_losses_that_see_the_whole_step_see_all_of_it(learner: Learner, picked: Case) -> None:
    """Splits, orders and shares of a loss that picks tokens by rank and knows whole completions."""
    trees = learner.step.trees
    wanted = learner.gradient(picked, trees, WHOLE)
    assert_equal(learner.gradient(picked, trees[::-1], 12), wanted)
    shares, seen = [trees[4:], [], trees[:4]], []
    apart = [
        learner.gradient(picked, share, WHOLE, join=lambda one: seen.append(one) or alone(one)) for share in shares
    ]
    assert relative(summed(apart)[1], wanted[1]) > 0.05  # each picks among its own
    together = [
        learner.gradient(picked, share, WHOLE, join=lambda one, mine=mine: joined(seen, mine))
        for mine, share in enumerate(shares)
    ]
    assert_equal(summed(together), wanted)


def summed(parts: list[tuple[float, torch.Tensor]]) -> tuple[float, torch.Tensor]:
    return sum(loss for loss, _ in parts), torch.stack([gradient for _, gradient in parts]).sum(0)


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
