"""What the verifier says about one answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a judgement ended; wrong, unparsable and timed out are three different things."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    UNPARSABLE = "unparsable"
    TIMED_OUT = "timed_out"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One judgement."""

    equal: bool
    verdict: Verdict
    extracted: str | None
    reason: str
    path: str
    milliseconds: float = 0.0
