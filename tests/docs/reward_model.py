"""A tiny random reward model in Hugging Face format, and the example of docs/rewards.md that reads it."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Config, Qwen2ForSequenceClassification

from grpo.data.template import TAGS
from grpo.model.scratch import CHAT_TEMPLATE, EOS, PAD, ROLES, wrap_tokens
from tests.docs.test_docs import ROOT, fenced

SOURCE = next(block for block in fenced(ROOT / "docs" / "rewards.md", "python") if "class Preference" in block)
TOKENS = [PAD, EOS, *TAGS, *ROLES, *sorted(ByteLevel.alphabet())]
TOKENIZER = wrap_tokens(TOKENS, [], CHAT_TEMPLATE, 256)


def write_reward_model(folder: Path) -> Path:
    """A classifier of one output over bytes."""
    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=len(TOKENS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        num_labels=1,
        pad_token_id=TOKENIZER.pad_token_id,
        initializer_range=0.5,
    )
    Qwen2ForSequenceClassification(config).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder
