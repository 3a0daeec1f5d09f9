"""What of a config may be told to the public: names without their folders, text without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grpo.track.redact import environment_secrets, redact_text

FILE_SUFFIXES = frozenset({".csv", ".json", ".jsonl", ".parquet", ".py", ".safetensors", ".txt", ".yaml", ".yml"})
_FUNCTION_IN_FILE = re.compile(r"(?P<file>.+\.py):(?P<function>\w+)")
_ENDPOINT = re.compile(r"(?P<model>[^@\s]+)@https?://\S+")
_OTHER_SYSTEM = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def is_local(value: str) -> bool:
    """Whether a text is the path of a file or folder of this machine; hub ids such as `owner/name` are not."""
    match = _FUNCTION_IN_FILE.fullmatch(value)
    path = match["file"] if match else value
    if path.startswith(("/", "~", "./", "../")) or _OTHER_SYSTEM.match(path):
        return True
    if "\n" in path or len(path) > 1024 or "/" not in path:
        return False
    # os.path's answer for what no path can be, such as a long prompt, is no; pathlib raises.
    return Path(path).suffix.lower() in FILE_SUFFIXES or os.path.exists(path)


def public(value: Any) -> Any:
    """A copy of a nested config in which every local path is its last component alone (`rewards/mine.py:near`:
    `mine.py:near`), and a model at an endpoint the model alone: where it was served is nobody else's business."""
    if isinstance(value, Mapping):
        return {str(key): public(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [public(item) for item in value]
    if isinstance(value, str) and (match := _ENDPOINT.fullmatch(value)):
        return public(match["model"])
    if isinstance(value, str) and is_local(value):
        return re.split(r"[\\/]", value.rstrip("\\/"))[-1] or "root"
    return value


def without_secrets(text: str) -> str:
    """`text` without the values of the environment's secret-like variables."""
    return redact_text(text, environment_secrets())
