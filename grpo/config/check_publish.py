"""Whether the export's upload can work, and its licence be read, long before there is a model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec

from grpo.config.schema import ExportConfig

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Environment variables that may hold the hub's token, the first one set wins."""
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?")
_LICENSE = re.compile(r"[a-z0-9]+(?:[.+-][a-z0-9]+)*")


def publish_problems(path: str, stage: ExportConfig) -> Iterator[str]:
    """A repository that cannot be named so or reached, and a licence that is no identifier."""
    if stage.license is not None and not _LICENSE.fullmatch(stage.license):
        yield f"{path}.license={stage.license}: valid is a name as the hub has it: apache-2.0, mit, llama3.1, other"
    if stage.repo_id is None:
        return
    key, name = f"{path}.repo_id={stage.repo_id}", stage.repo_id
    if not _REPO.fullmatch(name) or len(name) > 96 or "--" in name or ".." in name or name.endswith(".git"):
        yield f"{key}: valid is owner/name, of letters, digits, '-', '_' and '.', at most 96 characters"
    if find_spec("huggingface_hub") is None:
        yield f"{key}: needs huggingface_hub, which is not installed; valid without it is null"
    if not any(os.environ.get(variable, "").strip() for variable in TOKEN_VARIABLES):
        yield f"{key}: needs a token with write access in the environment ({' or '.join(TOKEN_VARIABLES)}); "\
              "valid without one is null"  # fmt: skip
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE:
        yield f"{key}: HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it, or valid is null"
