"""Random bits for stochastic rounding: a pure function of (seed, step, parameter, element), the same on every device.

A generator with a state would have to be saved, and would give other bits when slices are cut differently. Here element
i of a parameter gets, with the two keys of the step, 32 bits (all arithmetic modulo 2^32):

    x = i + key0;  x ^= x >> 16;  x *= 0x7feb352d;  x ^= x >> 15;  x += key1;  x *= 0x846ca68b;  x ^= x >> 16

The two multipliers are those of the `lowbias32` mixer (C. Wellons, "Prospecting for hash functions", 2018). Who uses
which bits:

    residual   bits 0..7     of 8: the bits of a float32 that a 24-bit one lacks
    m          bits 8..31    a number of 24 bits
    v          bits 0..23    a number of 24 bits

The leading bits of the three, which decide nearly every rounding, are disjoint.
"""

from __future__ import annotations

import torch

MULTIPLIERS = (0x7FEB352D, 0x846CA68B)
LARGEST = 2**31 - 1
"""Most elements of a parameter: the index is a signed 32-bit number."""
CENTRE = -0x7F7FFF80
"""The word 0x80800080: with it in every place rounding is to nearest (to 1/256 of a step)."""

_MASK64 = (1 << 64) - 1


def step_keys(seed: int, step: int, parameter: int) -> tuple[int, int]:
    """Two signed 32-bit keys; `splitmix64`'s mixer over the three numbers in turn."""
    state = _mix(_mix(_mix(seed & _MASK64) + step & _MASK64) + parameter & _MASK64)
    return signed(state & 0xFFFFFFFF), signed(state >> 32)


def _mix(state: int) -> int:
    state = (state + 0x9E3779B97F4A7C15) & _MASK64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK64
    return state ^ (state >> 31)


def signed(word: int) -> int:
    """The 32-bit pattern as a signed number."""
    return word - (1 << 32) if word >= 1 << 31 else word


def fill_words(out: torch.Tensor, spare: torch.Tensor, index: torch.Tensor, start: int, keys: tuple[int, int]) -> None:
    """Words of elements start..start+n into `out` (n,) int32; `index` (n,) holds 0..n-1, `spare` is overwritten."""
    torch.add(index, signed((start + keys[0]) & 0xFFFFFFFF), out=out)
    _fold(out, spare, 16)
    out.mul_(signed(MULTIPLIERS[0]))
    _fold(out, spare, 15)
    out.add_(keys[1]).mul_(signed(MULTIPLIERS[1]))
    _fold(out, spare, 16)


def _fold(out: torch.Tensor, spare: torch.Tensor, shift: int) -> None:
    # int32 shifts keep the sign: the mask makes it the shift of an unsigned number.
    torch.bitwise_right_shift(out, shift, out=spare)
    out.bitwise_xor_(spare.bitwise_and_((1 << (32 - shift)) - 1))
