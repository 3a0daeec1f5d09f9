"""The harness sees what it should in code whose content is known."""

from __future__ import annotations

import pytest

from grpo.kernels.compile import Compiled, compile_kernel, count

triton = pytest.importorskip("triton", reason="Triton is not installed")


def compiled(**changes: object) -> Compiled:
    from .compiled_samples import exponentials

    arguments = {"source": "*bf16:16", "result": "*bf16:16", "count": "i32:16", "BLOCK": 1024, "BASE_TWO": True}
    return compile_kernel(exponentials, arguments | changes)


def test_opcodes_registers_and_loops() -> None:
    """1024 elements over 128 threads: to each 16-byte load 8 exponentials and 4 packed conversions, unrolled or not."""
    found = compiled()
    loads = found.count(r"LDG\.E\.\S*128")
    assert loads >= 1 and found.count("LDG") == loads and found.count(r"STG\.E\.\S*128") == loads
    assert found.count(r"MUFU\.EX2") == 8 * loads and found.count(r"F2FP\.BF16") == 4 * loads
    assert 8 < found.registers < 64 and found.stack == 0 and found.spills == 0 and found.shared == 0
    assert "ex2.approx" in found.ptx
    assert all(count(loop, r"MUFU\.EX2") == 8 * count(loop, "LDG") for loop in found.loops)
    assert len(found.loops) >= 1 and all(len(loop) < len(found.instructions) for loop in found.loops)


def test_unaligned_arguments_give_narrow_loads() -> None:
    found = compiled(source="*bf16")
    assert found.count(r"LDG\.E\.\S*128") == 0 and found.count(r"LDG\.E\.U16") >= 8


def test_the_base_of_the_exponential_shows() -> None:
    """e^x needs a multiplication by log2(e) before the same instruction."""
    assert compiled(BASE_TWO=False).count("FMUL") >= compiled().count("FMUL") + 8


def test_misuse_is_refused() -> None:
    from .compiled_samples import exponentials

    with pytest.raises(ValueError, match="must name"):
        compile_kernel(exponentials, {"source": "*bf16"})
    with pytest.raises(ValueError, match="TRITON_INTERPRET"):
        compile_kernel(len, {})
