"""What the machine code of the head's kernels must contain, and what it must not: compiled for sm_90 without a GPU."""

from __future__ import annotations

from functools import cache

import pytest

from grpo.kernels.compile import Compiled, compile_kernel, count

pytest.importorskip("triton", reason="Triton is not installed")

TILES, PTX = 0, 2
LANES = {"bf16": 8, "fp32": 4}
"""Elements of 16 bytes."""
LOADS, WARPS = 4, 4
BOTH = pytest.mark.parametrize("access", [TILES, PTX], ids=["tiles", "ptx"])
DTYPES = pytest.mark.parametrize("dtype", LANES)
EX2, WIDE_LOAD, WIDE_STORE = r"MUFU\.EX2\b", r"LDG\.E\.\S*128\b", r"STG\.E\.\S*128\b"


def common(dtype: str, access: int, stride: str) -> dict[str, object]:
    """A vocabulary that 16 divides, as 151,936, in rows that it divides too, unless `stride` says otherwise."""
    sizes = {"SEGMENT": 32768, "ROWS": LOADS, "GROUPS": 32 * WARPS, "WIDTH": LANES[dtype], "ACCESS": access}
    types = {"logits": f"*{dtype}:16", "row_stride": stride, "columns": "i32:16", "segments": "i32", "keep": "fp32"}
    return types | sizes


@cache
def statistics(dtype: str, access: int, cut: bool = False, stride: str = "i64:16") -> Compiled:
    from grpo.kernels.token_logprob.triton_kernels import statistics_kernel

    own = {"floors": "*fp32:16" if cut else None, "partials": "*fp32:16", "k": "fp32", "HAS_FLOOR": cut}
    return compile_kernel(statistics_kernel, common(dtype, access, stride) | own, num_warps=WARPS)


@cache
def gradient(dtype: str, access: int, full: bool = False, stride: str = "i64:16") -> Compiled:
    """`full`: with a floor and the entropy's gradient."""
    from grpo.kernels.token_logprob.triton_kernels import gradient_kernel

    own: dict[str, object] = dict.fromkeys(("largest", "log_sums", "entropies", "upstream_logprob"), "*fp32:16")
    own |= dict.fromkeys(("floors", "upstream_entropy"), "*fp32:16" if full else None)
    own |= {"targets": "*i64:16", "scale": "fp32", "HAS_FLOOR": full, "HAS_ENTROPY": full}
    return compile_kernel(gradient_kernel, common(dtype, access, stride) | own, num_warps=WARPS, fuse=False)


def main_loop(found: Compiled) -> tuple[str, ...]:
    """The loop over whole tiles: of those with exponentials the first; the other is the ragged end's."""
    loop, _ = [loop for loop in found.loops if count(loop, EX2)]
    return loop


@BOTH
@pytest.mark.parametrize(("dtype", "full"), [("bf16", False), ("bf16", True), ("fp32", False)])
def test_nothing_is_spilled(dtype: str, access: int, full: bool) -> None:
    """At most 80 registers: 6 blocks of 128 threads or more on a multiprocessor of 65,536."""
    for found in (statistics(dtype, access, full), gradient(dtype, access, full)):
        assert found.spills == 0 and found.stack == 0
        assert found.registers <= 80


@BOTH
@DTYPES
def test_loop_of_the_statistics(dtype: str, access: int) -> None:
    """16-byte loads, one exponential an element and one a turn to rescale, and nothing between threads."""
    loop = main_loop(statistics(dtype, access))
    elements = LOADS * LANES[dtype]
    assert count(loop, EX2) == elements + 1
    assert count(loop, WIDE_LOAD) == count(loop, "LDG") == LOADS
    assert count(loop, r"SHFL|BAR|LDS|STS|STG|ATOM|RED") == 0
    assert len(loop) <= 10 * elements


