"""Uploads a model folder to the Hugging Face hub: `python -m grpo.publish.hub FOLDER OWNER/NAME`.

A run uploads in a process of its own, because requests to the hub have no deadline and cannot be interrupted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grpo.config.check_publish import TOKEN_VARIABLES
from grpo.publish.public import without_secrets
from grpo.run.manifest import MANIFEST, check_files, read_manifest

COMMAND: Sequence[str] = (sys.executable, "-m", "grpo.publish.hub")
DEADLINE_SECONDS = 3600.0
"""Most time for one upload: 100 GB at 30 MB/s."""
REPLACED = ("*.safetensors", "*.safetensors.index.json")
"""Removed from the hub when the new folder has no file of that name: weights cut into other parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How an upload ended."""

    repo_id: str
    ok: bool
    text: str
    """The address, or why it failed; without secrets."""

    def entry(self) -> dict[str, str]:
        """For `summary.json`."""
        status = {"status": "uploaded", "url": self.text} if self.ok else {"status": "failed", "error": self.text}
        return {"repo_id": self.repo_id, **status}


def push(folder: Path, repo_id: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> Published:
    """Upload in a process of its own. Never raises for a failed upload: the model on disk is the run's result."""
    command = [*COMMAND, str(folder), repo_id]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline_seconds, check=False)
    except subprocess.TimeoutExpired:
        return Published(repo_id=repo_id, ok=False, text=f"no answer within {deadline_seconds:g} s")
    except OSError as error:
        return Published(repo_id=repo_id, ok=False, text=without_secrets(f"cannot start: {error}"))
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    words = lines[-1] if lines else f"exit code {done.returncode}"
    return Published(repo_id=repo_id, ok=done.returncode == 0, text=without_secrets(words))


def upload(folder: Path, repo_id: str, environment: Mapping[str, str]) -> str:
    """Create the repository, private, where there is none, and send the files of the folder's manifest in one commit.

    A repository that exists keeps its visibility. Returns its address.

    Raises:
        ValueError: no token in the environment, or the folder is not the model that was exported.
        OSError: what huggingface_hub raises for the network, the token's rights and the hub's answers.
    """
    token = next((environment[name] for name in TOKEN_VARIABLES if environment.get(name)), None)
    if token is None:
        raise ValueError(f"no token in the environment; valid is one in {' or '.join(TOKEN_VARIABLES)}")
    manifest = read_manifest(folder)
    check_files(folder, manifest, nothing_else=False)
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    address = api.create_repo(repo_id, private=True, exist_ok=True)
    api.upload_folder(
        repo_id=repo_id,
        folder_path=folder,
        allow_patterns=[*sorted(manifest["files"]), MANIFEST],
        delete_patterns=list(REPLACED),
        commit_message="Upload the model of a training run",
    )
    return str(address)


def main(arguments: Sequence[str]) -> int:
    """Print the address, or a line on standard error; exit code 0, 1 after a failure, 2 for wrong arguments."""
    if len(arguments) != 2:
        print("usage: python -m grpo.publish.hub FOLDER OWNER/NAME", file=sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        print(upload(Path(arguments[0]), arguments[1], os.environ))
    except (ValueError, OSError) as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        print(without_secrets(line), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
