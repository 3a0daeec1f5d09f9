"""Writes an untrained model folder: `python -m benchmarks.memory_model CONFIG_JSON FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoConfig, AutoModelForCausalLM

from grpo.data.template import TAGS
from grpo.model.scratch import EOS, PAD, PLAIN_TEMPLATE, wrap_tokens
from grpo.run.model_folder import save_model


def main(described: str, folder: str) -> None:
    """The tokenizer is of bytes; tokens that never occur fill its vocabulary up to the model's."""
    values = json.loads(described)
    known = [PAD, EOS, *TAGS, *sorted(ByteLevel.alphabet())]
    filler = [f"<filler{index}>" for index in range(values["vocab_size"] - len(known))]
    context = values["max_position_embeddings"]
    tokenizer = wrap_tokens([*known, *filler], [], PLAIN_TEMPLATE, context)
    config = AutoConfig.for_model(
        **values, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None
    )
    torch.manual_seed(0)
    save_model(AutoModelForCausalLM.from_config(config), tokenizer, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
