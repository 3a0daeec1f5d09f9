"""The kernels of `triton_ops.py`. A program takes one segment of one row, so that a row's result depends neither on how
many rows there are nor on the device; partial results are combined in a fixed order.

Powers are of two, because the hardware's are: p = 2^((l - m) k) with l a logit, m the largest so far and
k = scale · log2(e). The difference is taken before the factor, exactly for large neighbouring logits.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# Triton reads annotations of parameters as types of its own, and its decorator has none.

from __future__ import annotations

import triton
import triton.language as tl

from ..ptx.streaming import high_half, keep_fraction, load_tile, load_words, low_half, pack_bf16, store_words

LOWEST = tl.constexpr(-1e20)
"""Stands for minus infinity: differences with it stay finite, and its power is 0."""
TILES = tl.constexpr(0)
"""ACCESS: `tl.load` and `tl.store` of tiles; Triton itself makes 16-byte instructions of them."""
WORDS = tl.constexpr(1)
"""ACCESS: the words of `..ptx.streaming`, plain: for the interpreter."""
PTX = tl.constexpr(2)
"""ACCESS: the same words in PTX."""
LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _kept(tile, floor, HAS_FLOOR: tl.constexpr):
    """The tile with LOWEST for what was cut off or is minus infinity; NaN stays NaN."""
    if HAS_FLOOR:
        tile = tl.where(tile < floor, LOWEST, tile)
    return tl.maximum(tile, LOWEST, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _fold(tile, top, total, weighted, k):
    """Add a tile (WIDTH, R, G) to the running top, Σ 2^d and Σ d 2^d of each of G lanes, d = (l - top) k."""
    new = tl.maximum(top, tl.max(tl.max(tile, axis=0), axis=0))
    shift = (top - new) * k
    shrink = tl.exp2(shift)
    distance = (tile - new[None, None, :]) * k
    power = tl.exp2(distance)
    weighted = (weighted + total * shift) * shrink + tl.sum(tl.sum(power * distance, axis=0), axis=0)
    total = total * shrink + tl.sum(tl.sum(power, axis=0), axis=0)
    return new, total, weighted


@triton.jit
def statistics_kernel(
    logits,
    floors,
    partials,
    row_stride,
    columns,
    segments,
    k,
    keep,
    SEGMENT: tl.constexpr,
    ROWS: tl.constexpr,
    GROUPS: tl.constexpr,
    WIDTH: tl.constexpr,
    HAS_FLOOR: tl.constexpr,
    ACCESS: tl.constexpr,
):
    """`partials` (3, n, segments): the top logit, Σ 2^d and Σ d 2^d of every segment."""
    TILE: tl.constexpr = ROWS * GROUPS * WIDTH
    row = (tl.program_id(0) // segments).to(tl.int64)
    first = (tl.program_id(0) % segments) * SEGMENT
    last = tl.minimum(first + SEGMENT, columns)
    start = logits + row * row_stride
    within = tl.arange(0, ROWS)[:, None] * (GROUPS * WIDTH) + tl.arange(0, GROUPS)[None, :] * WIDTH
    strip = tl.arange(0, WIDTH)[:, None, None] + tl.arange(0, GROUPS)[None, None, :] * WIDTH
    floor = tl.load(floors + row) if HAS_FLOOR else 0.0
    policy = keep_fraction(keep, ACCESS == PTX)

    top = tl.full((GROUPS,), LOWEST, tl.float32)
    total = tl.zeros((GROUPS,), tl.float32)
    weighted = tl.zeros((GROUPS,), tl.float32)
    whole = (last - first) // TILE
    for turn in range(whole):
        begin = start + (first + turn * TILE) + within
        if ACCESS == TILES:
            tile = tl.load(begin[None, :, :] + tl.arange(0, WIDTH)[:, None, None]).to(tl.float32)
        else:
            tile = load_tile(begin, policy, WIDTH, ACCESS == PTX)
        top, total, weighted = _fold(_kept(tile, floor, HAS_FLOOR), top, total, weighted, k)
    for begin in range(first + whole * TILE, last, GROUPS * WIDTH):
        place = begin + strip
        tile = tl.load(start + place, mask=place < last, other=LOWEST).to(tl.float32)
        top, total, weighted = _fold(_kept(tile, floor, HAS_FLOOR), top, total, weighted, k)

    highest = tl.max(top, axis=0)
    shift = (top - highest) * k
    shrink = tl.exp2(shift)
    size = tl.num_programs(0).to(tl.int64)
    tl.store(partials + tl.program_id(0), highest)
    tl.store(partials + size + tl.program_id(0), tl.sum(total * shrink, axis=0))
    tl.store(partials + 2 * size + tl.program_id(0), tl.sum((weighted + total * shift) * shrink, axis=0))


@triton.jit
def combine_kernel(
    logits,
    targets,
    partials,
    largest,
    log_sums,
    logprob,
    entropy,
    row_stride,
    segments,
    scale,
    k,
    BLOCK: tl.constexpr,
):
    """One program a row: its segments (at most BLOCK) together, and the sampled token's logit. Without fusion too."""
    row = tl.program_id(0).to(tl.int64)
    size = tl.num_programs(0).to(tl.int64) * segments
    lane = tl.arange(0, BLOCK)
    place = partials + row * segments + lane
    top = tl.load(place, mask=lane < segments, other=LOWEST)
    total = tl.load(place + size, mask=lane < segments, other=0.0)
    weighted = tl.load(place + 2 * size, mask=lane < segments, other=0.0)
    highest = tl.max(top, axis=0)
    shift = (top - highest) * k
    shrink = tl.exp2(shift)
    sum_of_powers = tl.sum(total * shrink, axis=0)
    sum_weighted = tl.sum((weighted + total * shift) * shrink, axis=0)
    log_sum = tl.log(sum_of_powers)
    chosen = tl.load(logits + row * row_stride + tl.load(targets + row)).to(tl.float32)
    tl.store(largest + row, highest)
    tl.store(log_sums + row, log_sum)
    tl.store(logprob + row, (chosen - highest) * scale - log_sum)
    tl.store(entropy + row, log_sum - sum_weighted / sum_of_powers * LN_2)


