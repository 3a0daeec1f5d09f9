"""What a reward function is tried on: completions of known kinds for built-in or the user's rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grpo.types import Message, Problem, RewardItem

TEMPLATE = "<think>I work it out.</think><answer>{answer}</answer>"
HUGE_CHARACTERS = 1_000_000


class RowsError(ValueError):
    """The rows cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One completion to score."""

    kind: str
    """`right`, `wrong`, `no template`, `empty`; `given` when it stands in the data."""
    item: RewardItem


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """How rows of a file are read."""

    prompt: str = "prompt"
    """Column of the prompt: text or chat messages."""
    answer: str = "answer"
    """Column of the gold answer."""
    template: str = TEMPLATE
    """A completion with `{answer}` where the answer stands."""
    limit: int = 16
    """Most rows read."""


def built_in_cases(template: str) -> list[Case]:
    """Four sums, each with a right, a wrong, a badly formed and an empty completion."""
    sums = ((7, 5), (12, 30), (100, -1), (0, 0))
    problems = [
        Problem(id=str(number), prompt=f"What is {a} + {b}?", answer=str(a + b)) for number, (a, b) in enumerate(sums)
    ]
    return made_cases(problems, template)


def cases_from(path: Path, options: RowOptions) -> list[Case]:
    """Completions for the rows of a .jsonl file.

    A row's own column `completion` (one) or `completions` (a list) is taken as it stands; without one, completions are
    made from the gold answer in the template (right), another row's gold (wrong), the bare gold, and nothing.

    Raises:
        RowsError: the file or a row cannot be read, or there is no row.
    """
    problems, given = [], []
    for number, row in _objects(path, options.limit):
        prompt = _prompt(row.get(options.prompt), f"{path}:{number}: column {options.prompt!r}")
        answer = row.get(options.answer)
        columns = {name: value for name, value in row.items() if name not in (options.prompt, options.answer)}
        written = columns.get("completions", [columns["completion"]] if "completion" in columns else [])
        columns = {name: value for name, value in columns.items() if name not in ("completion", "completions")}
        gold = "" if answer is None else answer if isinstance(answer, str) else json.dumps(answer)
        problem = Problem(id=str(number), prompt=prompt, answer=gold, columns=columns)
        problems.append(problem)
        if not isinstance(written, list):
            raise RowsError(f"{path}:{number}: column 'completions' must be a list, not {type(written).__name__}")
        given += [Case(kind="given", item=item_of(problem, _text(text, path, number))) for text in written]
    if not problems:
        raise RowsError(f"{path}: no rows")
    return given or made_cases(problems, options.template)


def made_cases(problems: Sequence[Problem], template: str) -> list[Case]:
    """A group of completions for every problem, in the order of the problems."""
    cases = []
    for index, problem in enumerate(problems):
        others = [*problems[index + 1 :], *problems[:index]]
        wrong = next((other.answer for other in others if other.answer != problem.answer), f"{problem.answer}1")
        texts = {
            "right": template.replace("{answer}", problem.answer),
            "wrong": template.replace("{answer}", wrong),
            "no template": f"so it is {problem.answer}",
            "empty": "",
        }
        cases += [Case(kind=kind, item=item_of(problem, text)) for kind, text in texts.items()]
    return cases


def hostile_cases(problem: Problem) -> list[Case]:
    """What a policy writes sooner or later."""
    texts = {
        "empty": "",
        "1 MB": ("so 7 + 5 = 12, " * (HUGE_CHARACTERS // 15 + 1))[:HUGE_CHARACTERS],
        "1 MB of one character": "<" * HUGE_CHARACTERS,
        "non-ASCII": "<think>因为 × ÷ ½ 𝟙 é e\u0301 \u202e \u2028</think><answer>１２</answer>",
        "null bytes": "\0<think>\0</think><answer>\0</answer>\0",
        "half a surrogate pair": "\ud800",
    }
    return [Case(kind=kind, item=item_of(problem, text)) for kind, text in texts.items()]


def conversational(case: Case) -> Case:
    """The same with a chat prompt, so that completions come as message lists."""
    prompt = case.item.problem.prompt
    if not isinstance(prompt, str):
        return case
    problem = replace(case.item.problem, prompt=({"role": "user", "content": prompt},))
    return replace(case, item=replace(case.item, problem=problem))


def item_of(problem: Problem, text: str) -> RewardItem:
    """Without a tokenizer, the ids are the text's characters."""
    ids = tuple(ord(character) for character in text[:10_000])
    return RewardItem(problem=problem, completion=text, completion_ids=ids, finish_reason="stop")


def _objects(path: Path, limit: int) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines: Iterable[str] = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RowsError(f"{path}: {error}") from error
    count = 0
    for number, line in enumerate(lines, 1):
        if count == limit:
            return
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RowsError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise RowsError(f"{path}:{number}: a JSON {type(row).__name__}, not an object")
        count += 1
        yield number, row


def _prompt(cell: Any, where: str) -> str | tuple[Message, ...]:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, list) and cell and all(_is_message(turn) for turn in cell):
        return tuple(cell)
    said = "is missing" if cell is None else f"is {str(cell)[:60]!r}"
    raise RowsError(f"{where} {said}; it must be text or a list of chat messages")


def _text(cell: Any, path: Path, number: int) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, list) and all(_is_message(turn) for turn in cell):
        return "".join(turn["content"] for turn in cell)
    raise RowsError(f"{path}:{number}: completion {str(cell)[:60]!r} is neither text nor a list of chat messages")


def _is_message(turn: Any) -> bool:
    return isinstance(turn, Mapping) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
