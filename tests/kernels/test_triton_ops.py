"""Runs `triton_ops_cases.py` under Triton's interpreter, and where there is a GPU on it, each in its own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed")
CASES = Path(__file__).with_name("triton_ops_cases.py")
SECONDS = 600
FEWEST = 90
"""Cases that must have passed; none may be skipped."""


def run_cases(interpret: bool) -> None:
    environment = os.environ | {"TRITON_INTERPRET": str(int(interpret)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    done = subprocess.run(
        command, cwd=CASES.parents[2], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    summary = done.stdout.splitlines()[-1]
    passed = re.search(r"(\d+) passed", summary)
    assert passed and int(passed[1]) >= FEWEST and "skipped" not in summary, summary


def test_under_the_interpreter() -> None:
    run_cases(interpret=True)


@pytest.mark.gpu
def test_on_the_gpu() -> None:
    run_cases(interpret=False)