@triton.jit
def _derivative(tile, place, row, HAS_FLOOR: tl.constexpr, HAS_ENTROPY: tl.constexpr):
    """p (constant + slope · log p), and `peak` more at the target; 0 for what was cut off. `row`: see the kernel.

    The difference is taken before the factor, as in the statistics.
    """
    floor, target, scale, highest, log_sum, constant, slope, peak = row
    distance = tile - highest
    share = tl.exp2(tl.fma(distance, scale * LOG2_E, -log_sum * LOG2_E))
    if HAS_ENTROPY:
        # Else 0 · infinity where the logit is minus infinity.
        log_share = tl.maximum(tl.fma(distance, scale, -log_sum), LOWEST, propagate_nan=tl.PropagateNan.ALL)
        result = share * tl.fma(slope, log_share, constant)
    else:
        result = share * constant
    if HAS_FLOOR:
        result = tl.where(tile < floor, 0.0, result)
    return tl.where(place == target, result + peak, result)


@triton.jit
def _derivative_word(
    word, place, row, WIDTH: tl.constexpr, HAS_FLOOR: tl.constexpr, HAS_ENTROPY: tl.constexpr, ACCESS: tl.constexpr
):
    """The same for a word of one float32 or two bfloat16, the first of them at `place`."""
    if WIDTH == 4:
        value = _derivative(word.to(tl.float32, bitcast=True), place, row, HAS_FLOOR, HAS_ENTROPY)
        word = value.to(tl.uint32, bitcast=True)
    else:
        low = _derivative(low_half(word), place, row, HAS_FLOOR, HAS_ENTROPY)
        high = _derivative(high_half(word), place + 1, row, HAS_FLOOR, HAS_ENTROPY)
        word = pack_bf16(low, high, ACCESS == PTX)
    return word


