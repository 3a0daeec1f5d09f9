from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from tokenizers.decoders import Fuse
from transformers import PreTrainedTokenizerFast

from grpo.data.prompts import PromptEncoder, PromptTooLongError
from grpo.types import Problem

BOS, EOS = 0, 1
WORDS = ["<s>", "</s>", "<pad>", "<u>", "<a>", "<y>", "<think>", "</think>", "<answer>", "</answer>"]
ALPHABET = [*WORDS, *"abcdefgh0123456789+= \n"]
CHAT = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "{{ {'user': '<u>', 'assistant': '<a>', 'system': '<y>'}[m['role']] }}{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<a>{% endif %}"
)


def tokenizer(chat_template: str | None = None, single: str = "<s> $A") -> PreTrainedTokenizerFast:
    """One token per character, with a beginning-of-sequence token that plain text gets by itself."""
    inner = Tokenizer(models.WordLevel({word: index for index, word in enumerate(ALPHABET)}, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = Fuse()
    inner.post_processor = processors.TemplateProcessing(single=single, special_tokens=[("<s>", BOS), ("</s>", EOS)])
    made = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    made.add_tokens(WORDS[3:])
    made.chat_template = chat_template
    return made


def spelled(*words: str) -> tuple[int, ...]:
    return tuple(ALPHABET.index(word) for word in words)


def problem(prompt: Any = "1+1=", **changes: Any) -> Problem:
    return Problem(**({"id": "train/3", "prompt": prompt, "answer": "2"} | changes))


def encoder(made: PreTrainedTokenizerFast, system: str | None = None, **changes: Any) -> PromptEncoder:
    return PromptEncoder(made, system, **({"context": 40, "max_tokens": 8} | changes))


def test_plain_text_begins_once() -> None:
    plain = encoder(tokenizer())
    assert plain.encode(problem()) == spelled("<s>", "1", "+", "1", "=")
    assert plain.encode(problem("<s>1+1=")) == spelled("<s>", "1", "+", "1", "=")
    assert encoder(tokenizer(), system="ab").encode(problem("1")) == spelled("<s>", "a", "b", "\n", "\n", "1")


def test_a_tokenizer_that_ends_texts_leaves_prompts_open() -> None:
    assert encoder(tokenizer(single="<s> $A </s>")).encode(problem("1+")) == spelled("<s>", "1", "+")


def test_a_template_of_the_run_stands_for_the_chat_template() -> None:
    """Plain text, with the beginning-of-sequence token plain text gets."""
    plain = encoder(tokenizer(CHAT), template="a{prompt}b")
    assert plain.encode(problem("1+")) == spelled("<s>", "a", "1", "+", "b")
    assert plain.encode(problem(({"role": "user", "content": "1"},))) == spelled("<s>", "a", "1", "b")
    shown = problem("1", demonstration="<think>1</think><answer>2</answer>")
    assert plain.encode_demonstration(shown)[0] == spelled("<s>", "a", "1", "b")
    with pytest.raises(ValueError, match="'train/3' is a conversation of 2 messages"):
        plain.encode(problem(({"role": "user", "content": "1"}, {"role": "assistant", "content": "2"})))


def test_chat_template_writes_its_own_special_tokens() -> None:
    chat = encoder(tokenizer(CHAT))
    assert chat.encode(problem("1")) == spelled("<s>", "<u>", "1", "<a>")
    assert encoder(tokenizer(CHAT, single="<s> $A </s>")).encode(problem("1")) == spelled("<s>", "<u>", "1", "<a>")
    turns = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"})
    assert chat.encode(problem(turns)) == spelled("<s>", "<u>", "a", "<a>", "b", "<u>", "c", "<a>")
    system = encoder(tokenizer(CHAT), system="h")
    assert system.encode(problem("1")) == spelled("<s>", "<y>", "h", "<u>", "1", "<a>")


def test_prompts_the_template_cannot_take() -> None:
    with pytest.raises(ValueError, match="'train/3' has a system message of its own"):
        encoder(tokenizer(CHAT), system="h").encode(problem(({"role": "system", "content": "a"},)))
    with pytest.raises(ValueError, match="'train/3': the model's chat template refuses it: no tools"):
        encoder(tokenizer(CHAT)).encode(problem(({"role": "tool", "content": "a"},)))


def test_length_is_measured_after_the_template() -> None:
    chat = encoder(tokenizer(CHAT), context=12, max_tokens=8)
    assert len(chat.encode(problem("1"))) == 4
    with pytest.raises(PromptTooLongError, match="'train/3': a prompt of 5 tokens and a completion of 8 exceed"):
        chat.encode(problem("12"))


def test_problems_that_do_not_fit() -> None:
    chat = encoder(tokenizer(CHAT), context=12, max_tokens=8)
    good, long = problem("1", id="good"), problem("12", id="long")
    assert chat.keep_fitting([good], "fail") == ([good], [])
    fitting, [misfit] = chat.keep_fitting([long, good], "skip")
    assert fitting == [good] and misfit.problem_id == "long" and "prompt of 5 tokens" in misfit.reason
    with pytest.raises(ValueError, match=r"1 of 2 problems are too long:\n  problem 'long'"):
        chat.keep_fitting([long, good], "fail")
    with pytest.raises(ValueError, match="2 of 2 problems are too long"):
        chat.keep_fitting([long, long], "skip")


def test_demonstrations_are_tokenised_apart_and_ended() -> None:
    shown = problem("1", demonstration="<think>a</think><answer>2</answer>")
    prompt, completion = encoder(tokenizer(CHAT)).encode_demonstration(shown)
    assert prompt == spelled("<s>", "<u>", "1", "<a>")
    assert completion == spelled("<think>", "a", "</think>", "<answer>", "2", "</answer>", "</s>")
    ended = encoder(tokenizer(), end_token_ids=[5, EOS]).encode_demonstration(shown)[1]
    assert ended[-1] == 5 and ended[0] == ALPHABET.index("<think>")  # no beginning-of-sequence token inside
    with pytest.raises(PromptTooLongError, match="a prompt of 4 tokens and a demonstration of 7 exceed"):
        encoder(tokenizer(CHAT), context=10).encode_demonstration(shown)
    with pytest.raises(ValueError, match="'train/3' has no demonstration"):
        encoder(tokenizer()).encode_demonstration(problem())


def test_decoding_drops_one_final_end_and_nothing_else() -> None:
    plain = encoder(tokenizer())
    text = spelled("<think>", "a", " ", "</think>", "<answer>", "2", "</answer>")
    assert plain.decode((*text, EOS)) == "<think>a </think><answer>2</answer>"
    assert plain.decode(text) == "<think>a </think><answer>2</answer>"
    assert plain.decode((EOS, *text[-3:], EOS, EOS)) == "</s><answer>2</answer></s>"
    assert plain.decode((EOS,)) == "" and plain.decode(()) == ""
    several = encoder(tokenizer(), end_token_ids=[EOS, 2])
    assert several.decode((*spelled("a"), 2)) == "a"


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="max_tokens 40 must be positive and below the context of 40"):
        encoder(tokenizer(), max_tokens=40)
    endless = tokenizer()
    endless.eos_token = None
    with pytest.raises(ValueError, match="needs an eos_token"):
        encoder(endless)
