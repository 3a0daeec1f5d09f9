"""How the embedded task is asked and reasoned in words: `What is seven plus five?`, `七加五等于多少？`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grpo.data.number_words import chinese_number, english_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One language's words for a sum."""

    number: Callable[[int], str]
    operators: Mapping[str, str]
    """`+`, `-`, `*` to the word with the spaces around it."""
    question: str
    """`{sum}` is the place of the sum."""
    equals: str
    separator: str
    """Before a step in this language, when it is not the first one."""

    def asked(self, numbers: Sequence[int], operators: Sequence[str]) -> str:
        """The problem as a question; `operators` has one fewer than `numbers`."""
        parts = [self.operators[op] + self.number(number) for op, number in zip(operators, numbers[1:], strict=True)]
        return self.question.format(sum=self.number(numbers[0]) + "".join(parts))

    def step(self, left: int, operator: str, right: int, result: int) -> str:
        """One step of the reasoning."""
        return self.number(left) + self.operators[operator] + self.number(right) + self.equals + self.number(result)


WORDINGS: dict[str, Wording] = {
    "en": Wording(
        number=english_number,
        operators={"+": " plus ", "-": " minus ", "*": " times "},
        question="What is {sum}?",
        equals=" is ",
        separator="; ",
    ),
    "zh": Wording(
        number=chinese_number,
        operators={"+": "加", "-": "减", "*": "乘"},
        question="{sum}等于多少？",
        equals="等于",
        separator="；",
    ),
}
"""ISO 639-1 code to wording."""


def in_words(languages: Sequence[str], steps: Sequence[tuple[int, str, int, int]]) -> str:
    """Steps (left, operator, right, result), each in the language at its place."""
    text = ""
    for language, step in zip(languages, steps, strict=True):
        wording = WORDINGS[language]
        text += (wording.separator if text else "") + wording.step(*step)
    return text
