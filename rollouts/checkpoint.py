"""What a Hugging Face model folder says about its weights and its end-of-sequence tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo.rollouts.engine import EngineError

if TYPE_CHECKING:
    import torch

HEAD = "lm_head.weight"
"""The output head's name; absent from checkpoints that share it with the input embedding."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Names and shapes of the weights in a model folder, and its end-of-sequence tokens."""

    shapes: dict[str, tuple[int, ...]]
    eos_token_ids: tuple[int, ...]
    vocab_size: int

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """ValueError when the folder is no complete safetensors checkpoint or names no end-of-sequence token."""
        config = _read_json(folder / "config.json")
        if not config:
            raise ValueError(f"{folder} is no model folder: config.json is missing")
        return cls(_shapes(folder), _eos_token_ids(folder, config), int(config["vocab_size"]))

    def checked(
        self, named_tensors: Iterable[tuple[str, torch.Tensor]], *, partial: bool = False
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """The same pairs; EngineError at an unknown name or wrong shape, and at the end when some are missing."""
        given: set[str] = set()
        for name, tensor in named_tensors:
            if name not in self.shapes:
                if name == HEAD:
                    continue  # tied: a state dict lists the shared matrix twice, the checkpoint once
                raise EngineError(f"weight update: {name!r} is not in the checkpoint the engine was started on")
            if tuple(tensor.shape) != self.shapes[name]:
                raise EngineError(
                    f"weight update: {name!r} has shape {tuple(tensor.shape)}, the checkpoint {self.shapes[name]}"
                )
            given.add(name)
            yield name, tensor
        needed = self.beside(given) if partial else set(self.shapes)
        missing = sorted(needed - given)
        if missing:
            some = ", ".join(missing[:5])
            block = ", which a partial update needs: linear layers of a block come together" if partial else ""
            raise EngineError(f"weight update: {len(missing)} of {len(needed)} tensors are missing: {some}{block}")

    def beside(self, names: Iterable[str]) -> set[str]:
        """Weights and biases of every linear layer in the blocks (parent modules) of the linear layers in `names`."""
        linear = {_parent(name) for name, shape in self.shapes.items() if len(shape) == 2}
        blocks = {_parent(_parent(name)) for name in names if _parent(name) in linear}
        return {name for name in self.shapes if _parent(name) in linear and _parent(_parent(name)) in blocks}


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder} holds no safetensors weights: save the model with save_pretrained")
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        with safe_open(str(file), framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  not a mapping
                shapes[name] = tuple(tensors.get_slice(name).get_shape())
    return shapes


def _eos_token_ids(folder: Path, config: dict[str, Any]) -> tuple[int, ...]:
    """`generation_config.json` rules, then `config.json`: the order in which transformers' generate looks."""
    for source in (_read_json(folder / "generation_config.json"), config):
        found = source.get("eos_token_id")
        if found is not None:
            return tuple(found) if isinstance(found, list) else (int(found),)
    raise ValueError(f"{folder} names no end-of-sequence token: set eos_token_id in config.json")


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}
