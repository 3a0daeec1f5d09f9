"""Model folders in Hugging Face format: written whole or not at all, and checked before anything loads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from grpo.run.atomic import atomic_folder, flush_to_disk
from grpo.run.disk import require_free_bytes
from grpo.run.manifest import MANIFEST, check_files, read_manifest, write_manifest

if TYPE_CHECKING:
    import torch

SLACK_BYTES = 32 * 1024 * 1024
"""Room for the tokenizer and the configuration files."""
INDEX = "model.safetensors.index.json"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def save_model(
    model: Any,
    tokenizer: Any | None,
    folder: Path,
    *,
    state_dict: Mapping[str, torch.Tensor] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Write `model` (and its tokenizer) to `folder` with a manifest, replacing what is there in one rename.

    Args:
        model: a transformers `PreTrainedModel`.
        tokenizer: a transformers tokenizer; None writes the weights alone.
        folder: where `from_pretrained` will find it.
        state_dict: full weights to write instead of the model's own, for a model that is sharded.
        texts: further files by name, UTF-8, such as the model card.

    Raises:
        ValueError: a weight is not finite; names it.
        DiskSpaceError: it would not fit; nothing was written.
        OSError, SafetensorError: writing failed; what was there before is intact.
    """
    from grpo.run.tensors import require_finite, stored_bytes

    weights = dict(model.state_dict() if state_dict is None else state_dict)
    require_finite(weights, f"model for {folder}")
    require_free_bytes(folder, stored_bytes(weights) + SLACK_BYTES)
    with atomic_folder(folder) as partial:
        model.save_pretrained(partial, state_dict=weights)
        if tokenizer is not None:
            tokenizer.save_pretrained(partial)
        for name, text in (texts or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
        names = sorted(str(path.relative_to(partial)) for path in partial.rglob("*") if path.is_file())
        for name in names:
            (partial / name).chmod(0o644)
            flush_to_disk(partial / name)
        write_manifest(partial, [name for name in names if "/" not in name], {"kind": "model"})
    return folder


def require_model_folder(path: Path) -> None:
    """Check, without loading it, that a local folder holds a complete model in safetensors format.

    Where the folder has our manifest, the weights must also have its checksums; other files may have been edited.

    Raises:
        ValueError: it does not; says exactly what is missing or damaged, and what would be valid.
    """
    if not path.is_dir():
        raise ValueError(f"model folder {path} is not a folder; valid: a folder with config.json and *.safetensors")
    if not isinstance(_json_file(path / "config.json"), dict):
        raise ValueError(f"{path / 'config.json'} is not a JSON object")
    for name in _weight_files(path):
        try:
            with safe_open(path / name, framework="numpy"):
                pass
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path / name} is not a complete safetensors file: {error}") from error
    if (path / MANIFEST).exists():
        manifest = read_manifest(path)
        weights = {name: entry for name, entry in manifest["files"].items() if name.endswith(".safetensors")}
        check_files(path, manifest | {"files": weights}, nothing_else=False)


def _weight_files(path: Path) -> list[str]:
    if (path / INDEX).exists():
        index = _json_file(path / INDEX)
        shards = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(shards, dict) or not shards:
            raise ValueError(f"{path / INDEX} has no weight_map")
        names = sorted({str(name) for name in shards.values()})
        for name in names:
            if Path(name).name != name:
                raise ValueError(f"{path / INDEX} names {name!r}, outside the folder")
            if not (path / name).is_file():
                raise ValueError(f"{path / name} is missing: the index lists it as one of {len(names)} weight files")
        return names
    found = sorted(file.name for file in path.glob("*.safetensors"))
    if found:
        return found
    pickled = sorted(file.name for pattern in PICKLED for file in path.glob(pattern))
    if pickled:
        raise ValueError(
            f"{path} has its weights only as {pickled[0]}, a pickle, which is refused because loading it can run code; "
            "convert it to safetensors first"
        )
    raise ValueError(f"{path} has no weights; valid: model.safetensors, or {INDEX} with its parts")


def _json_file(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
