"""Answers in words, and choice letters."""

from __future__ import annotations

import re

from grpo.rewards.math.tables import TEXT_GROUPS

_COMMAND = re.compile(r"\\[a-zA-Z]+|\\.", re.ASCII | re.DOTALL)
_WORD = re.compile(r"\d+|[^\W\d_]+")
_NOT_TEXT = re.compile(r"[+*/=<>^|\\%!()\[\]_]|(?<![^\W\d])-|-(?![^\W\d])")
_MERIDIEM = re.compile(r"(?<![A-Za-z])([ap])\.? ?m\b\.?", re.IGNORECASE)
_ARTICLES = frozenset({"the", "a", "an"})
_CHOICE = re.compile(r"(?:(?:option|choice|answer):? )?[(\[{]? ?([A-Za-z]) ?[)\]}]?[.:)]?", re.IGNORECASE | re.ASCII)
_LABELLED = re.compile(r"(?:[(\[] ?([A-Z]) ?[)\]][.:]?|([A-Z])[.:)]) ?(\S.*)", re.ASCII | re.DOTALL)
_OTHER_LABEL = re.compile(r"^(?:and\b|or\b|,|;|&|/)|[(\[] ?[A-Z] ?[)\]]", re.ASCII | re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]{2}|[^\x00-\x7f]")


def without_groups(text: str) -> str:
    """Text with `\\text{…}` and its like opened, other spacing commands turned into spaces, `$` dropped."""
    if "\\" not in text and "$" not in text and "{" not in text:
        return " ".join(text.split())

    def opened(command: re.Match[str]) -> str:
        name = command[0]
        if name in TEXT_GROUPS or name in (r"\left", r"\right", r"\rm", r"\bf"):
            return ""
        return " " if not name[1].isalpha() and name[1] not in "%{}" else name

    text = _COMMAND.sub(opened, text)
    return " ".join(text.replace("{", "").replace("}", "").replace("$", "").replace("~", " ").split())


def words_of(text: str) -> tuple[str, ...]:
    """Words and digit runs in lower case; empty when the answer holds anything mathematical, or no letter."""
    body = _MERIDIEM.sub(r"\1m", without_groups(text)).strip("()[]")
    if not _LETTERS.search(body) or _NOT_TEXT.search(body):
        return ()
    words = _WORD.findall(body.lower().replace("'", ""))
    if len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return tuple(words)


def choice_letter(text: str) -> str | None:
    """The letter of an answer that is one choice: `B`, `(B)`, `[b]`, `B.`, `option B`."""
    match = _CHOICE.fullmatch(without_groups(text))
    if match is None:
        return None
    letter = match[1]
    return letter.upper() if letter.isupper() or len(match[0]) > 1 else None


def labelled(text: str) -> tuple[str, str] | None:
    """Letter and value of `(B) 12` or `B. 12`; None when a second letter follows."""
    body = without_text_groups(text)
    match = _LABELLED.fullmatch(body)
    if match is None or _OTHER_LABEL.search(match[3]):
        return None
    return match[1] or match[2], match[3]


def without_text_groups(text: str) -> str:
    """Text with text groups around a label opened, anything else kept: `\\textbf{(B)}\\ \\frac12` is `(B) \\frac12`."""
    body = text
    for command in (r"\textbf", r"\text", r"\mathrm", r"\mathbf", r"\textrm", r"\mbox"):
        if body.startswith(command + "{"):
            end = body.find("}")
            if end < 0:
                return text
            body = body[len(command) + 1 : end] + " " + body[end + 1 :]
            break
    for space in ("\\ ", r"\quad", r"\qquad", r"\,", r"\;", "~", r"\:"):
        body = body.replace(space, " ")
    return " ".join(body.split())
