"""The compact step as one Triton kernel: every state is read once and written once. Import it only where Triton is.

bfloat16 is read and written as int16 patterns and widened by a shift: Triton's interpreter has no bfloat16 arithmetic.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# Triton reads annotations of parameters as types of its own, and its decorator has none.

from __future__ import annotations

import triton
import triton.language as tl

BLOCK: tl.constexpr = tl.constexpr(256)
UNIT: tl.constexpr = tl.constexpr(2.0**-24)


@triton.jit
def words_of(index, key0, key1):
    """As `random_words.fill_words`; `index`, keys and result uint32."""
    x = index + key0
    x ^= x >> 16
    x *= 0x7FEB352D
    x ^= x >> 15
    x += key1
    x *= 0x846CA68B
    return x ^ (x >> 16)


@triton.jit
def upper_half(bits, PTX: tl.constexpr):
    """(bits + 0x8000) >> 16 of int32 as int16. In PTX one `prmt.b32` takes the upper halves of two."""
    if PTX:
        return tl.inline_asm_elementwise(
            """{
            .reg .b32 one, two;
            add.s32 one, $1, 0x8000;
            add.s32 two, $2, 0x8000;
            prmt.b32 $0, one, two, 0x7632;
            }""",
            "=r,r,r",
            [bits],
            dtype=tl.int16,
            is_pure=True,
            pack=2,
        )
    return ((bits + 0x8000) >> 16).to(tl.int16)


@triton.jit
def second_byte(bits, PTX: tl.constexpr):
    """Bits 8..15 of int32 as int8. In PTX three `prmt.b32` collect the bytes of four."""
    if PTX:
        return tl.inline_asm_elementwise(
            """{
            .reg .b32 one, two;
            prmt.b32 one, $1, $2, 0x0051;
            prmt.b32 two, $3, $4, 0x0051;
            prmt.b32 $0, one, two, 0x5410;
            }""",
            "=r,r,r,r,r",
            [bits],
            dtype=tl.int8,
            is_pure=True,
            pack=4,
        )
    return (bits >> 8).to(tl.int8)


@triton.jit(do_not_specialize=["key0", "key1"])  # they change every step
def compact_adamw_kernel(
    weight_ptr,  # (count,) int16 patterns of bfloat16, or float32 where RESIDUAL is false
    residual_ptr,  # (count,) int8
    grad_ptr,  # (count,) int16 patterns of bfloat16, or float32
    first_ptr,  # (count,) int8
    second_ptr,  # (count,) uint8
    first_scale_ptr,  # (ceil(count / 256),) float32
    second_scale_ptr,
    count,
    start,  # element of the parameter that the slice begins with
    key0,
    key1,
    first_factor,  # beta1 / 127²
    first_gain,  # (1 - beta1) · grad_scale
    beta2,
    second_gain,  # (1 - beta2) · grad_scale²
    root_scale,
    eps,
    keep,
    rate,
    RESIDUAL: tl.constexpr,
    GRAD_PATTERN: tl.constexpr,
    PTX: tl.constexpr,
    ROWS: tl.constexpr,
):
    """A program steps ROWS blocks of 256 elements; formulas in `moments.py`, `master.py` and `reference.py`."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    offset = row[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    inside = offset < count
    row_inside = row * BLOCK < count
    words = words_of((offset + start).to(tl.uint32), key0.to(tl.uint32), key1.to(tl.uint32))

    grad = tl.load(grad_ptr + offset, mask=inside, other=0)
    if GRAD_PATTERN:
        grad = (grad.to(tl.int32) << 16).to(tl.float32, bitcast=True)
    old_first = tl.load(first_scale_ptr + row, mask=row_inside, other=0.0)
    old_second = tl.load(second_scale_ptr + row, mask=row_inside, other=0.0)
    code = tl.load(first_ptr + offset, mask=inside, other=0).to(tl.float32)
    first = code * tl.abs(code) * (old_first * first_factor)[:, None] + first_gain * grad
    code = tl.load(second_ptr + offset, mask=inside, other=0).to(tl.float32)
    root = code * code * (tl.sqrt_rn(old_second * beta2) / 65025.0)[:, None]
    root = tl.sqrt_rn(root * root + second_gain * grad * grad)

    change = (-rate * first) / (root * root_scale + eps)
    if RESIDUAL:
        upper = tl.load(weight_ptr + offset, mask=inside, other=0).to(tl.int32)
        lower = tl.load(residual_ptr + offset, mask=inside, other=0).to(tl.int32)
        master = ((upper << 16) + (lower << 8)).to(tl.float32, bitcast=True) * keep + change
        bits = master.to(tl.int32, bitcast=True) + (words & 255).to(tl.int32)
        tl.store(weight_ptr + offset, upper_half(bits, PTX), mask=inside)
        tl.store(residual_ptr + offset, second_byte(bits, PTX), mask=inside)
    else:
        master = tl.load(weight_ptr + offset, mask=inside, other=0.0)
        tl.store(weight_ptr + offset, master * keep + change, mask=inside)

    size = tl.abs(first)
    scale = tl.max(size, axis=1)
    height = size * tl.where(scale > 1e-30, 16129.0 / scale, 0.0)[:, None]
    code = tl.floor(tl.sqrt_rn(height))
    chance = ((words >> 8) & 0xFFFFFF).to(tl.float32) * (code * (2.0 * UNIT) + UNIT)
    code = tl.minimum(code + tl.where(chance < height - code * code, 1.0, 0.0), 127.0)
    tl.store(first_ptr + offset, tl.where(first < 0, -code, code).to(tl.int8), mask=inside)
    tl.store(first_scale_ptr + row, scale, mask=row_inside)

    scale = tl.max(root, axis=1)
    height = root * tl.where(scale > 0.0, 65025.0 / scale, 0.0)[:, None]
    code = tl.floor(tl.sqrt_rn(height))
    square = code * code
    middle = code + 0.5
    chance = (words & 0xFFFFFF).to(tl.float32) * (middle * middle * (4.0 * UNIT) + UNIT) * middle
    code += tl.where(chance < (height - square) * (height + square), 1.0, 0.0)
    code = tl.minimum(tl.maximum(code, 1.0), 255.0)
    tl.store(second_ptr + offset, code.to(tl.uint8), mask=inside)
    tl.store(second_scale_ptr + row, scale * scale, mask=row_inside)
