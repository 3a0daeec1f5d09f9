"""The update's forward and backward pass: the packed stream against one padded row per completion, same gradient."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from benchmarks.workload import MICRO_BATCH, Case, Sizes, made_up_trees, seconds_of
from grpo.kernels.token_logprob import HeadSettings, token_logprob
from grpo.update.columns import columns_of
from grpo.update.experience import Branch, Tree
from grpo.update.packing import pack
from grpo.update.policy import Policy, to_device

Row = tuple[tuple[int, ...], Branch]
"""A prompt and one completion."""


def packed_pass(policy: Policy, trees: list[Tree], case: Case) -> None:
    """As the trainer computes it; adds the gradient of -mean(advantage · log-prob) to the parameters'."""
    total = sum(tree.tokens for tree in trees)
    advantage = columns_of(trees, policy.model.device).advantage
    for batch in pack(trees, case.limits):
        moved = to_device(batch, policy.model.device)
        logprob, _ = policy.token_logprobs(moved, HeadSettings())
        torch.autograd.backward(-(logprob * advantage[moved.completion_index]).sum() / total)


def padded_pass(policy: Policy, trees: list[Tree], case: Case) -> None:
    """The same gradient with every completion in a row of its own, its prompt repeated, in order of arrival."""
    total, device = sum(tree.tokens for tree in trees), policy.model.device
    head = policy.model.get_output_embeddings().weight
    for rows in padded_batches(trees):
        streams = [torch.tensor((*prompt, *branch.token_ids[:-1])) for prompt, branch in rows]
        attended = pad_sequence([torch.ones_like(stream) for stream in streams], batch_first=True)
        scored = attended.bool()
        for row, (prompt, _) in zip(scored, rows, strict=True):
            row[: len(prompt) - 1] = False
        ids = pad_sequence(streams, batch_first=True).to(device)
        hidden = policy.model.base_model(input_ids=ids, attention_mask=attended.to(device), use_cache=False)
        targets = torch.tensor([token for _, branch in rows for token in branch.token_ids], device=device)
        weights = torch.tensor([branch.advantage for _, branch in rows for _ in branch.token_ids], device=device)
        logprob, _ = token_logprob(hidden.last_hidden_state[scored.to(device)], head, targets)
        torch.autograd.backward(-(logprob * weights).sum() / total)


def padded_batches(trees: list[Tree]) -> Iterator[list[Row]]:
    """Rows in order, in batches of at most `MICRO_BATCH` padded tokens."""
    held: list[Row] = []
    longest = 0
    for row in ((tree.prompt_ids, branch) for tree in trees for branch in tree.branches):
        length = len(row[0]) + len(row[1].token_ids) - 1
        if held and (len(held) + 1) * max(longest, length) > MICRO_BATCH:
            yield held
            held, longest = [], 0
        held.append(row)
        longest = max(longest, length)
    yield held


PASSES: dict[str, Callable[[Policy, list[Tree], Case], None]] = {"packed": packed_pass, "padded": padded_pass}


def compare(policy: Policy, case: Case, sizes: Sizes) -> dict[str, Any]:
    """Seconds of both in turn, each warmed up by the pass that shows how far the two gradients differ."""
    trees = made_up_trees(case, sizes, policy.model.config.vocab_size)
    tokens = sum(tree.tokens for tree in trees)
    packed, padded = (gradient(policy, trees, case, name) for name in PASSES)
    seconds: dict[str, list[float]] = {name: [] for name in PASSES}
    for _ in range(sizes.repeats):
        for name, one in PASSES.items():
            seconds[name].append(seconds_of(partial(one, policy, trees, case)))
            policy.model.zero_grad()
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "completion_tokens": tokens,
        "seconds": seconds,
        "tokens_per_second": {name: tokens / time for name, time in median.items()},
        "speedup_of_packing": median["padded"] / median["packed"],
        "gradient_difference": float((packed - padded).norm() / padded.norm()),
    }


def gradient(policy: Policy, trees: list[Tree], case: Case, name: str) -> torch.Tensor:
    """All gradients of one pass as a vector; the model's are cleared before and after."""
    policy.model.zero_grad()
    PASSES[name](policy, trees, case)
    flat = torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])
    policy.model.zero_grad()
    return flat
