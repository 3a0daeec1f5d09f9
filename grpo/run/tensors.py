"""Tensors in safetensors files: checked finite, shared storage written once, never pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from grpo.run.atomic import flush_to_disk

CHECKED_ELEMENTS = 2**20
ALIASES = "aliases"
"""Metadata key: JSON object from a name that is not stored to the stored name it shares memory with."""


def require_finite(tensors: Mapping[str, torch.Tensor], what: str) -> None:
    """Check every floating-point tensor.

    Raises:
        ValueError: names the first tensor with a NaN or an infinity, and how many of its values are bad.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() or tensor.is_complex():
            # In slices: a sum over bools has an int64 copy of them, eight bytes an element.
            parts = torch.split(tensor.reshape(-1), CHECKED_ELEMENTS)
            bad = sum([int((~torch.isfinite(part)).sum()) for part in parts])
            if bad:
                raise ValueError(f"{what}: tensor {name!r} has {bad} of {tensor.numel()} values that are not finite")


def stored_bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    """Bytes the tensors take on disk, shared ones counted once."""
    kept, _ = _split_aliases(tensors)
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write and flush one file. A tensor that is the same memory as an earlier one is recorded as its alias.

    Raises:
        SafetensorError: the file cannot be written (safetensors' own type, also for a full disk).
    """
    kept, aliases = _split_aliases(tensors)
    # A copy of each view, because safetensors refuses tensors that overlap; contiguous ones are not copied.
    owned = {name: _own_storage(tensor) for name, tensor in kept.items()}
    save_file(owned, path, metadata={ALIASES: json.dumps(aliases, sort_keys=True)})
    path.chmod(0o644)
    flush_to_disk(path)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a file written by `write_tensors`, on CPU; aliases come back as the same tensor object."""
    with safe_open(path, framework="pt", device="cpu") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  the handle is no mapping
        aliases = json.loads((file.metadata() or {}).get(ALIASES, "{}"))
    return tensors | {name: tensors[stored] for name, stored in aliases.items()}


def _split_aliases(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    kept: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, tensor in sorted(tensors.items()):
        view = (tensor.device, tensor.dtype, tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
        if tensor.numel() and view in seen:
            aliases[name] = seen[view]
        else:
            seen[view] = name
            kept[name] = tensor
    return kept, aliases


def _own_storage(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach()
    whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone(memory_format=torch.contiguous_format)
