from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from grpo.config.slices import ScratchConfig
from grpo.data.template import TAGS
from grpo.model.scratch import write_scratch_model

SHAPE = {"hidden_size": 32, "layers": 1, "attention_heads": 2, "key_value_heads": 1, "intermediate_size": 64}
TEXTS = ["Natalia sold 48 clips in April.", "<think>7+5=12;12-3=9</think><answer>9</answer>", "naïve € 你好"] * 20


def written(folder: Path, seed: int = 0, **more: object) -> PreTrainedTokenizerBase:
    write_scratch_model(ScratchConfig(**SHAPE, **more), TEXTS, seed, folder)  # type: ignore[arg-type]
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("tokenizer", ["bytes", "bpe"])
def test_tokenizer_survives_auto_tokenizer(tokenizer: str, tmp_path: Path) -> None:
    """transformers picks the tokenizer class by model type; text comes back whole, tags are single tokens."""
    loaded = written(tmp_path / "one", tokenizer=tokenizer, vocab_size=300)
    for text in TEXTS[:3]:
        ids = loaded(text)["input_ids"]
        assert loaded.decode(ids) == text
        assert all(0 <= index < len(loaded) for index in ids)
    assert len(loaded(TEXTS[1])["input_ids"]) <= len("7+5=12;12-3=9") + 1 + len(TAGS)
    assert loaded.eos_token == "<eos>" and loaded.pad_token == "<pad>"
    loaded.save_pretrained(tmp_path / "two")
    again = AutoTokenizer.from_pretrained(tmp_path / "two")
    assert [again(text)["input_ids"] for text in TEXTS] == [loaded(text)["input_ids"] for text in TEXTS]


def test_bpe_learns_merges(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain", tokenizer="bytes")
    merged = written(tmp_path / "merged", tokenizer="bpe", vocab_size=300)
    assert len(merged) == 300
    assert len(merged(TEXTS[0])["input_ids"]) < 0.7 * len(plain(TEXTS[0])["input_ids"])


def test_template_is_applied(tmp_path: Path) -> None:
    turn = [{"role": "user", "content": "7+5="}]
    plain = written(tmp_path / "plain", tokenizer="bytes")
    assert plain.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) == "7+5="
    chat = written(tmp_path / "chat", tokenizer="bpe", vocab_size=300)
    assert chat.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) == "<|user|>7+5=\n<|assistant|>"


def test_seed_decides_the_weights(tmp_path: Path) -> None:
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        written(tmp_path / name, seed)
        model = AutoModelForCausalLM.from_pretrained(tmp_path / name)
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert model.config.vocab_size == 262 and model.config.eos_token_id == 1
