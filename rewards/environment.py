"""What the environment of every process that runs rewards looks like."""

from __future__ import annotations

import os
from pathlib import Path

import grpo

SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")
NOT_SECRET = ("TOKENIZERS_PARALLELISM",)


def worker_environment(environment: dict[str, str]) -> dict[str, str]:
    """`environment` without variables whose names look like secrets, and with this package importable."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in NOT_SECRET or not any(word in name.upper() for word in SECRET_WORDS)
    }
    root = str(Path(grpo.__file__).resolve().parents[1])
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [kept.get("PYTHONPATH"), root]))
    kept["PYTHONUNBUFFERED"] = "1"  # so that an overrun still shows what was printed before it
    return kept
