"""16-byte groups from and to global memory in inline PTX, each function beside its plain twin.

`pointers` (R, G) stand at groups of 16 aligned bytes, four words each. What PTX says and `tl.load` cannot: skip the
first-level cache, fetch 256 bytes into the second, and keep a *fraction* of a buffer there that is larger than the
cache (a whole one would evict itself before it is read again).

Inline assembly cannot be interpreted, so every function takes PTX: without it the plain twin runs, with the same bits.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# Triton reads annotations of parameters as types of its own, and its decorator has none.

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def keep_fraction(fraction, PTX: tl.constexpr):
    """Cache policy, int64: `fraction` of the lines are the last to be evicted, the others the first. Plain: none, 0."""
    if PTX:
        policy = tl.inline_asm_elementwise(
            "createpolicy.fractional.L2::evict_last.L2::evict_first.b64 $0, $1;",
            "=l,f",
            [fraction],
            dtype=tl.int64,
            is_pure=True,
            pack=1,
        )
    else:
        policy = tl.full((), 0, tl.int64)
    return policy


@triton.jit
def load_words(pointers, policy, PTX: tl.constexpr):
    """Four uint32 (R, G). "Pure", so that several may be in flight: no address is read again after it was written."""
    if PTX:
        a, b, c, d = tl.inline_asm_elementwise(
            "ld.global.L1::no_allocate.L2::cache_hint.L2::256B.v4.b32 {$0, $1, $2, $3}, [$4], $5;",
            "=r,=r,=r,=r,l,l",
            [pointers.to(tl.int64), policy],
            dtype=(tl.uint32, tl.uint32, tl.uint32, tl.uint32),
            is_pure=True,
            pack=1,
        )
    else:
        words = pointers.to(tl.pointer_type(tl.uint32))
        a, b, c, d = tl.load(words), tl.load(words + 1), tl.load(words + 2), tl.load(words + 3)
    return a, b, c, d


@triton.jit
def store_words(pointers, a, b, c, d, policy, PTX: tl.constexpr):
    """Write four uint32 (R, G)."""
    if PTX:
        tl.inline_asm_elementwise(
            "st.global.L1::no_allocate.L2::cache_hint.v4.b32 [$1], {$2, $3, $4, $5}, $6; mov.b32 $0, 0;",
            "=r,l,r,r,r,r,l",
            [pointers.to(tl.int64), a, b, c, d, policy],
            dtype=tl.int32,
            is_pure=False,
            pack=1,
        )
    else:
        words = pointers.to(tl.pointer_type(tl.uint32))
        tl.store(words, a)
        tl.store(words + 1, b)
        tl.store(words + 2, c)
        tl.store(words + 3, d)


@triton.jit
def pack_bf16(low, high, PTX: tl.constexpr):
    """Two float32 as one uint32 of two bfloat16, `low` in the lower half; to nearest, ties to even."""
    if PTX:
        word = tl.inline_asm_elementwise(
            "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f", [low, high], dtype=tl.uint32, is_pure=True, pack=1
        )
    else:
        word = _bf16_bits(low) | (_bf16_bits(high) << 16)
    return word


@triton.jit
def _bf16_bits(value):
    """Rounded in integers, as the hardware does; the interpreter's own conversion cuts off. NaN is 0x7fff."""
    bits = value.to(tl.uint32, bitcast=True)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return tl.where(value == value, rounded, 0x7FFF)


@triton.jit
def low_half(word):
    """The lower bfloat16 of a word as float32: one shift. (No PTX: the compiler finds the one instruction itself.)"""
    return (word << 16).to(tl.float32, bitcast=True)


@triton.jit
def high_half(word):
    """The upper bfloat16 of a word as float32: one mask."""
    return (word & 0xFFFF0000).to(tl.float32, bitcast=True)


@triton.jit
def load_tile(pointers, policy, WIDTH: tl.constexpr, PTX: tl.constexpr):
    """The groups as float32 (WIDTH, R, G), WIDTH 8 for bfloat16 and 4 for float32.

    G comes last because Triton, where no load of its own decides, spreads threads over the last dimension: a thread
    then holds whole groups, and sums over the first two dimensions stay inside it.
    """
    a, b, c, d = load_words(pointers, policy, PTX)
    if WIDTH == 4:
        groups = tl.join(tl.join(a, c), tl.join(b, d)).to(tl.float32, bitcast=True)
    else:
        even = tl.join(tl.join(low_half(a), low_half(c)), tl.join(low_half(b), low_half(d)))
        odd = tl.join(tl.join(high_half(a), high_half(c)), tl.join(high_half(b), high_half(d)))
        groups = tl.join(even, odd)
    return groups.reshape(pointers.shape[0], pointers.shape[1], WIDTH).permute(2, 0, 1)
