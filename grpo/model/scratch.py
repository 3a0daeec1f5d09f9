"""A small Qwen2 policy and its tokenizer, made from scratch in Hugging Face format.

What it writes is a plain model folder: `from_pretrained`, vLLM and the export treat it like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from grpo.config.schema import ScratchConfig
from grpo.data.template import TAGS
from grpo.run.model_folder import save_model
from grpo.run.random import derive_seed

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
ALPHABET = "0123456789+-*=;., "
PLAIN_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_scratch_model(config: ScratchConfig, texts: Iterable[str], seed: int, folder: Path) -> None:
    """Write a freshly initialised model and tokenizer to `folder`; `texts` train the `bpe` tokenizer."""
    tokenizer = _byte_pairs(texts, config) if config.tokenizer == "bpe" else _characters(config)
    torch.manual_seed(derive_seed(seed, "scratch model"))
    model = Qwen2ForCausalLM(_qwen2(config, tokenizer))
    save_model(model, tokenizer, folder)


def _qwen2(config: ScratchConfig, tokenizer: PreTrainedTokenizerFast) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.attention_heads,
        num_key_value_heads=config.key_value_heads,
        max_position_embeddings=config.context,
        tie_word_embeddings=config.tie_embeddings,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )


def _characters(config: ScratchConfig) -> PreTrainedTokenizerFast:
    vocabulary = {token: index for index, token in enumerate([PAD, EOS, UNKNOWN, *TAGS, *ALPHABET])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return _wrap(tokenizer, PLAIN_TEMPLATE, config.context)


def _byte_pairs(texts: Iterable[str], config: ScratchConfig) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    roles = ["<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        special_tokens=[PAD, EOS, UNKNOWN, *TAGS, *roles],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrap(tokenizer, CHAT_TEMPLATE, config.context)


def _wrap(tokenizer: Tokenizer, chat_template: str, context: int) -> PreTrainedTokenizerFast:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    wrapped.add_tokens(list(TAGS))
    wrapped.chat_template = chat_template
    return wrapped
