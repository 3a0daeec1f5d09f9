"""The embedded task: `7+5-3+4=` answered by `<think>7+5=12;12-3=9;9+4=13</think><answer>13</answer>`.

Operators are applied from left to right. Everything is generated from `ArithmeticConfig.seed`; held-out problems are
drawn first, so that they stay the same when the number of training problems changes.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from grpo.config.slices import ArithmeticConfig
from grpo.data.template import demonstration
from grpo.types import Problem

OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}

LARGEST_SLIP = 9
"""A wrong step misses the right result by 1 to this many."""


def distinct_problems(config: ArithmeticConfig) -> int:
    """How many different problems the settings admit."""
    operands = (config.largest_operand + 1) ** config.operands
    return int(operands * len(config.operators) ** (config.operands - 1))


def training_problems(config: ArithmeticConfig) -> list[Problem]:
    """Demonstrated problems without repeats, none of them held out; raises ValueError as `_distinct_texts`."""
    texts = _distinct_texts(config)[config.held_out :]
    return [_demonstrated(_problem("train", i, text), config) for i, text in enumerate(texts)]


def held_out_problems(config: ArithmeticConfig) -> list[Problem]:
    """Problems without repeats or demonstrations; raises ValueError as `_distinct_texts`."""
    texts = _distinct_texts(config)[: config.held_out]
    return [_problem("held_out", i, text) for i, text in enumerate(texts)]


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


def _problem(split: str, index: int, text: str) -> Problem:
    return Problem(id=f"{split}/{index}", prompt=f"{text}=", answer=str(solve(text)))


def _demonstrated(problem: Problem, config: ArithmeticConfig) -> Problem:
    assert isinstance(problem.prompt, str)
    rng = random.Random(f"arithmetic slips {config.seed} {problem.id}")
    steps, result = chain_of_thought(problem.prompt.rstrip("="), config.wrong_steps, rng)
    text = demonstration(";".join(steps), str(result))
    return Problem(id=problem.id, prompt=problem.prompt, answer=problem.answer, demonstration=text)


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


def chain_of_thought(text: str, wrong_steps: float, rng: random.Random) -> tuple[list[str], int]:
    """The written steps and the result they arrive at; each step is wrong with probability `wrong_steps`."""
    numbers, operators = parse(text)
    total, steps = numbers[0], []
    for op, number in zip(operators, numbers[1:], strict=True):
        result = OPERATORS[op](total, number)
        if rng.random() < wrong_steps:
            result += rng.choice([-1, 1]) * rng.randint(1, LARGEST_SLIP)
        steps.append(f"{total}{op}{number}={result}")
        total = result
    return steps, total
