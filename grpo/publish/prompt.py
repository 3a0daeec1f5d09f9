"""The chat template of an exported model: chat requests then give the very prompts that the model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpo.config.slices import DataConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACE = "{prompt}"
JOINED = "{% for message in messages %}{{ message['content'] }}{{ '' if loop.last else '\\n\\n' }}{% endfor %}"
"""Messages as plain text, as `PromptEncoder` writes them for a tokenizer without a chat template."""
LAST_MESSAGE = "{{ messages[-1]['content'] }}"


def trained_template(tokenizer: PreTrainedTokenizerBase, data: DataConfig) -> str:
    """The Jinja template for the prompts that `data` makes with this tokenizer.

    The tokenizer's own where the run used that. Else the run wrote plain text: `data.prompt_template` around the
    last message, or the messages joined. Servers add no special tokens to what a chat template writes, so the
    beginning-of-sequence token comes into the template where the tokenizer puts it before plain text.
    """
    if data.prompt_template is None and tokenizer.chat_template:
        return str(tokenizer.chat_template)
    begin = tokenizer.bos_token_id
    starts = begin is not None and tokenizer("1", add_special_tokens=True)["input_ids"][:1] == [begin]
    text = JOINED if data.prompt_template is None else _around(data.prompt_template)
    return ("{{ bos_token }}" if starts else "") + text


def _around(template: str) -> str:
    """Texts as Jinja string literals: outside of them Jinja trims line ends and reads braces."""
    return LAST_MESSAGE.join("{{ " + ascii(part) + " }}" if part else "" for part in template.split(PLACE))
