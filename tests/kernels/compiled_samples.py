"""Small kernels whose machine code is known, for the tests of the harness."""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# Triton reads annotations of parameters as types of its own, and its decorator has none.

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def exponentials(source, result, count, BLOCK: tl.constexpr, BASE_TWO: tl.constexpr):
    """result[i] = 2^source[i], or e^source[i], a block a turn."""
    for start in range(0, count, BLOCK):
        place = start + tl.arange(0, BLOCK)
        value = tl.load(source + place, mask=place < count, other=0.0).to(tl.float32)
        power = tl.exp2(value) if BASE_TWO else tl.exp(value)
        tl.store(result + place, power.to(result.dtype.element_ty), mask=place < count)
