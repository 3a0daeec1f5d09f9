"""Finds the answer in a completion: after the reasoning, an answer tag, else the last box, else an anchor."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grpo.rewards.math.limits import MAX_TEXT

_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
_ANSWER_OPEN, _ANSWER_CLOSE = "<answer>", "</answer>"
_PIECE = re.compile(r"\\(?:boxed|fbox) *\{|\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"\\(?:boxed|fbox) *([^\s{}$\\]+)")
_JOIN = re.compile(r"[\s$,;]*(?:(?:and|or)\b|\\text *\{ *(?:and|or) *\}|\\(?:quad|qquad|,|;|!|:| ))*[\s$,;]*", re.ASCII)
_MOST_BETWEEN = 60
_MOST_BOXES = 16


@dataclass(frozen=True, slots=True)
class Extraction:
    """`answer` is None when there is none, and `reason` then says why. `source`: `tag`, `box`, or empty."""

    answer: str | None
    reason: str = ""
    source: str = ""


def after_reasoning(text: str) -> str | None:
    """What follows the last `</think>`, up to a `<think>` opened again; None when reasoning was never closed."""
    close = text.rfind(_THINK_CLOSE)
    if close >= 0:
        text = text[close + len(_THINK_CLOSE) :]
    opened = text.find(_THINK_OPEN)
    if opened >= 0:
        text = text[:opened]
        if close < 0 and not text.strip():
            return None
    return text[-MAX_TEXT:]


def extract(text: str) -> Extraction:
    """The answer in a tag or box of a completion."""
    body = after_reasoning(text)
    if body is None:
        return Extraction(None, "unclosed_reasoning")
    if _ANSWER_OPEN in body or _ANSWER_CLOSE in body:
        tagged = _tagged(body)
        if tagged is not None:
            return tagged
    return boxed(body)


def _tagged(body: str) -> Extraction | None:
    """The answer block; several blocks are several candidates. None when only one half of the tag is there."""
    blocks: list[str] = []
    at = 0
    while len(blocks) < _MOST_BOXES:
        start = body.find(_ANSWER_OPEN, at)
        end = body.find(_ANSWER_CLOSE, start) if start >= 0 else -1
        if start < 0 or end < 0:
            break
        inner = body[start + len(_ANSWER_OPEN) : end]
        nested = inner.rfind(_ANSWER_OPEN)
        blocks.append(inner[nested + len(_ANSWER_OPEN) :] if nested >= 0 else inner)
        at = end + len(_ANSWER_CLOSE)
    if not blocks:
        return None
    if len({block.strip() for block in blocks}) > 1:
        return Extraction(", ".join(_unboxed(block) for block in blocks), source="box")
    inner = blocks[-1]
    in_box = boxed(inner)
    if in_box.answer is not None or in_box.reason == "unclosed_box":
        return in_box
    return Extraction(inner, source="tag")


def _unboxed(block: str) -> str:
    return boxed(block).answer or block.strip()


def boxed(body: str) -> Extraction:
    """The last box, or the list of the boxes at the end that only `and`, `or` and commas separate."""
    first = body.find("\\boxed")
    other = body.find("\\fbox")
    if first < 0 or 0 <= other < first:
        first = other
    if first < 0:
        return Extraction(None, "no_box")
    simple = _only_box(body, first)
    if simple is not None:
        return Extraction(simple, source="box")
    boxes, unclosed = _boxes(body, first)
    if unclosed >= 0:
        return Extraction(None, "unclosed_box")
    last_bare = None
    for match in _UNBRACED.finditer(body, boxes[-1][1] if boxes else first):
        last_bare = match
    if last_bare is not None:
        return Extraction(last_bare[1].rstrip(".,;"), source="box")
    if not boxes:
        return Extraction(None, "no_box")
    return Extraction(_joined(body, boxes), source="box")


def _only_box(body: str, first: int) -> str | None:
    """The content of a single box without braces inside, the most common answer of all."""
    opening = body.find("{", first, first + 8)
    if opening < 0 or body.find("boxed", opening) >= 0 or body.find("fbox", opening) >= 0:
        return None
    end = body.find("}", opening)
    if end < 0:
        return None
    inside = body[opening + 1 : end]
    return None if "{" in inside or "\\" in inside else inside


def _boxes(body: str, first: int) -> tuple[list[tuple[int, int, int]], int]:
    """Outermost closed boxes as (start, end, start of content), and where an unclosed one starts, or -1."""
    stack: list[tuple[int, int]] = []
    boxes: list[tuple[int, int, int]] = []
    open_boxes = 0
    for match in _PIECE.finditer(body, first):
        piece = match[0]
        if piece == "{":
            stack.append((-1, 0))
        elif piece == "}":
            if not stack:
                continue
            start, content = stack.pop()
            if start >= 0:
                open_boxes -= 1
                if open_boxes == 0:
                    boxes.append((start, match.end(), content))
        elif piece[-1] == "{" and len(piece) > 2:
            stack.append((match.start(), match.end()))
            open_boxes += 1
    unclosed = next((start for start, _ in stack if start >= 0), -1)
    return boxes, unclosed


def _joined(body: str, boxes: list[tuple[int, int, int]]) -> str:
    answers: list[str] = []
    following = -1
    for start, end, content in reversed(boxes[-_MOST_BOXES:]):
        if following >= 0 and (following - end > _MOST_BETWEEN or not _JOIN.fullmatch(body[end:following])):
            break
        if following >= 0 and not body[end:following].strip():
            break
        if following >= 0:
            answers.append(" or " if "or" in body[end:following] else ", ")
        answers.append(_inner(body[content : end - 1]))
        following = start
    return "".join(reversed(answers))


def _inner(content: str) -> str:
    """Nested boxes unwrapped; beside other text, only the box's command goes."""
    if "\\boxed" not in content and "\\fbox" not in content:
        return content
    nested, _ = _boxes(content, 0)
    stripped = content.strip()
    if len(nested) == 1 and nested[0][:2] == (content.find(stripped), content.find(stripped) + len(stripped)):
        return _inner(content[nested[0][2] : nested[0][1] - 1])
    return content.replace("\\boxed", "").replace("\\fbox", "")