@BOTH
@DTYPES
def test_loop_of_the_gradient(dtype: str, access: int) -> None:
    """16-byte loads and stores, packed conversions, and a power from one fused multiply-add."""
    found = gradient(dtype, access)
    loop, elements = main_loop(found), LOADS * LANES[dtype]
    assert count(loop, EX2) == elements
    assert count(loop, WIDE_LOAD) == count(loop, "LDG") == LOADS
    assert count(loop, WIDE_STORE) == count(loop, "STG") == LOADS
    assert count(loop, r"F2FP\.BF16\.F32\.PACK_AB") == (elements // 2 if dtype == "bf16" else 0)
    assert count(loop, "FFMA") == elements
    assert count(loop, r"SHFL|BAR|LDS|STS|ATOM|RED") == 0 and found.shared == 0
    assert len(loop) <= 11 * elements


def test_rows_without_coefficient_only_store() -> None:
    loops = [loop for loop in gradient("bf16", TILES).loops if not count(loop, EX2)]
    assert loops and all(count(loop, WIDE_STORE) == count(loop, "STG") > 0 for loop in loops)
    assert all(count(loop, r"LDG|LD\b") == 0 for loop in loops)


@DTYPES
def test_powers_have_no_slow_path(dtype: str) -> None:
    """An exponential that keeps subnormal results compares and rescales every argument."""
    for loop in (main_loop(statistics(dtype, TILES)), main_loop(gradient(dtype, TILES))):
        assert count(loop, r"FSETP|FSEL") == 0
    assert "ex2.approx.f32" not in statistics(dtype, TILES).ptx, "only with .ftz"


@DTYPES
def test_hints_are_there_with_ptx_and_only_then(dtype: str) -> None:
    """`.NA`: past the first-level cache; `.LTC256B`: 256 bytes into the second."""
    for kernel in (statistics, gradient):
        with_ptx, without = kernel(dtype, PTX), kernel(dtype, TILES)
        assert count(main_loop(with_ptx), r"LDG\.E\.NA\.LTC256B\.128") == LOADS
        assert without.count(r"(?:LDG|STG)\S*\.(?:NA|EF|EL|LTC)") == 0
        assert "createpolicy.fractional.L2::evict_last.L2::evict_first" in with_ptx.ptx
        assert "createpolicy" not in without.ptx and "cache_hint" not in without.ptx
    assert count(main_loop(gradient(dtype, PTX)), r"STG\.E\.NA\.128") == LOADS


def test_the_ptx_form_is_shorter() -> None:
    """Of bfloat16: shifts and masks of words where Triton extracts halves."""
    assert len(main_loop(statistics("bf16", PTX))) < len(main_loop(statistics("bf16", TILES)))
    assert len(main_loop(gradient("bf16", PTX))) < len(main_loop(gradient("bf16", TILES)))


def test_narrow_where_rows_are_not_aligned() -> None:
    """Why the buffer of logits pads its rows: all loads are of 2 bytes, and sums go between threads in every turn."""
    for kernel in (statistics, gradient):
        assert kernel("bf16", TILES, stride="i64").count(WIDE_LOAD) == 0


@BOTH
def test_a_vocabulary_of_one(access: int) -> None:
    """A launch makes a constant of every integer that is 1, which the interpreter does not."""
    from grpo.kernels.token_logprob.triton_kernels import combine_kernel, gradient_kernel, statistics_kernel

    ones = dict.fromkeys(("row_stride", "columns", "segments"), 1)
    types = common("fp32", access, "i64") | dict.fromkeys(
        ("partials", "largest", "log_sums", "entropies", "upstream_logprob", "logprob", "entropy"), "*fp32:16"
    )
    types |= {"targets": "*i64:16", "scale": "fp32", "k": "fp32", "HAS_FLOOR": False, "HAS_ENTROPY": False, "BLOCK": 1}
    types |= {"floors": None, "upstream_entropy": None} | ones
    for kernel in (statistics_kernel, combine_kernel, gradient_kernel):
        found = compile_kernel(kernel, {name: types[name] for name in kernel.arg_names}, num_warps=WARPS)
        assert found.spills == 0


@pytest.mark.parametrize("ptx", [False, True], ids=["plain", "ptx"])
def test_helpers_say_what_they_should(ptx: bool) -> None:
    from .ptx_samples import copy_words, pack_pairs, widen

    words = {"source": "*i32:16", "result": "*i32:16", "keep": "fp32", "GROUPS": 128, "PTX": ptx}
    pack = compile_kernel(pack_pairs, {"source": "*fp32:16", "result": "*i32:16", "BLOCK": 512, "PTX": ptx})
    copy = compile_kernel(copy_words, words)
    wide = compile_kernel(widen, words | {"source": "*bf16:16", "result": "*fp32:16", "WIDTH": 8})
    assert pack.count(r"F2FP\.BF16\.F32\.PACK_AB") == (4 if ptx else 0), "512 words over 128 threads"
    assert copy.count(r"LDG\.E\.NA\.LTC256B\.128") == copy.count(r"STG\.E\.NA\.128") == int(ptx)
    assert wide.count(r"LDG\.E\.NA\.LTC256B\.128") == int(ptx) and wide.spills == 0
