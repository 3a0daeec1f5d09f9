"""Log-probs of the reference, the model a stage started from, without a second model on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch

from grpo.kernels.token_logprob import HeadSettings
from grpo.model.lora import Adapters
from grpo.update.columns import columns_of
from grpo.update.experience import Tree
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import Policy, to_device


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
            return step_logprobs(self._policy, trees, limits, sampling)


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
            return step_logprobs(self._policy, trees, limits, sampling)

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


def step_reference(
    reference: ReferencePolicy | None, parts: Sequence[Sequence[Tree]], limits: PackingLimits, sampling: HeadSettings
) -> list[torch.Tensor | None]:
    """(S,) log-probs for each optimizer step of a rollout, all from one pass; None for each without a reference."""
    trees = [tree for part in parts for tree in part]
    if reference is None or not trees:
        return [None] * len(parts)
    values = reference.logprobs(trees, limits, sampling)
    sizes = [sum(tree.tokens for tree in part) for part in parts]
    assert values.shape == (sum(sizes),), (values.shape, sizes)
    return list(torch.split(values, sizes))


@torch.no_grad()
def step_logprobs(policy: Policy, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
    """(S,) float32, nats: log-probs of the completions' tokens under the policy, in the order of the trees."""
    device = policy.model.device
    columns = columns_of(trees, device)
    result = torch.empty(sum(tree.tokens for tree in trees), dtype=torch.float32, device=device)
    for batch in pack(trees, limits):
        batch = to_device(batch, device)
        result[columns.flat_index(batch)] = policy.token_logprobs(batch, sampling)[0]
    return result


def _host_copy(parameter: torch.Tensor) -> torch.Tensor:
    host = torch.empty(parameter.shape, dtype=parameter.dtype, pin_memory=parameter.is_cuda)
    return host.copy_(parameter.detach())


@torch.no_grad()
def _swap(parameter: torch.Tensor, host: torch.Tensor) -> None:
    """Exchange the values in place: the parameter keeps its memory, which optimizer and engine may know."""
    kept = parameter.detach().clone()
    parameter.copy_(host)
    host.copy_(kept)
