"""Composing in this process, and the whole command in another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grpo.config.check import check
from grpo.config.errors import ConfigError
from grpo.config.load import ConfigSource, load_config

ROOT = Path(__file__).resolve().parents[2]


def refusal(*overrides: str, source: ConfigSource | None = None) -> str:
    """The message a config is refused with; fails when it is accepted."""
    with pytest.raises(ConfigError) as caught:
        check(load_config(overrides, source or ConfigSource()))
    return str(caught.value)


def grpo(*arguments: str, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """`python -m grpo` as a user runs it, from another folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "grpo", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)
