"""Moments of 8 bits in blocks of 256 elements, each block with the float32 size of its largest element.

    m: int8,  code k stands for scale · sign(k) · (k / 127)²
    v: uint8, code k stands for scale · (k / 255)⁴

so that |m| and sqrt(v), which the step divides, are on grids of the same form: neighbours of code k are 2/k of its
value away. Evenly spaced codes would leave few to all but the largest elements of a block; floats of 8 bits (3 of them
fraction) step by 6 to 12 % everywhere, m by 1.6 % at the top, 5 % at a tenth of it, 16 % at a hundredth of it, sqrt(v)
by half of that. sqrt(v) reaches down to 1/65025 of the block's largest.

A value is rounded to one of its two neighbours with probabilities that keep its expectation: at beta2 = 0.999 a moment
changes by less than half a step each time, and rounding to nearest would never let it go. v is never rounded to 0 in a
block that has any (code 1 at least), because a v of 0 under an m that is not would let the step explode.
"""

from __future__ import annotations

import torch

BLOCK = 256
"""Elements that share a scale."""
FIRST_LEVELS, SECOND_LEVELS = 127, 255
UNIT = 2.0**-24
SMALLEST_SCALE = 1e-30
"""A block whose largest |m| is below it has only zeros: 1 / scale must stay finite."""


Spare = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Buffers (n,) that are overwritten: three float32 and one int32."""


def blocks(elements: int) -> int:
    """Scales that so many elements need."""
    return -(-elements // BLOCK)


def decode_first(
    codes: torch.Tensor, scale: torch.Tensor, factor: float, out: torch.Tensor, spare: torch.Tensor
) -> None:
    """factor · m into `out` (n,) float32, n whole blocks; `codes` (≤ n,) int8, `scale` (blocks,) float32."""
    _load(codes, out)
    torch.abs(out, out=spare)
    out.mul_(spare)
    _rows(out).mul_((scale * (factor / FIRST_LEVELS**2)).unsqueeze(1))


def decode_second(codes: torch.Tensor, scale: torch.Tensor, factor: float, out: torch.Tensor) -> None:
    """factor · v into `out` (n,) float32; as `decode_first`, `codes` uint8. Squared last: nothing underflows."""
    _load(codes, out)
    out.mul_(out)
    _rows(out).mul_((scale * factor).sqrt_().div_(SECOND_LEVELS**2).unsqueeze(1))
    out.mul_(out)


def encode_first(
    values: torch.Tensor, words: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, spare: Spare
) -> None:
    """`values` (n,) float32 into `codes` (≤ n,) int8 and `scale`; `words` (n,) int32, of which bits 8..31 count.

    With y = sqrt(|m| / scale) · 127 and k = floor(y) the code is k + 1 when y² - k² > u · (2k + 1).
    """
    height, code, chance, bits = spare
    torch.abs(values, out=height)
    torch.amax(_rows(height), dim=1, out=scale)
    _rows(height).mul_(torch.where(scale > SMALLEST_SCALE, FIRST_LEVELS**2 / scale, 0.0).unsqueeze(1))
    torch.sqrt(height, out=code).floor_()
    height.addcmul_(code, code, value=-1)
    chance.copy_(torch.bitwise_right_shift(words, 8, out=bits).bitwise_and_(0xFFFFFF))
    chance.mul_(torch.mul(code, 2 * UNIT, out=bits.view(torch.float32)).add_(UNIT))
    code.add_(chance.lt_(height)).clamp_(max=FIRST_LEVELS).copysign_(values)
    codes.copy_(code[: codes.numel()])


def encode_second(
    root: torch.Tensor, words: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, spare: Spare
) -> None:
    """v = root² into `codes` uint8 and `scale`; `root` (n,) float32, not negative, is overwritten; bits 0..23 count.

    With q = y² = root / sqrt(scale) · 255² and k = floor(y) the code is k + 1 when q² - k⁴ > u · ((k+1)⁴ - k⁴).
    """
    square, code, chance, bits = spare
    torch.amax(_rows(root), dim=1, out=scale)
    _rows(root).mul_(torch.where(scale > 0, SECOND_LEVELS**2 / scale, 0.0).unsqueeze(1))
    scale.square_()
    torch.sqrt(root, out=code).floor_()
    chance.copy_(torch.bitwise_and(words, 0xFFFFFF, out=bits))
    torch.mul(code, code, out=square)
    height = torch.sub(root, square, out=bits.view(torch.float32)).mul_(root.add_(square))
    torch.add(code, 0.5, out=root)
    # (k+1)⁴ - k⁴ = c · (4c² + 1) at c = k + 1/2
    chance.mul_(torch.mul(root, root, out=square).mul_(4 * UNIT).add_(UNIT)).mul_(root)
    code.add_(chance.lt_(height)).clamp_(min=1, max=SECOND_LEVELS)
    codes.copy_(code[: codes.numel()])


def _load(codes: torch.Tensor, out: torch.Tensor) -> None:
    out[: codes.numel()].copy_(codes)
    out[codes.numel() :].zero_()


def _rows(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, BLOCK)
