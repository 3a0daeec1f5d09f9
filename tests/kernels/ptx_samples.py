"""Each helper of `grpo.kernels.ptx.streaming` in a kernel of its own."""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# Triton reads annotations of parameters as types of its own, and its decorator has none.

from __future__ import annotations

import triton
import triton.language as tl

from grpo.kernels.ptx.streaming import keep_fraction, load_tile, load_words, pack_bf16, store_words


@triton.jit
def pack_pairs(source, result, BLOCK: tl.constexpr, PTX: tl.constexpr):
    """result[i], a word, = bfloat16 of source[2 i] and source[2 i + 1]."""
    lane = tl.arange(0, BLOCK)
    low, high = tl.load(source + 2 * lane), tl.load(source + 2 * lane + 1)
    tl.store(result + lane, pack_bf16(low, high, PTX).to(tl.int32, bitcast=True))


@triton.jit
def copy_words(source, result, keep, GROUPS: tl.constexpr, PTX: tl.constexpr):
    """GROUPS times 16 bytes, of int32."""
    group = 4 * tl.arange(0, GROUPS)[None, :]
    policy = keep_fraction(keep, PTX)
    a, b, c, d = load_words(source + group, policy, PTX)
    store_words(result + group, a, b, c, d, policy, PTX)


@triton.jit
def widen(source, result, keep, GROUPS: tl.constexpr, WIDTH: tl.constexpr, PTX: tl.constexpr):
    """result[i], float32, = source[i], by tiles."""
    group = WIDTH * tl.arange(0, GROUPS)[None, :]
    tile = load_tile(source + group, keep_fraction(keep, PTX), WIDTH, PTX)
    tl.store(result + group[None, :, :] + tl.arange(0, WIDTH)[:, None, None], tile)
