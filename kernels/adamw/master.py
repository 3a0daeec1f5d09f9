"""A weight of 24 bits (sign, 8 of exponent, 15 of fraction) as a bfloat16 and a signed byte.

With `bits` the pattern of a float32 whose last 8 bits are zero, as an integer:

    bf16 = (bits + 0x8000) >> 16          residual = (bits - (bf16 << 16)) >> 8, in -128..127
    bits = (bf16 << 16) + (residual << 8)

All of it is integer arithmetic on the pattern, so it is exact, also where rounding up leaves the binade (the pattern's
next number is the next binade's first), for zeros, subnormals and infinities. The bfloat16 that the model computes
with is the master rounded to nearest, halves away from zero. A finite master above bfloat16's largest number shows as
infinity in the bfloat16 and is still exact.
"""

from __future__ import annotations

import torch


def join_master(weight: torch.Tensor, residual: torch.Tensor, out: torch.Tensor) -> None:
    """`weight` (n,) bfloat16 and `residual` (n,) int8 → `out` (n,) float32, exact."""
    bits = out.view(torch.int32)
    bits.copy_(weight.view(torch.int16))
    bits.bitwise_left_shift_(16)
    torch.add(bits, residual, alpha=256, out=bits)


def split_master(
    master: torch.Tensor, words: torch.Tensor, weight: torch.Tensor, residual: torch.Tensor, spare: torch.Tensor
) -> None:
    """Round `master` (n,) float32 to 24 bits, up with the probability of its last 8 bits, into `weight` and `residual`.

    `words` (n,) int32: bits 0..7 are used. `master` and `spare` (n,) int32 are overwritten. Casts to narrower integers
    keep the low bits, so the byte of the residual need not be separated from those above it.
    """
    bits = master.view(torch.int32)
    bits.add_(torch.bitwise_and(words, 255, out=spare))
    torch.add(bits, 0x8000, out=spare)
    weight.view(torch.int16).copy_(spare.bitwise_right_shift_(16))
    residual.copy_(bits.bitwise_right_shift_(8))
