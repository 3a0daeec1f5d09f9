"""A small Qwen2 policy and its tokenizer, made from scratch in Hugging Face format.

What it writes is a plain model folder: `from_pretrained`, vLLM and the export treat it like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from grpo.config.slices import ScratchConfig
from grpo.data.template import TAGS
from grpo.run.model_folder import save_model
from grpo.run.random import derive_seed

PAD, EOS = "<pad>", "<eos>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
PLAIN_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_scratch_model(config: ScratchConfig, texts: Iterable[str], seed: int, folder: Path) -> None:
    """Write a freshly initialised model and tokenizer to `folder`; `texts` train the `bpe` tokenizer."""
    tokenizer = _byte_pairs(texts, config) if config.tokenizer == "bpe" else _bytes(config)
    torch.manual_seed(derive_seed(seed, "scratch model"))
    model = Qwen2ForCausalLM(_qwen2(config, tokenizer))
    save_model(model, tokenizer, folder)


def _qwen2(config: ScratchConfig, tokenizer: Qwen2Tokenizer) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.attention_heads,
        num_key_value_heads=config.key_value_heads,
        max_position_embeddings=config.context,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tie_embeddings,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )


def _bytes(config: ScratchConfig) -> Qwen2Tokenizer:
    return wrap_tokens([PAD, EOS, *TAGS, *sorted(ByteLevel.alphabet())], [], PLAIN_TEMPLATE, config.context)


def _byte_pairs(texts: Iterable[str], config: ScratchConfig) -> Qwen2Tokenizer:
    """Trained with Qwen2's own way of cutting text into words, which the merges must fit."""
    trained = Tokenizer(BPE())
    trained.pre_tokenizer = Qwen2Tokenizer().backend_tokenizer.pre_tokenizer
    trainer = BpeTrainer(
        vocab_size=config.vocab_size,
        special_tokens=[PAD, EOS, *TAGS, *ROLES],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    return wrap_tokens(sorted(model["vocab"], key=model["vocab"].get), merges, CHAT_TEMPLATE, config.context)


def wrap_tokens(
    tokens: Sequence[str], merges: list[tuple[str, str]], chat_template: str, context: int
) -> Qwen2Tokenizer:
    """`AutoTokenizer` loads every Qwen2 folder as a Qwen2Tokenizer, so it has to be one from the start."""
    tokenizer = Qwen2Tokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        unk_token=PAD,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=context,
    )
    tags = [token for token in (*TAGS, *ROLES) if token in tokens]
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in tags])
    assert len(tokenizer) == len(tokens), (len(tokenizer), len(tokens))
    tokenizer.chat_template = chat_template
    return tokenizer
