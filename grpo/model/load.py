"""Loads a policy and its tokenizer; safetensors only, remote code never."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from grpo.config.slices import DataConfig, LoraConfig, ModelConfig
from grpo.data.prompts import PromptEncoder
from grpo.model.activations import set_activations
from grpo.model.lora import Adapters
from grpo.run.model_folder import require_model_folder, save_model
from grpo.update.attention import IMPLEMENTATIONS


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A causal language model in training precision and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    adapters: Adapters | None = None
    """What is trained of the model, when that is not all of it."""

    @property
    def end_token_ids(self) -> tuple[int, ...]:
        """Ids that end a completion: the generation config's, which engines stop at, else the model's."""
        found = getattr(self.model.generation_config, "eos_token_id", None) or self.model.config.eos_token_id
        return tuple(found) if isinstance(found, list) else (int(found),)

    def encoder(self, data: DataConfig, max_tokens: int) -> PromptEncoder:
        """Turns problems into ids for this model, completions of at most `max_tokens` to follow."""
        return PromptEncoder(
            self.tokenizer,
            data.system_prompt,
            self.context,
            max_tokens,
            self.end_token_ids,
            template=data.prompt_template,
        )

    @property
    def context(self) -> int:
        """Longest prompt plus completion, tokens."""
        return int(self.model.config.max_position_embeddings)

    def with_adapters(self, config: LoraConfig, seed: int, base_name: str) -> LoadedModel:
        """The same model with low-rank adapters in it; raises ValueError for targets it does not have."""
        return replace(self, adapters=Adapters(self.model, config, seed=seed, base_name=base_name))

    def save(self, folder: Path) -> None:
        """Write `model/` below `folder`, adapters merged into it, and `adapter/` beside it when there are any."""
        merged = None
        if self.adapters is not None:
            merged = {name: tensor.cpu() for name, tensor in self.adapters.merged_weights()}
            self.adapters.save(folder / "adapter")
        save_model(self.model, self.tokenizer, folder / "model", state_dict=merged)


disable_progress_bar()  # they belong to a person waiting for a download, not between a run's log lines

HUB_FILES = ("README.md", "*.json", "*.safetensors", "*.jinja", "*.model", "merges.txt", "vocab.txt")
"""What is fetched of a hub model: no pickled weights, no code; its card for the licence."""
LOADING_ARGUMENTS = ("is_local", "local_files_only")
"""Said while loading; transformers would write them into the tokenizer's files."""


def local_folder(name: str, revision: str | None) -> Path:
    """A local folder as it is; a hub id downloaded. Raises ValueError when neither can be had."""
    if Path(name).exists():
        return Path(name)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(f"model.name={name!r} is neither a local folder nor a model the hub gives: {error}") from error


def load_model(folder: Path, config: ModelConfig) -> LoadedModel:
    """Raises ValueError saying what the folder lacks."""
    require_model_folder(folder)
    model = AutoModelForCausalLM.from_pretrained(
        str(folder),
        dtype=getattr(torch, config.dtype),
        attn_implementation=IMPLEMENTATIONS[config.attention],
        use_safetensors=True,
        local_files_only=True,
    )
    set_activations(model, config.activations)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    for name in LOADING_ARGUMENTS:
        tokenizer.init_kwargs.pop(name, None)
    return LoadedModel(model, tokenizer)
