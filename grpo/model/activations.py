"""What a decoder layer keeps for its backward pass: everything, its input, or its input on the host.

Recomputation (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost") of one layer at a time, by torch's
non-reentrant checkpoint. Transformers' own switch works only in `train()` mode, but a policy learns in `eval()` mode so
that it and the sampler agree; therefore each layer's `forward` is wrapped here instead.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

MODES = ("keep", "recompute", "offload")


def set_activations(model: PreTrainedModel, mode: str) -> None:
    """Make the decoder layers `keep`, `recompute` or `offload`; may be called again with another mode.

    Gradients are the same bit for bit. Raises ValueError for an unknown mode, and for a model without such layers.
    """
    if mode not in MODES:
        raise ValueError(f"activations={mode!r}: valid are {', '.join(MODES)}")
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers and mode != "keep":
        raise ValueError(f"activations={mode}: {type(model).__name__} has no layers to recompute; valid is keep")
    lot = ParkingLot()
    for index, layer in enumerate(layers):
        if isinstance(layer.forward, LayerForward):
            layer.forward = layer.forward.plain
        if mode != "keep":
            layer.forward = LayerForward(layer.forward, lot if mode == "offload" else None, first=index == 0)


class LayerForward:
    """A layer's forward pass that is run again in the backward pass."""

    def __init__(self, plain: Callable[..., torch.Tensor], lot: ParkingLot | None, first: bool) -> None:
        self.plain, self.lot, self.first = plain, lot, first

    def __call__(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the layer's own; hidden states (R, L, H)."""
        if not torch.is_grad_enabled():
            return self.plain(hidden_states, *args, **kwargs)
        if self.lot is None:
            output = checkpoint(self.plain, hidden_states, *args, use_reentrant=False, **kwargs)
        else:
            ticket = self.lot.enter(hidden_states, self.first)
            output = checkpoint(self._from_ticket, ticket, *args, use_reentrant=False, **kwargs)
            ticket.leave_device()
        assert isinstance(output, torch.Tensor), type(output)
        return output

    def _from_ticket(self, ticket: Ticket, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.plain(ticket.tensor(), *args, **kwargs)


class ParkingLot:
    """Keeps layer inputs on the host between the passes, and fetches each while the layer above is at work.

    Checkpoint holds the ticket in place of the tensor, so that nothing on the device outlives the layer. On a CPU the
    host copy is a plain copy.
    """

    def __init__(self) -> None:
        self._last: weakref.ref[Ticket] | None = None
        self._streams: dict[torch.device, torch.cuda.Stream] = {}

    def enter(self, tensor: torch.Tensor, first: bool) -> Ticket:
        """A ticket for a layer's input; the first layer's begins a new pass."""
        before = None if first or self._last is None else self._last()
        ticket = Ticket(tensor, before, self._stream(tensor.device))
        self._last = weakref.ref(ticket)  # the graph owns the tickets; a pass that is dropped frees its copies
        return ticket

    def _stream(self, device: torch.device) -> torch.cuda.Stream | None:
        if device.type != "cuda":
            return None
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        return self._streams[device]

    def __deepcopy__(self, memo: dict[int, Any]) -> ParkingLot:
        memo[id(self)] = copied = ParkingLot()  # a copied model parks for itself
        return copied


class Ticket:
    """One layer's input: live in the forward pass, then on the host, then back on its device."""

    def __init__(self, tensor: torch.Tensor, before: Ticket | None, stream: torch.cuda.Stream | None) -> None:
        self._live: torch.Tensor | None = tensor
        self._before, self._stream = before, stream
        self._device, self._needs_gradient = tensor.device, tensor.requires_grad
        self._host: torch.Tensor | None = None
        self._done: torch.cuda.Event | None = None

    def tensor(self) -> torch.Tensor:
        """The live tensor in the forward pass; in the backward pass its copy, with the copy below set in motion."""
        if self._host is None:
            assert self._live is not None
            return self._live
        self._fetch()
        assert self._live is not None
        fetched, self._live = self._live, None
        if self._done is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(self._done)
            fetched.record_stream(current)
        if self._before is not None:
            self._before._fetch()
        return fetched.requires_grad_(self._needs_gradient)

    def leave_device(self) -> None:
        """Copy to the host and let the device's tensor go."""
        assert self._live is not None
        source, self._live = self._live.detach(), None
        if self._stream is None:
            self._host = source.clone()
            return
        self._host = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            self._host.copy_(source, non_blocking=True)
        source.record_stream(self._stream)

    def _fetch(self) -> None:
        """Start the copy back, once; copies of one stream run in order, so the one to the host is over by then."""
        if self._live is not None or self._host is None:
            return
        if self._stream is None:
            self._live = self._host.clone()
            return
        with torch.cuda.stream(self._stream):
            self._live = self._host.to(self._device, non_blocking=True)
            self._done = self._stream.record_event()
