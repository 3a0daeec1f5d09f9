"""Low-rank adapters (Hu et al. 2021, LoRA): W + (alpha / rank) · B·A, the base frozen, only A and B trained.

peft puts them into the model in place, so the model stays the transformers class it was. Adapters are float32
whatever the base's precision: peft computes their product in float32 and rounds the sum to the base's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel

from grpo.config.slices import LoraConfig
from grpo.run.atomic import atomic_folder, flush_to_disk
from grpo.run.disk import require_free_bytes
from grpo.run.manifest import write_manifest
from grpo.run.state import PartState
from grpo.run.tensors import require_finite, stored_bytes

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
SLACK_BYTES = 64 * 1024
"""Room for the configuration and file headers."""
FINGERPRINTED = 256
"""Leading elements of each base tensor that tell one base from another."""


class Adapters:
    """The adapters of one model: what trains, what a checkpoint holds and what the sampler is sent."""

    def __init__(self, model: PreTrainedModel, config: LoraConfig, *, seed: int, base_name: str) -> None:
        """Put freshly initialised adapters (B = 0, so the function is unchanged) into `model` and freeze the rest.

        Args:
            model: a causal language model; its output head takes no adapter.
            config: rank, alpha and targets.
            seed: of the A matrices.
            base_name: where `adapter_config.json` says the base is.

        Raises:
            ValueError: peft is not installed, or a target names no linear layer; says what would be valid.
        """
        try:
            import peft
        except ImportError as error:
            raise ValueError(
                f"model.lora.rank={config.rank} needs peft: pip install 'grpo-trainer[lora]', or model.lora.rank=0"
            ) from error
        settings = peft.LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            target_modules=target_names(model, config.targets),
            lora_dropout=0.0,
            bias="none",
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._wrapped: Any = peft.get_peft_model(model, settings, autocast_adapter_dtype=True)
        settings.base_model_name_or_path = base_name  # peft has put the model's own there
        self.model = model
        self._adapted: dict[str, Any] = {
            _plain(name): module
            for name, module in model.named_modules()
            if isinstance(module, peft.tuners.lora.LoraLayer)
        }
        self._sent = _linear_layers_beside(model, set(self._adapted))
        self._base = self._fingerprint()

    def off(self) -> AbstractContextManager[None]:
        """Inside it the model is its base, exactly; on leaving, exceptions included, the adapters work again."""
        context: AbstractContextManager[None] = self._wrapped.disable_adapter()
        return context

    @torch.no_grad()
    def merged_weights(self, *, changed_only: bool = False) -> Iterator[tuple[str, torch.Tensor]]:
        """Every weight once, named as in the checkpoint, adapted ones merged one at a time as they are asked for.

        Args:
            changed_only: only the adapted layers and the linear layers beside them: engines fuse the layers of a
                block (queries, keys and values; gate and up) and take a block whole or not at all.
        """
        seen: set[int] = set()
        for name, parameter in self.model.named_parameters():
            plain = _plain(name)
            module, _, leaf = plain.rpartition(".")
            left_out = _is_adapter(name) or (changed_only and module not in self._sent)
            if left_out or parameter.data_ptr() in seen:
                continue
            seen.add(parameter.data_ptr())
            adapted = leaf == "weight" and module in self._adapted
            yield plain, _merge(self._adapted[module]) if adapted else parameter.detach()

    def save(self, folder: Path) -> None:
        """Write the adapters in PEFT's format, for `PeftModel.from_pretrained`, in one rename.

        Raises:
            ValueError: a weight is not finite; names it.
            DiskSpaceError: it would not fit; nothing was written.
        """
        from peft import get_peft_model_state_dict

        weights = get_peft_model_state_dict(self._wrapped, save_embedding_layers=False)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        require_finite(weights, f"adapters for {folder}")
        require_free_bytes(folder, stored_bytes(weights) + SLACK_BYTES)
        settings = self._wrapped.peft_config["default"]
        with atomic_folder(folder) as partial:
            save_file(weights, partial / WEIGHTS_FILE, metadata={"format": "pt"})
            settings.target_modules = sorted(settings.target_modules)  # a set, whose order changes from run to run
            settings.inference_mode = True  # as peft's own save does: a loaded adapter is not trained unless asked
            settings.save_pretrained(str(partial))
            settings.inference_mode = False
            for name in (WEIGHTS_FILE, CONFIG_FILE):
                (partial / name).chmod(0o644)
                flush_to_disk(partial / name)
            write_manifest(partial, [WEIGHTS_FILE, CONFIG_FILE], {"kind": "adapter"})

    def state(self) -> PartState:
        """A and B of every adapted layer, and which base they belong to."""
        return PartState(tensors=self._trained(), values={"base": self._base})

    def load_state(self, saved: PartState) -> None:
        """
        Raises:
            ValueError: saved on another base, or with other adapters.
        """
        if saved.values["base"] != self._base:
            raise ValueError("these adapters were saved on another base model: its weights are not those loaded now")
        own = self._trained()
        differing = sorted(
            name for name in own.keys() | saved.tensors.keys() if _kind(own, name) != _kind(saved.tensors, name)
        )
        if differing:
            raise ValueError(f"{len(differing)} adapter tensors are missing or differ in shape: {differing[:5]}")
        with torch.no_grad():
            for name, target in own.items():
                target.copy_(saved.tensors[name])

    def _trained(self) -> dict[str, torch.Tensor]:
        return {name: p.detach() for name, p in self.model.named_parameters() if _is_adapter(name)}

    def _fingerprint(self) -> str:
        """Names, shapes and first elements of the frozen weights: cheap, and another base differs in it."""
        digest = hashlib.sha256()
        for name, parameter in self.model.named_parameters():
            if not _is_adapter(name):
                digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
                head = parameter.detach().flatten()[:FINGERPRINTED].float().cpu()
                digest.update(head.numpy().tobytes())
        return digest.hexdigest()


def target_names(model: PreTrainedModel, targets: list[str]) -> list[str]:
    """The targets, checked; all linear layers of the decoder when there are none.

    Raises:
        ValueError: one is no end of a linear layer's name (such as `q_proj` or `mlp.up_proj`); lists the valid ones.
    """
    head = model.get_output_embeddings()
    found = [
        name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not head
    ]
    leaves = sorted({name.rpartition(".")[2] for name in found})
    if not leaves:
        raise ValueError(f"{type(model).__name__} has no linear layers to adapt; valid is model.lora.rank=0")
    unknown = [target for target in targets if not any(f".{name}".endswith(f".{target}") for name in found)]
    if unknown:
        raise ValueError(
            f"model.lora.targets={targets}: {', '.join(unknown)} names no linear layer of the decoder; "
            f"valid are {', '.join(leaves)}"
        )
    return targets or leaves


@torch.no_grad()
def _merge(layer: Any) -> torch.Tensor:
    """(out, in) W + scale · B·A in float32, rounded once to the base's dtype."""
    base = layer.get_base_layer().weight
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    merged: torch.Tensor = base.float() + layer.scaling["default"] * (b.float() @ a.float())
    return merged.to(base.dtype)


def _linear_layers_beside(model: PreTrainedModel, adapted: set[str]) -> set[str]:
    """Names of the adapted layers and of every linear layer with the same parent module."""
    blocks = {name.rpartition(".")[0] for name in adapted}
    linear = {
        _plain(name).removesuffix(".base_layer")
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not _is_adapter(name)
    }
    return {name for name in linear if name.rpartition(".")[0] in blocks}


def _is_adapter(name: str) -> bool:
    return ".lora_A." in name or ".lora_B." in name


def _plain(name: str) -> str:
    """The checkpoint's name of a module or parameter of the base."""
    return name.replace(".base_layer.", ".")


def _kind(tensors: Any, name: str) -> tuple[torch.Size, torch.dtype] | None:
    return (tensors[name].shape, tensors[name].dtype) if name in tensors else None