@triton.jit
def gradient_kernel(
    logits,
    floors,
    targets,
    largest,
    log_sums,
    entropies,
    upstream_logprob,
    upstream_entropy,
    row_stride,
    columns,
    segments,
    scale,
    keep,
    SEGMENT: tl.constexpr,
    ROWS: tl.constexpr,
    GROUPS: tl.constexpr,
    WIDTH: tl.constexpr,
    HAS_FLOOR: tl.constexpr,
    HAS_ENTROPY: tl.constexpr,
    ACCESS: tl.constexpr,
):
    """Overwrite a segment with its derivative. Where both coefficients of the row are 0 nothing of it is read."""
    TILE: tl.constexpr = ROWS * GROUPS * WIDTH
    row = (tl.program_id(0) // segments).to(tl.int64)
    first = (tl.program_id(0) % segments) * SEGMENT
    last = tl.minimum(first + SEGMENT, columns)
    start = logits + row * row_stride
    within = tl.arange(0, ROWS)[:, None] * (GROUPS * WIDTH) + tl.arange(0, GROUPS)[None, :] * WIDTH
    inside = tl.arange(0, WIDTH)[:, None, None]
    strip = inside + tl.arange(0, GROUPS)[None, None, :] * WIDTH
    whole = (last - first) // TILE
    of_logprob = tl.load(upstream_logprob + row)
    of_entropy = tl.load(upstream_entropy + row) if HAS_ENTROPY else 0.0
    policy = keep_fraction(keep, ACCESS == PTX)

    if (of_logprob != 0.0) | (of_entropy != 0.0):
        highest = tl.load(largest + row)
        log_sum = tl.load(log_sums + row)
        entropy = tl.load(entropies + row)
        target = tl.load(targets + row).to(tl.int32)
        floor = tl.load(floors + row) if HAS_FLOOR else 0.0
        constant = -scale * (of_logprob + of_entropy * entropy)
        values = (floor, target, scale, highest, log_sum, constant, -scale * of_entropy, scale * of_logprob)
        for turn in range(whole):
            begin = first + turn * TILE + within
            if ACCESS == TILES:
                spot = begin[None, :, :] + inside
                tile = tl.load(start + spot).to(tl.float32)
                tile = _derivative(tile, spot, values, HAS_FLOOR, HAS_ENTROPY)
                tl.store(start + spot, tile.to(logits.dtype.element_ty))
            else:
                STEP: tl.constexpr = WIDTH // 4
                a, b, c, d = load_words(start + begin, policy, ACCESS == PTX)
                a = _derivative_word(a, begin, values, WIDTH, HAS_FLOOR, HAS_ENTROPY, ACCESS)
                b = _derivative_word(b, begin + STEP, values, WIDTH, HAS_FLOOR, HAS_ENTROPY, ACCESS)
                c = _derivative_word(c, begin + 2 * STEP, values, WIDTH, HAS_FLOOR, HAS_ENTROPY, ACCESS)
                d = _derivative_word(d, begin + 3 * STEP, values, WIDTH, HAS_FLOOR, HAS_ENTROPY, ACCESS)
                store_words(start + begin, a, b, c, d, policy, ACCESS == PTX)
        for begin in range(first + whole * TILE, last, GROUPS * WIDTH):
            place = begin + strip
            tile = tl.load(start + place, mask=place < last, other=LOWEST).to(tl.float32)
            tile = _derivative(tile, place, values, HAS_FLOOR, HAS_ENTROPY)
            tl.store(start + place, tile.to(logits.dtype.element_ty), mask=place < last)
    else:
        zeros = tl.zeros((WIDTH, ROWS, GROUPS), logits.dtype.element_ty)
        for turn in range(whole):
            tl.store(start + (first + turn * TILE + within[None, :, :] + inside), zeros)
        rest = tl.zeros((WIDTH, 1, GROUPS), logits.dtype.element_ty)
        for begin in range(first + whole * TILE, last, GROUPS * WIDTH):
            tl.store(start + begin + strip, rest, mask=begin + strip < last)
