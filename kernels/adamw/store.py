"""Where optimizer states live, and how one slice of them after another reaches the device.

An optimizer writes one loop, `for views in store.stream(homes)`, and changes the views; on the device they are the
states themselves, from the host they are copies that go back when the loop moves on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch

Views = dict[str, torch.Tensor]
"""Name of a state to its part for one slice, one-dimensional."""


class StateStore(Protocol):
    """Of one optimizer."""

    def zeros(self, elements: int, dtype: torch.dtype) -> torch.Tensor:
        """A new state where states live."""
        ...

    def stream(self, homes: Sequence[Views]) -> Iterator[Views]:
        """Views on the device of each of `homes` in turn, usable until the next is asked for."""
        ...


class DeviceStore:
    """States beside the parameters."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def zeros(self, elements: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(elements, dtype=dtype, device=self._device)

    def stream(self, homes: Sequence[Views]) -> Iterator[Views]:
        yield from homes


SLOTS = 3
"""Slices on the device at once: one arrives, one is changed, one leaves."""


class HostStore:
    """States in host memory, pinned for a CUDA device.

    Slice i + 1 arrives on one side stream and slice i - 1 leaves on another while the caller works on slice i. On a CPU
    device the same copies are made in order: it saves nothing there, and shows that the result is the same.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cuda = device.type == "cuda"
        self._slots: list[Views] = [{} for _ in range(SLOTS)]
        self._left: list[torch.cuda.Event | None] = [None] * SLOTS
        self._inward = torch.cuda.Stream(device) if self._cuda else None  # type: ignore[no-untyped-call]
        self._outward = torch.cuda.Stream(device) if self._cuda else None  # type: ignore[no-untyped-call]

    def zeros(self, elements: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(elements, dtype=dtype, pin_memory=self._cuda)

    def stream(self, homes: Sequence[Views]) -> Iterator[Views]:
        """On return every state is home: a checkpoint may read them."""
        arriving = self._fetch(homes[0], 0) if homes else None
        for place, home in enumerate(homes):
            assert arriving is not None
            views, arrived = arriving
            if place + 1 < len(homes):
                arriving = self._fetch(homes[place + 1], (place + 1) % SLOTS)
            if arrived is not None:
                torch.cuda.current_stream(self._device).wait_event(arrived)
            yield views
            self._return(views, home, place % SLOTS)
        if self._outward is not None:
            self._outward.synchronize()

    def _fetch(self, home: Views, slot: int) -> tuple[Views, torch.cuda.Event | None]:
        views = {name: self._buffer(slot, name, tensor) for name, tensor in home.items()}
        with torch.cuda.stream(self._inward):
            left = self._left[slot]
            if self._inward is not None and left is not None:
                self._inward.wait_event(left)
            for name, tensor in home.items():
                views[name].copy_(tensor, non_blocking=True)
            return views, self._inward.record_event() if self._inward is not None else None

    def _return(self, views: Views, home: Views, slot: int) -> None:
        if self._outward is not None:
            self._outward.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._outward):
            for name, tensor in home.items():
                tensor.copy_(views[name], non_blocking=True)
            if self._outward is not None:
                self._left[slot] = self._outward.record_event()

    def _buffer(self, slot: int, name: str, like: torch.Tensor) -> torch.Tensor:
        """Kept for the run and grown when a larger slice comes; a smaller one takes its front."""
        kept = self._slots[slot].get(name)
        if kept is None or kept.numel() < like.numel() or kept.dtype != like.dtype:
            if kept is not None and self._cuda:
                torch.cuda.synchronize(self._device)  # the allocator knows nothing of the side streams
            kept = self._slots[slot][name] = torch.empty(like.numel(), dtype=like.dtype, device=self._device)
            if self._inward is not None:
                self._inward.wait_stream(torch.cuda.current_stream(self._device))
        return kept[: like.numel()]
