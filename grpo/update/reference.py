"""Log-probs of the reference, a stage's start model or a later policy of it, without a second model on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

import torch

from grpo.kernels.token_logprob import HeadSettings
from grpo.model.lora import Adapters
from grpo.run.state import PartState
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


class Resetting(HostSwapped):
    """A reference that becomes the policy every so many rollout steps; its weights are then state of the run.

    With adapters it holds theirs: the base under both never changes. R1 resets every 400 policy updates
    (Nature 645:633, 2025, methods).
    """

    def __init__(self, policy: Policy, every: int) -> None:
        """`every`: rollout steps from one reset to the next, 1 or more."""
        super().__init__(policy)
        self._every = every
        self._names = [name for name, parameter in policy.model.named_parameters() if parameter.requires_grad]

    def after_step(self, done: int) -> None:
        """To be called when `done` rollout steps of the stage lie behind, before a checkpoint is saved."""
        if done % self._every:
            return
        for parameter, host in self._pairs:
            host.copy_(parameter.detach())

    def state(self) -> PartState:
        return PartState(tensors={name: host for name, (_, host) in zip(self._names, self._pairs, strict=True)})

    def load_state(self, saved: PartState) -> None:
        """Raises ValueError when the saved weights are not of these parameters."""
        own = self.state().tensors
        unlike = [n for n in own.keys() | saved.tensors.keys() if _kind(own.get(n)) != _kind(saved.tensors.get(n))]
        if unlike:
            raise ValueError(f"the saved reference differs from this model's in {sorted(unlike)[:5]}")
        for name, host in own.items():
            host.copy_(saved.tensors[name])


def reference_policy(policy: Policy, reset_steps: int = 0) -> ReferencePolicy:
    """The reference of a policy that is about to be trained from the weights it has now; 0: it stays that."""
    if reset_steps:
        return Resetting(policy, reset_steps)
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


def _kind(tensor: torch.Tensor | None) -> tuple[torch.Size, torch.dtype] | None:
    return None if tensor is None else (tensor.shape, tensor.dtype)


def _host_copy(parameter: torch.Tensor) -> torch.Tensor:
    host = torch.empty(parameter.shape, dtype=parameter.dtype, pin_memory=parameter.is_cuda)
    return host.copy_(parameter.detach())


@torch.no_grad()
def _swap(parameter: torch.Tensor, host: torch.Tensor) -> None:
    """Exchange the values in place: the parameter keeps its memory, which optimizer and engine may know."""
    kept = parameter.detach().clone()
    parameter.copy_(host)
    host.copy_(kept)
