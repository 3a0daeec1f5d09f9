"""Wall time of rivals that take turns, so that a slow minute of the machine hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch


def synchronize() -> None:
    """Wait until the device's queue is empty."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(action: Callable[[], object]) -> float:
    """Wall seconds, with the device's queue empty before and after. What `action` returns is freed outside."""
    synchronize()
    started = time.perf_counter()
    held = action()
    synchronize()
    elapsed = time.perf_counter() - started
    del held
    return elapsed


def device_seconds_of(action: Callable[[], object]) -> float:
    """Between two CUDA events around `action`; wall seconds where there is no GPU."""
    if not torch.cuda.is_available():
        return seconds_of(action)
    before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    before.record()
    held = action()
    after.record()
    torch.cuda.synchronize()
    del held
    return before.elapsed_time(after) / 1000


def balanced(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """An order per round: pairs of a rotation and its reverse, so that in 2·len rounds all places are shared evenly."""
    for number in range(rounds):
        start = number // 2 % max(1, len(names))
        order = [*names[start:], *names[:start]]
        yield order[::-1] if number % 2 else order


def interleaved(
    rivals: Mapping[str, Callable[[], float]], repeats: Mapping[str, int], deadline: float | None = None
) -> dict[str, list[float]]:
    """Seconds of each rival's turns; a rival with fewer repeats sits out the last rounds.

    Past the `deadline` (of `time.monotonic`) no round begins, but the first is always finished.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for number, order in enumerate(balanced(list(rivals), max(repeats.values(), default=0))):
        if number and deadline is not None and time.monotonic() > deadline:
            break
        for name in order:
            if number < repeats[name]:
                seconds[name].append(rivals[name]())
    return seconds


def summary(seconds: Sequence[float]) -> dict[str, object]:
    """Median, extremes and every value, seconds."""
    return {
        "median": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "repeats": len(seconds),
        "all": [float(f"{value:.5g}") for value in seconds],
    }
