"""The update's forward and backward pass: the packed stream against one padded row per completion, same gradient."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.workload import Case, Sizes, made_up_trees, seconds_of
from grpo.kernels.token_logprob import token_logprob
from grpo.stages.sft import packing_limits
from grpo.update.columns import columns_of
from grpo.update.experience import Tree
from grpo.update.packing import pack
from grpo.update.policy import Policy, to_device

Pass = Callable[[Policy, list[Tree], Sizes], None]


def packed_pass(policy: Policy, trees: list[Tree], sizes: Sizes) -> None:
    """As the trainer computes it; leaves the gradient of -mean(advantage * log-prob) in the parameters."""
    total = sum(tree.tokens for tree in trees)
    advantage = columns_of(trees, policy.model.device).advantage
    limits = packing_limits(sizes.optimizer.max_tokens_per_row, sizes.optimizer.max_tokens_per_micro_batch)
    for batch in pack(trees, limits):
        batch = to_device(batch, policy.model.device)
        logprob, _ = policy.token_logprobs(batch, 1.0)
        (-(logprob * advantage[batch.completion_index]).sum() / total).backward()


def padded_pass(policy: Policy, trees: list[Tree], sizes: Sizes) -> None:
    """The same gradient with every completion in a row of its own, its prompt repeated, in order of arrival."""
    total, device = sum(tree.tokens for tree in trees), policy.model.device
    head = policy.model.get_output_embeddings().weight
    for rows in padded_batches(trees, sizes.optimizer.max_tokens_per_micro_batch):
        length = max(len(prompt) + len(ids) - 1 for prompt, ids, _ in rows)
        ids, attended, scored = (torch.zeros(len(rows), length, dtype=torch.int64) for _ in range(3))
        targets, weights = [], []
        for number, (prompt, completion, advantage) in enumerate(rows):
            stream = (*prompt, *completion[:-1])
            ids[number, : len(stream)] = torch.tensor(stream)
            attended[number, : len(stream)] = 1
            scored[number, len(prompt) - 1 : len(stream)] = 1
            targets += completion
            weights += [advantage] * len(completion)
        hidden = policy.model.base_model(
            input_ids=ids.to(device), attention_mask=attended.to(device), use_cache=False
        ).last_hidden_state
        logprob, _ = token_logprob(hidden[scored.bool().to(device)], head, torch.tensor(targets, device=device))
        (-(logprob * torch.tensor(weights, device=device)).sum() / total).backward()


Row = tuple[tuple[int, ...], tuple[int, ...], float]


def padded_batches(trees: list[Tree], limit: int) -> Iterator[list[Row]]:
    """(prompt, completion, advantage) in batches of at most `limit` padded tokens."""
    held: list[Row] = []
    longest = 0
    for row in ((tree.prompt_ids, b.token_ids, b.advantage) for tree in trees for b in tree.branches):
        longest = max(longest, len(row[0]) + len(row[1]) - 1)
        if held and (len(held) + 1) * longest > limit:
            yield held
            held, longest = [], len(row[0]) + len(row[1]) - 1
        held.append(row)
    yield held


PASSES: dict[str, Pass] = {"packed": packed_pass, "padded": padded_pass}


def compare(policy: Policy, case: Case, sizes: Sizes) -> dict[str, Any]:
    """Times in turn, after one pass each to warm up; also by how much the two gradients differ."""
    trees = made_up_trees(case, sizes, policy.model.config.vocab_size)
    tokens = sum(tree.tokens for tree in trees)
    gradients = {name: gradient(policy, trees, sizes, one) for name, one in PASSES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in PASSES}
    for _ in range(sizes.repeats):
        for name, one in PASSES.items():
            seconds[name].append(seconds_of(lambda one=one: one(policy, trees, sizes)))
            policy.model.zero_grad()
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "completion_tokens": tokens,
        "seconds": seconds,
        "tokens_per_second": {name: tokens / time for name, time in median.items()},
        "speedup_of_packing": median["padded"] / median["packed"],
        "gradient_difference": float((gradients["packed"] - gradients["padded"]).norm() / gradients["padded"].norm()),
    }


def gradient(policy: Policy, trees: list[Tree], sizes: Sizes, one: Pass) -> torch.Tensor:
    """(parameters,) of one pass; the model's gradients are cleared before and after."""
    policy.model.zero_grad()
    one(policy, trees, sizes)
    flat = torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])
    policy.model.zero_grad()
    return flat
