"""Other readings of an answer that the parser refused or that has an ambiguous comma."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grpo.rewards.math.limits import NotMathsError, TooHardError
from grpo.rewards.math.normalise import join_groups, tidy
from grpo.rewards.math.parsing.tokens import tokenise

_WORD = re.compile(r"[A-Za-z]{2}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{")
_DECIMAL_COMMA = re.compile(r"([+-]?\d[\d. ]*)(?:,|\{,\})(\d+)([^\d,]*)", re.ASCII)
_CONDITION = re.compile(r"[,;]? ?\\(?:text|mathrm|textrm|mbox)\{ ?\(? ?(?:where|since|for|with|if|when|because|as)\b")
_TIME_OF_DAY = re.compile(r"(\d{1,2}:\d\d)[ ,;\\~]*(?:\\(?:text|mathrm)\{)? ?[aApP]\.? ?[mM]\.? ?\}?", re.ASCII)
_WORDY_OPERATOR = re.compile(r"\\(?:lim|int|iint|oint)(?![A-Za-z])")
_LABEL = re.compile(r"(?:\\text(?:bf)?\{)?(?:the )?(?:final )?answer:?(?: is)?:? *\}?:? *", re.IGNORECASE)


def other_readings(answer: str) -> Iterator[str]:
    """Spellings to try when an answer is no maths as it stands: without a note, a condition or a wordy name."""
    condition = _CONDITION.search(answer)
    if condition is not None and condition.start() > 0:
        yield tidy(answer[: condition.start()])
    time = _TIME_OF_DAY.fullmatch(answer)
    if time is not None:
        yield time[1]
    if answer.endswith(")"):
        start = answer.rfind("(")
        if start > 0 and _is_wordy(answer[start:]):
            yield tidy(answer[:start])
    name, equals, value = answer.rpartition("=")
    if equals and _is_wordy(name) and "," not in name.replace("\\,", ""):
        yield tidy(value)


def without_label(answer: str) -> str:
    """An answer without a leading `Answer:`, in or out of a text group."""
    label = _LABEL.match(answer)
    if label is None or label.end() == len(answer):
        return answer
    rest = answer[label.end() :]
    return tidy(rest[:-1] if "{" in label[0] and "}" not in label[0] and rest.endswith("}") else rest)


def _is_wordy(text: str) -> bool:
    """Whether there are words besides commands, a text group, or an operator outside the grammar."""
    if _TEXT_COMMAND.search(text) is not None or _WORDY_OPERATOR.search(text) is not None:
        return True
    return _WORD.search(_COMMAND.sub("", text)) is not None


def decimal_point(answer: str) -> str | None:
    """`1.234,5 kg` with a decimal point, `1234.5 kg`; None when there is no decimal comma."""
    match = _DECIMAL_COMMA.fullmatch(answer)
    if match is None:
        return None
    whole = match[1].strip()
    if not whole.lstrip("+-").isdigit():
        groups = whole.replace(".", " ").split(" ")
        if any(len(group) != 3 for group in groups[1:]) or not 1 <= len(groups[0].lstrip("+-")) <= 3:
            return None
        whole = join_groups(" ".join(groups)).replace(" ", "")
    return f"{whole}.{match[2]}{match[3]}"


def same_tokens(gold: str, answer: str) -> bool:
    """Equality of two texts outside the grammar, but for spacing and braces."""
    try:
        left, right = tokenise(gold), tokenise(answer)
    except (NotMathsError, TooHardError):
        return False
    return [token for token in left if token.text not in ("{", "}")] == [
        token for token in right if token.text not in ("{", "}")
    ]
