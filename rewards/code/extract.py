"""The program in a completion."""

from __future__ import annotations

from grpo.rewards.text import THINK_CLOSE, THINK_OPEN

FENCE = "```"
PYTHON_NAMES = ("", "python", "python3", "py")
"""Languages after the opening fence that are taken; a block of another language is passed over."""


def last_code_block(text: str) -> str | None:
    """Content of the last closed ```` ```python ```` (or bare) block after the reasoning, or None.

    The reasoning ends at the last `</think>`; without one the whole text is searched, and reasoning that was never
    closed holds no answer. A fence is three backticks at the start of a line, after blanks only; one that is not
    closed is no block. One pass over the lines.
    """
    after_reasoning = text[text.rfind(THINK_CLOSE) + len(THINK_CLOSE) :] if THINK_CLOSE in text else text
    if THINK_OPEN in after_reasoning:
        return None
    found: str | None = None
    block: list[str] | None = None
    taken = False
    for line in after_reasoning.split("\n"):
        stripped = line.strip()
        if block is None:
            if stripped.startswith(FENCE) and FENCE not in stripped[len(FENCE) :]:
                block, taken = [], stripped[len(FENCE) :].strip().lower() in PYTHON_NAMES
        elif stripped == FENCE:
            found = "\n".join(block) if taken else found
            block = None
        else:
            block.append(line)
    return found if found is not None and found.strip() else None
