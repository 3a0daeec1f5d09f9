"""Runs `triton_cases.py` under the interpreter, and where there is a GPU on it; reads the machine code for sm_90."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from grpo.kernels.compile import Compiled, compile_kernel

pytest.importorskip("triton", reason="Triton is not installed")
CASES = Path(__file__).with_name("triton_cases.py")
SECONDS = 300


def run_cases(interpret: bool) -> None:
    environment = os.environ | {"TRITON_INTERPRET": str(int(interpret)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    done = subprocess.run(
        command, cwd=CASES.parents[3], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "10 passed, 1 skipped" in done.stdout if interpret else "21 passed" in done.stdout, done.stdout[-500:]


def test_under_the_interpreter() -> None:
    run_cases(interpret=True)


@pytest.mark.gpu
def test_on_the_gpu() -> None:
    run_cases(interpret=False)


@cache
def compiled(bfloat16: bool, ptx: bool) -> Compiled:
    from grpo.kernels.adamw.triton_kernel import compact_adamw_kernel
    from grpo.kernels.adamw.triton_update import ROWS, WARPS

    numbers = ("first_factor", "first_gain", "beta2", "second_gain", "root_scale", "eps", "keep", "rate")
    pattern = "*i16:16" if bfloat16 else "*fp32:16"
    arguments: dict[str, object] = dict.fromkeys(numbers, "fp32")
    arguments |= {"weight_ptr": pattern, "grad_ptr": pattern, "residual_ptr": "*i8:16", "first_ptr": "*i8:16"}
    arguments |= {"second_ptr": "*u8:16", "first_scale_ptr": "*fp32:16", "second_scale_ptr": "*fp32:16"}
    arguments |= {"count": "i32:16", "start": "i32:16", "key0": "i32", "key1": "i32"}
    arguments |= {"RESIDUAL": bfloat16, "GRAD_PATTERN": bfloat16, "PTX": ptx, "ROWS": ROWS}
    return compile_kernel(compact_adamw_kernel, arguments, num_warps=WARPS)


@pytest.mark.parametrize("ptx", [False, True])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_nothing_is_spilled_and_every_state_is_touched_once(bfloat16: bool, ptx: bool) -> None:
    """80 registers or fewer: 6 blocks of 128 threads on a multiprocessor. 8 elements a thread, 8 loads at most."""
    found = compiled(bfloat16, ptx)
    assert found.spills == 0 and found.stack == 0 and found.registers <= 80
    assert found.count("LDG") <= 8 and found.count("STG") <= 8
    assert found.count(r"LDG\.E\.\S*128") >= 2, "weight and gradient come in 16-byte loads"


def test_the_written_out_packing_is_there() -> None:
    """4 pairs and 2 quadruples a thread: 4 + 2·3 of them. Without it the compiler already packs with as many."""
    assert compiled(True, True).ptx.count("0x7632") + compiled(True, True).ptx.count("0x0051") == 4 + 2 * 2
    assert compiled(True, False).ptx.count("0x0051") == 0
    assert compiled(True, True).ptx.count("prmt.b32") <= compiled(True, False).ptx.count("prmt.b32")
