"""The embedded task: `7+5-3+4=` answered by `<think>7+5=12;12-3=9;9+4=13</think><answer>13</answer>`.

Operators are applied from left to right. Everything is generated from `ArithmeticConfig.seed`; held-out problems are
drawn first, so that they stay the same when the number of training problems changes.

With `reconsidered` a calculation may be followed by s1's wait and the right one:
`<think>2+3=6Wait2+3=5</think>…`.

With `languages` the same problems are asked and reasoned in words: a problem is in one language, named by its column
`language`, a share of its demonstration's steps in another; the answer stays in digits.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from grpo.config.slices import ArithmeticConfig
from grpo.config.waits import MOST_WAITS, WAIT_TEXT
from grpo.data.arithmetic_words import WORDINGS, in_words
from grpo.data.template import demonstration
from grpo.types import Problem

OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}

Step = tuple[int, str, int, int]
"""Left operand, operator, right operand, result."""

LANGUAGE_COLUMN = "language"
"""Column of a problem in words: the ISO 639-1 code of its language."""
LARGEST_SLIP = 9
"""A wrong step misses the right result by 1 to this many."""
SPREAD = 0.75
"""How far a step's chance to be wrong lies from the average at most, as a share of it."""


def distinct_problems(config: ArithmeticConfig) -> int:
    """How many different problems the settings admit."""
    operands = (config.largest_operand + 1) ** config.operands
    return int(operands * len(config.operators) ** (config.operands - 1))


def training_problems(config: ArithmeticConfig) -> list[Problem]:
    """Demonstrated problems without repeats, none of them held out; raises ValueError as `_distinct_texts`."""
    texts = _distinct_texts(config)[config.held_out :]
    return [_demonstrated(_problem("train", i, text, config), text, config) for i, text in enumerate(texts)]


def held_out_problems(config: ArithmeticConfig) -> list[Problem]:
    """Problems without repeats or demonstrations; raises ValueError as `_distinct_texts`."""
    texts = _distinct_texts(config)[: config.held_out]
    return [_problem("held_out", i, text, config) for i, text in enumerate(texts)]


def _distinct_texts(config: ArithmeticConfig) -> list[str]:
    """The held-out texts, then those to train on.

    Raises ValueError when the settings admit too few different problems.
    """
    wanted = config.problems + config.held_out
    possible = distinct_problems(config)
    if wanted > 0.9 * possible:
        raise ValueError(
            f"data.arithmetic asks for {config.problems} training and {config.held_out} held-out problems, but "
            f"{config.operands} operands up to {config.largest_operand} with operators {config.operators!r} give only "
            f"{possible} different ones; raise operands or largest_operand, or ask for at most {int(0.9 * possible)}"
        )
    rng = random.Random(f"arithmetic problems {config.seed}")
    drawn: dict[str, None] = {}
    while len(drawn) < wanted:
        numbers = [str(rng.randint(0, config.largest_operand)) for _ in range(config.operands)]
        operators = [rng.choice(config.operators) for _ in range(config.operands - 1)]
        text = numbers[0] + "".join(op + number for op, number in zip(operators, numbers[1:], strict=True))
        drawn[text] = None
    return list(drawn)


def _problem(split: str, index: int, text: str, config: ArithmeticConfig) -> Problem:
    name, answer = f"{split}/{index}", str(solve(text))
    if not config.languages:
        return Problem(id=name, prompt=f"{text}=", answer=answer)
    language = random.Random(f"arithmetic language {config.seed} {text}").choice(config.languages)
    prompt = WORDINGS[language].asked(*parse(text))
    return Problem(id=name, prompt=prompt, answer=answer, columns={LANGUAGE_COLUMN: language})


def _demonstrated(problem: Problem, text: str, config: ArithmeticConfig) -> Problem:
    calculations = reconsidered(text, config, problem.id)
    if config.languages:
        [steps] = calculations
        languages = step_languages(problem.columns[LANGUAGE_COLUMN], len(steps), config, problem.id)
        reasoning = in_words(languages, steps)
    else:
        reasoning = WAIT_TEXT.join(";".join(map(_in_digits, steps)) for steps in calculations)
    return replace(problem, demonstration=demonstration(reasoning, str(calculations[-1][-1][3])))


def step_languages(language: str, steps: int, config: ArithmeticConfig, problem_id: str) -> list[str]:
    """The language of each step: another one than the problem's with a chance of `config.mixed_steps`."""
    rng = random.Random(f"arithmetic mixed steps {config.seed} {problem_id}")
    others = [other for other in config.languages if other != language]
    return [rng.choice(others) if rng.random() < config.mixed_steps else language for _ in range(steps)]


def parse(text: str) -> tuple[list[int], list[str]]:
    """`7+5-3` → ([7, 5, 3], ['+', '-'])."""
    numbers, operators, digits = [], [], ""
    for character in text:
        if character in OPERATORS:
            numbers.append(int(digits))
            operators.append(character)
            digits = ""
        else:
            digits += character
    return [*numbers, int(digits)], operators


def solve(text: str) -> int:
    """The right result, from left to right."""
    numbers, operators = parse(text)
    total = numbers[0]
    for op, number in zip(operators, numbers[1:], strict=True):
        total = OPERATORS[op](total, number)
    return total


def chain_of_thought(text: str, config: ArithmeticConfig, problem_id: str = "") -> tuple[list[str], int]:
    """The written steps and the result they arrive at; a share of about `config.wrong_steps` is wrong, see `habit`."""
    steps = worked_steps(text, config, problem_id)
    return [_in_digits(step) for step in steps], steps[-1][3]


def worked_steps(text: str, config: ArithmeticConfig, problem_id: str = "") -> list[Step]:
    """The steps of a demonstration, each going on from the result of the one before."""
    rng = random.Random(f"arithmetic slips {config.seed} {problem_id}")
    numbers, operators = parse(text)
    total, steps = numbers[0], []
    for op, number in zip(operators, numbers[1:], strict=True):
        weight, slip = habit(config.seed, f"{total}{op}{number}")
        result = OPERATORS[op](total, number)
        if rng.random() < config.wrong_steps * weight:
            result += slip
        steps.append((total, op, number, result))
        total = result
    return steps


def reconsidered(text: str, config: ArithmeticConfig, problem_id: str = "") -> list[list[Step]]:
    """The calculations of a demonstration: one as `worked_steps` has it, then one without a mistake for every wait.

    Whether another follows depends on no result, so that a wait says nothing about what stands before it: the budget
    stage appends it to right and wrong calculations alike.
    """
    rng = random.Random(f"arithmetic waits {config.seed} {problem_id}")
    waits = 0
    while waits < MOST_WAITS and rng.random() < config.reconsidered:
        waits += 1
    right = worked_steps(text, replace(config, wrong_steps=0.0))
    return [worked_steps(text, config, problem_id), *[right] * waits]


def _in_digits(step: Step) -> str:
    left, operator, right, result = step
    return f"{left}{operator}{right}={result}"


@lru_cache(maxsize=1 << 16)
def habit(seed: int, step: str) -> tuple[float, int]:
    """How the demonstrations get a step such as `12-3` wrong: (how often, relative to the average; by how much).

    The same step always misses by the same number, and some steps are wrong more often than right. So supervised
    training learns mistakes that only a reward can correct.
    """
    rng = random.Random(f"arithmetic habit {seed} {step}")
    return rng.uniform(1 - SPREAD, 1 + SPREAD), rng.choice([-1, 1]) * rng.randint(1, LARGEST_SLIP)
