"""Log-probs of the reference, the model a stage started from, without a second model on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

import torch

from grpo.kernels.token_logprob import HeadSettings
from grpo.model.lora import Adapters
from grpo.update.columns import StepColumns
from grpo.update.experience import Tree
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy


class ReferencePolicy(Protocol):
    """What the KL term compares the policy with."""

    def logprobs(self, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
        """(S,) float32, nats: log-probs of the completions' tokens in the order of the trees, without gradient.

        Asked once for a whole rollout step, before its first optimizer step. The policy is afterwards what it was,
        bit for bit, whether or not this raises.
        """
        ...


class AdapterOff:
    """With adapters the reference is the policy without them; it takes no memory."""

    def __init__(self, policy: Policy, adapters: Adapters) -> None:
        self._policy, self._adapters = policy, adapters

    def logprobs(self, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
        with self._adapters.off():
            return self._policy.tree_logprobs(trees, limits, sampling)


class HostSwapped:
    """The start weights wait in host memory and change places with the policy's for the one pass.

    Host memory holds one copy in the weights' dtype (pinned when the policy is on a GPU), the device one tensor more
    than the policy. On a CPU that is as much memory as a second model.
    """

    def __init__(self, policy: Policy) -> None:
        """Takes the weights of now as the reference's."""
        self._policy = policy
        self._pairs = [
            (parameter, _host_copy(parameter)) for parameter in policy.model.parameters() if parameter.requires_grad
        ]

    def logprobs(self, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
        with self._swapped():
            return self._policy.tree_logprobs(trees, limits, sampling)

    @contextmanager
    def _swapped(self) -> Iterator[None]:
        swapped: list[tuple[torch.Tensor, torch.Tensor]] = []
        try:
            for pair in self._pairs:
                _swap(*pair)
                swapped.append(pair)
            yield
        finally:
            for pair in swapped:
                _swap(*pair)


def reference_policy(policy: Policy) -> ReferencePolicy:
    """The reference of a policy that is about to be trained from the weights it has now."""
    return HostSwapped(policy) if policy.adapters is None else AdapterOff(policy, policy.adapters)


def with_reference(
    reference: ReferencePolicy,
    parts: Sequence[Sequence[Tree]],
    columns: Sequence[StepColumns],
    limits: PackingLimits,
    sampling: HeadSettings,
) -> list[StepColumns]:
    """The columns of each optimizer step of a rollout with the reference's log-probs in them, from one pass."""
    trees = [tree for part in parts for tree in part]
    if not trees:
        return list(columns)
    values = reference.logprobs(trees, limits, sampling)
    sizes = [sum(tree.tokens for tree in part) for part in parts]
    assert values.shape == (sum(sizes),), (values.shape, sizes)
    return [replace(one, reference_logprob=part) for one, part in zip(columns, torch.split(values, sizes), strict=True)]


def _host_copy(parameter: torch.Tensor) -> torch.Tensor:
    host = torch.empty(parameter.shape, dtype=parameter.dtype, pin_memory=parameter.is_cuda)
    return host.copy_(parameter.detach())


@torch.no_grad()
def _swap(parameter: torch.Tensor, host: torch.Tensor) -> None:
    """Exchange the values in place: the parameter keeps its memory, which optimizer and engine may know."""
    kept = parameter.detach().clone()
    parameter.copy_(host)
    host.copy_(kept)
