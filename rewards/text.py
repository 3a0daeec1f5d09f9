"""Reading a completion: linear scans only, so that no text the model writes can be slow to read."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.types import Message

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"


def completion_text(completion: str | Sequence[Message]) -> str:
    """The text of a plain completion, or of the turns of a conversational one."""
    if isinstance(completion, str):
        return completion
    return "".join(message["content"] for message in completion)


def final_answer(text: str) -> str | None:
    """Content of the one `<answer>…</answer>` block after the reasoning, or None.

    The reasoning ends at the last `</think>`; without one the whole text is searched. No answer is found in
    reasoning that was never closed, nor when a tag of the block occurs twice, is missing or out of order.
    """
    after_reasoning = text[text.rfind(THINK_CLOSE) + len(THINK_CLOSE) :] if THINK_CLOSE in text else text
    if THINK_OPEN in after_reasoning:
        return None
    if after_reasoning.count(ANSWER_OPEN) != 1 or after_reasoning.count(ANSWER_CLOSE) != 1:
        return None
    start = after_reasoning.index(ANSWER_OPEN) + len(ANSWER_OPEN)
    end = after_reasoning.index(ANSWER_CLOSE)
    return after_reasoning[start:end] if start <= end else None


def reasoning_text(text: str, *, opened: bool = False) -> str | None:
    """What stands between the first `<think>` and the last `</think>`, or None when the reasoning was never closed.

    Without a `<think>` before that, and with `opened` (the prompt ended with it), the reasoning begins at the start.
    """
    end = text.rfind(THINK_CLOSE)
    if end < 0:
        return None
    start = -1 if opened else text.find(THINK_OPEN, 0, end)
    return text[:end] if start < 0 else text[start + len(THINK_OPEN) : end]
