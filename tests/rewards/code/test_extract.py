from __future__ import annotations

import time

import pytest

from grpo.rewards.code.extract import last_code_block

BLOCK = "```python\nx = 1\n```"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BLOCK, "x = 1"),
        (f"<think>a</think>\nso\n{BLOCK}\ndone", "x = 1"),
        ("```\ny\n```\nand\n```py\nz = 2\nw = 3\n```", "z = 2\nw = 3"),
        ("```Python3\r\nx\r\n```", "x\r"),
        ("  ```python\n  x\n  ```  ", "  x"),
        (f"<answer>\n{BLOCK}\n</answer>", "x = 1"),
        (f"{BLOCK}\n```bash\nls\n```", "x = 1"),  # another language is passed over
        (f"{BLOCK}\n```text\n```python\nnot a new block\n```", "x = 1"),
        (f"{BLOCK}\n```python\nnever closed", "x = 1"),
        (f"<think>{BLOCK}</think> no block", None),
        (f"<think>{BLOCK}", None),
        (f"<think>a</think><think>{BLOCK}", None),
        ("use `x` and ```inline``` only", None),
        ("```python\n \n```", None),
        ("```python\nx = 1", None),
        ("", None),
        ("\0", None),
    ],
)
def test_last_block_after_the_reasoning(text: str, expected: str | None) -> None:
    assert last_code_block(text) == expected


def test_a_string_that_holds_a_fence_does_not_close_the_block() -> None:
    assert last_code_block('```python\nx = "a```b"\n```') == 'x = "a```b"'


@pytest.mark.parametrize(
    "text", ["`" * 1_000_000, "```\n" * 250_000, "<think>" * 150_000, "```python\n" + "x\n" * 500_000]
)
def test_a_megabyte_is_read_in_one_pass(text: str) -> None:
    started = time.process_time()
    last_code_block(text)
    assert time.process_time() - started < 1.0
