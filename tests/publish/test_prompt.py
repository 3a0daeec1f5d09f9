"""A chat request to the exported model gives the ids that training had."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from grpo.config.slices import DataConfig, ScratchConfig
from grpo.data.prompts import PromptEncoder
from grpo.model.scratch import write_scratch_model
from grpo.publish.prompt import trained_template
from grpo.types import Message, Problem

TEMPLATES = [
    None,
    "Q: {prompt}\nA:",
    "{prompt}",
    "{% if a %}\"{prompt}\" \\n '{{ b }}' \U0001f600\n\n",
    "中文 {prompt}=",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scratch") / "model"
    write_scratch_model(ScratchConfig(tokenizer="bpe", layers=1), ["1+1=2 Q A"], 0, path)
    return path


def load(folder: Path, chat_template: str | None, bos: bool) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = chat_template
    if bos:
        from tokenizers.processors import TemplateProcessing

        begin = tokenizer.convert_tokens_to_ids("<think>")
        tokenizer.bos_token = "<think>"
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<think> $A", special_tokens=[("<think>", begin)]
        )
    return tokenizer


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("own", [None, "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}<|assistant|>"])
@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_chat_requests_are_encoded_as_in_training(
    folder: Path, template: str | None, own: str | None, bos: bool
) -> None:
    tokenizer = load(folder, own, bos)
    data = DataConfig(prompt_template=template)
    encoder = PromptEncoder(tokenizer, None, 128, 8, template=template)
    trained = encoder.encode(Problem(id="a", prompt="1+1= {x}\n", answer="2"))
    tokenizer.chat_template = trained_template(tokenizer, data)
    messages: list[Message] = [{"role": "user", "content": "1+1= {x}\n"}]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    assert tuple(asked["input_ids"]) == trained
    if bos and (own is None or template is not None):
        assert trained[0] == tokenizer.bos_token_id != trained[1]


def test_messages_without_a_template_are_joined(folder: Path) -> None:
    tokenizer = load(folder, None, False)
    messages: list[Message] = [{"role": "system", "content": "S"}, {"role": "user", "content": "1+1="}]
    trained = PromptEncoder(tokenizer, None, 128, 8).encode(Problem(id="a", prompt=messages, answer="2"))
    tokenizer.chat_template = trained_template(tokenizer, DataConfig())
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    assert tuple(asked["input_ids"]) == trained and tokenizer.decode(trained) == "S\n\n1+1="
