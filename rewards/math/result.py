"""What the math verifier answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How one answer was judged. Only RIGHT earns anything; the others are counted apart."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    UNPARSABLE = "unparsable"
    TIMED_OUT = "timed_out"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The verdict on one completion.

    `extracted` is the answer as it stood in the text, None where there is none. `reason` is a short machine word
    (`too_hard`, `no_box`, …), empty for a plain verdict. `path` is the stage that decided: `extraction`, `identity`,
    `literal` (two plain numbers), `exact`, `numeric`, `structure` (of lists, sets, relations) or `text`.
    """

    equal: bool
    verdict: Verdict
    extracted: str | None
    reason: str
    path: str
    milliseconds: float = 0.0
