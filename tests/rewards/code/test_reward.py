"""What counts as passed, and what an answer may try in order to pass without being right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from grpo.rewards.code import launch
from grpo.rewards.code import reward as reward_module
from grpo.rewards.code.cases import read_tests
from grpo.rewards.code.limits import SandboxError, SandboxUnavailableError
from grpo.rewards.code.reward import CodeTests
from grpo.rewards.code.sandbox import sandbox_problem
from grpo.rewards.suite import build_suite
from grpo.types import RewardItem

DOUBLE = "def double(x):\n    return 2 * x"
ASSERTS = ["assert double(2) == 4", "assert double(0) == 0", "assert double('a') == 'aa'"]


def completion(program: str) -> str:
    return f"<think>hm</think>\n```python\n{program}\n```"


@pytest.fixture(scope="module")
def share(isolation: None) -> CodeTests:
    return CodeTests(all_or_nothing=False, cpu_seconds=1)


@pytest.fixture(scope="module")
def reasons(share: CodeTests) -> Callable[[str, Any], tuple[float | None, str]]:
    def judge(program: str, tests: Any) -> tuple[float | None, str]:
        logged: dict[str, list[Any]] = {}
        [value] = share([completion(program)], [tests], log_extra=logged.__setitem__)
        return value, logged["code_reason"][0]

    return judge


Judge = Callable[[str, Any], tuple[float | None, str]]


def test_share_and_all_or_nothing(share: CodeTests) -> None:
    programs = [DOUBLE, "def double(x):\n    return 4", "def double(x):\n    return 2 * x if x else 1", "x ="]
    completions = [completion(program) for program in programs]
    assert share(completions, [ASSERTS] * 4) == [1.0, 1 / 3, 2 / 3, 0.0]
    assert CodeTests()(completions, [ASSERTS] * 4) == [1.0, 0.0, 0.0, 0.0]


def test_conversations_missing_tests_and_missing_code(share: CodeTests) -> None:
    logged: dict[str, float] = {}
    values = share(
        [[{"role": "assistant", "content": completion(DOUBLE)}], "no code", completion(DOUBLE), completion("1 / 0")],
        [ASSERTS, ASSERTS, None, ASSERTS],
        log_metric=logged.__setitem__,
        prompts=["p"] * 4,
    )
    assert values == [1.0, 0.0, None, 0.0]
    expected = {"code/passed": 1 / 3, "code/no_code": 1 / 3, "code/timed_out": 0.0, "code/sandbox_errors": 0.0}
    assert logged == expected


def test_programs_that_read_and_print(reasons: Judge) -> None:
    tests = [{"input": "2 3\n", "output": "5\n"}, {"input": "-1 1", "output": "0"}]
    right = "a, b = map(int, input().split())\nprint(a + b, '  ')\nprint()"
    assert reasons(right, tests) == (1.0, "")
    assert reasons(right.replace("+", "*"), tests) == (0.0, "0 of 2 passed; test 1: another output")
    value, reason = reasons("print(5)\nimport sys; sys.exit(3)", tests)
    assert value == 0.0 and "exit code 3" in reason
    assert reasons("import os; print(5, flush=True); os._exit(0)", tests)[0] == 0.5  # prints what it would have to


def test_a_whole_script_of_tests(reasons: Judge) -> None:
    script = (
        "import math\n"
        "def check(candidate):\n    assert candidate(1) == 2\n    assert math.isclose(candidate(0.5), 1)\n"
        "check(double)\n"
        "for number in range(3):\n    assert double(number) == number + number\n"
    )
    assert reasons(DOUBLE, script) == (1.0, "")
    value, reason = reasons("def double(x): return 2", script)
    assert value == 0.0 and reason == "0 of 2 passed; line 5: AssertionError: "


def test_what_tests_may_use(reasons: Judge) -> None:
    program = (
        "import heapq\nfrom collections import Counter\nLIMIT = 3\n"
        "class Stack:\n"
        "    def __init__(self): self.items = []\n"
        "    def push(self, item): self.items.append(item); return self\n"
        "    def __len__(self): return len(self.items)\n"
        "    def __iter__(self): return iter(self.items)\n"
        "def reverse(items): items.reverse()\n"
        "def twice(function, value): return function(function(value))\n"
        "def fails(): raise KeyError('k')\n"
        "def values():\n    numbers = 10 ** 6000, 1.5, float('nan'), 2j\n"
        "    return (*numbers, b'a', (1, [2, {3}]), {'a': None}, Counter('aab'), '\\ud800')\n"
        "def count(n):\n    for i in range(n): yield i\n"
    )
    tests = [
        "assert LIMIT == 3",
        "stack = Stack().push(1).push('b')\nassert len(stack) == 2\nassert list(stack) == [1, 'b'] == stack.items",
        "assert isinstance(stack, Stack) and not isinstance(3, Stack)",
        "items = [1, 2, 3]; reverse(items); assert items == [3, 2, 1]",
        "assert twice(lambda value: value + LIMIT, 1) == 7",
        "try:\n    fails()\n    assert False\nexcept KeyError:\n    pass",
        "big, half, nan, *rest = values()\nassert big == 10 ** 6000 and half == 1.5 and nan != nan",
        "assert rest == [2j, b'a', (1, [2, {3}]), {'a': None}, {'a': 2, 'b': 1}, '\\ud800']",
        "assert sorted(count(3), reverse=True) == [2, 1, 0]",
    ]
    assert reasons(program, tests) == (1.0, "")


@pytest.mark.parametrize(
    "program",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "raise SystemExit(0)",
        "def double(x):\n    import os; os._exit(0)",
        "def double(x):\n    import sys; sys.exit(0)",
        "def double(x):\n    import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "class Same:\n    def __eq__(self, other): return True\n    __hash__ = None\ndef double(x):\n    return Same()",
        "class Same(int):\n    def __eq__(self, other): return True\ndef double(x):\n    return Same(9)",
        "class Same(list):\n    def __eq__(self, other): return True\ndef double(x):\n    return Same([9])",
        "import builtins\nbuiltins.AssertionError = Exception\ndef double(x): return 9",
        "AssertionError = SystemExit\nexec = compile = print\ndef double(x): return 9",
        "import sys, os\nsys.excepthook = lambda *_: os._exit(0)\ndef double(x): return 9",
        "import atexit, os\natexit.register(os._exit, 0)\ndef double(x): return 9",
        'print(\'{"total": 3}\')\nprint(\'{"passed": true, "why": null}\\n\' * 3, flush=True)\nimport os; os._exit(0)',
        # Every descriptor gets a whole report of passed tests, and replies in the protocol's form.
        "import os\nfor fd in range(64):\n    try: os.write(fd, b'{\"total\": 3}\\n' + b'{\"passed\": true}\\n' * 3)\n"
        "    except OSError: pass\n",
        'import os\nlines = b\'{"names": ["double"]}\\n\' + b\'{"value": true}\\n\' * 9\n'
        "for fd in range(3, 64):\n    try: os.write(fd, lines)\n    except OSError: pass\n",
        # The expected value is looked for on the stack, in all objects, and in files.
        "def double(x):\n    import gc, sys\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_locals.values()):\n            if value == 'aa': return value\n"
        "        frame = frame.f_back\n    return next((o for o in gc.get_objects() if o == 'aa'), 9)",
        "import os\ndef double(x):\n    for folder, _, names in os.walk('/box'):\n        for name in names:\n"
        "            if b'assert ' + b'double' in open(f'{folder}/{name}', 'rb').read(): return 2 * x\n    return 9",
    ],
)
def test_what_gains_nothing(reasons: Judge, program: str) -> None:
    value, reason = reasons(program, ASSERTS)
    assert value == 0.0 and reason.startswith("0 of 3 passed"), reason


def test_exceptions_of_the_answer(reasons: Judge) -> None:
    program = (
        "class Empty(LookupError): pass\nclass Stop(SystemExit): pass\n"
        "def pop(items):\n    if not items: raise Empty('no items')\n    return items.pop()\n"
        "def leave(): raise Stop(0)\n"
    )
    tests = [
        "try:\n    pop([])\n    assert False\nexcept Empty as error:\n    assert str(error) == 'no items'",
        "try:\n    pop([])\n    assert False\nexcept IndexError:\n    assert False\nexcept LookupError:\n    pass",
        "try:\n    leave()\n    assert False\nexcept Exception as error:\n    assert type(error).__name__ == 'Stop'",
    ]
    assert reasons(program, tests) == (1.0, "")
    assert reasons(program.replace("raise Empty('no items')", "return None"), tests)[0] == 1 / 3


def test_objects_of_the_answer_compare_among_themselves_only(reasons: Judge) -> None:
    program = (
        "from dataclasses import dataclass\n@dataclass(order=True)\nclass Point:\n    x: int\n    y: int\n"
        "    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)\n"
    )
    tests = [
        "assert Point(1, 2) + Point(3, 4) == Point(4, 6) != Point(0, 0)",
        "assert Point(1, 2) < Point(1, 3) and Point(2, 0) > Point(1, 9)",
    ]
    assert reasons(program, tests) == (1.0, "")
    values = {"eq": True, "lt": True, "gt": True, "add": 0, "sub": 0, "abs": 0, "float": 9.0}
    lines = [f"    __{name}__ = __r{name}__ = lambda *_: {value}\n" for name, value in values.items()]
    pleasing = "class Any:\n" + "".join(lines)
    test = ["assert f(1) == 5", "assert abs(f(1) - 5) < 0.1", "assert math.isclose(f(1), 5)", "assert 4 < f(1) < 6"]
    assert reasons(pleasing + "def f(x): return Any()", test)[0] == 0.0
    assert reasons(pleasing + "class Two(Any, float): pass\ndef f(x): return Two(3)", test)[0] == 0.0


def test_an_answers_own_builtins_decide_nothing(reasons: Judge) -> None:
    program = "class math:\n    isclose = lambda *_: True\nabs = len = lambda _: 0\ndef f(x): return 'wrong'"
    tests = ["assert abs(f(1) - 5) < 0.1", "assert len(f(1)) == 0", "assert math.isclose(f(1), 5)"]
    assert reasons(program, tests)[0] == 0.0
    assert reasons("def f(x): return 5", ["assert math.isclose(f(1), 5)"]) == (1.0, "")
    # Asked for a function with a built-in's name, the answer's is the one that is tested.
    assert reasons("def sum(a, b): return a + b + 1", ["assert sum(1, 2) == 4"]) == (1.0, "")


def test_a_swallowed_end_does_not_pass(reasons: Judge) -> None:
    test = "try:\n    double(1)\nexcept:\n    pass\nassert True"
    assert reasons("def double(x):\n    import os; os._exit(0)", test)[0] == 0.0


def test_arguments_change_only_where_nothing_is_returned(reasons: Judge) -> None:
    test = "items = [3, 1]\nassert ordered(items) == sorted(items)"
    assert reasons("def ordered(items):\n    items.clear()\n    return []", test)[0] == 0.0
    assert reasons("def ordered(items):\n    return sorted(items)", test) == (1.0, "")


FLOOD = (
    'import os\nline = b\'{"ask": "call", "with": []}\\n\' * 1000\nopened = []\nfor fd in range(3, 64):\n'
    "    try: os.fstat(fd); opened.append(fd)\n    except OSError: pass\n"
    "while True:\n    for fd in opened:\n        try: os.write(fd, line)\n        except OSError: pass\n"
)
"""Keeps the judge busy with questions."""


@pytest.mark.parametrize(
    "program",
    [
        "def double(x):\n    while True: pass",
        pytest.param("while True: pass", marks=pytest.mark.slow),
    ],
)
def test_endless_answers_are_counted(share: CodeTests, program: str) -> None:
    logged: dict[str, float] = {}
    assert share([completion(program)], [ASSERTS], log_metric=logged.__setitem__) == [0.0]
    assert logged["code/timed_out"] == 1.0
    tests = [{"input": "", "output": "x"}] * 50  # the first takes a second of CPU, the rest are not tried
    assert share([completion(program + "\ndouble(1)")], [tests], log_metric=logged.__setitem__) == [0.0]
    assert logged["code/timed_out"] == 1.0


@pytest.mark.slow
def test_a_flood_of_questions_gains_nothing(share: CodeTests) -> None:
    """Either side may be ended first, by its CPU limit or because the other is gone: the verdict is the same."""
    logged: dict[str, float] = {}
    assert share([completion(FLOOD)], [ASSERTS], log_metric=logged.__setitem__) == [0.0]
    assert (logged["code/passed"], logged["code/sandbox_errors"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    "program",
    [
        "def double(x): return [0] * 3_000_000",  # a message over the limit
        "def double(x):\n    y = []\n    y.append(y)\n    return y",
        "def double(x):\n    y = []\n    for _ in range(100_000): y = [y]\n    return y",
        "def double(x): return double",
        "import time\ndef double(x): raise ValueError('x' * 10_000_000)",
        "class Bad(Exception):\n    def __str__(self): raise Bad\ndef double(x): raise Bad",
        "names = ['x'] * 10\nfor i in range(200_000): globals()[f'name_{i}'] = i\n",
        "(" * 100_000,
        "\0",
        "\ud800",
    ],
)
def test_hostile_results_are_wrong_not_errors(reasons: Judge, program: str) -> None:
    assert reasons(program, ASSERTS)[0] == 0.0


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        (["assert double(1) =="], "SyntaxError"),
        (["def test_double(): assert double(1) == 2"], "nothing would be tested"),
        (["import package_that_is_not_there\nassert double(1) == 2"], "package_that_is_not_there, which the sandbox"),
        (["from .solution import double\nassert double(1) == 2"], "imports"),
        (["class Node: pass\nassert double(Node()) == 2"], "Node objects cannot be sent"),
    ],
)
def test_unusable_tests_are_errors_not_zeros(reasons: Judge, tests: list[str], message: str) -> None:
    value, reason = reasons(DOUBLE, tests)
    assert value is not None and math.isnan(value) and message in reason


@pytest.mark.parametrize("cell", [[], 3, [1], ["assert True", {"input": "", "output": ""}], [{"input": "x"}], {}])
def test_cells_that_hold_no_tests(cell: Any) -> None:
    with pytest.raises(ValueError, match="Python text, a list of Python texts, or a list of"):
        read_tests(cell)


@pytest.mark.parametrize("error", [SandboxError("no more processes"), OSError(24, "too many open files")])
def test_a_failing_sandbox_is_an_error_not_a_zero(
    share: CodeTests, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(reward_module, "run_asserts", fails)
    logged: dict[str, float] = {}
    [value] = share([completion(DOUBLE)], [ASSERTS], log_metric=logged.__setitem__)
    assert value is not None and math.isnan(value) and logged["code/sandbox_errors"] == 1.0


def test_without_isolation_there_is_no_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox_problem.cache_clear()
    monkeypatch.setattr(launch, "TOOL_PATH", "/nowhere")
    with pytest.raises(SandboxUnavailableError, match="apt-get install bubblewrap"):
        CodeTests()
    sandbox_problem.cache_clear()


def test_workers_out_of_range() -> None:
    with pytest.raises(ValueError, match="workers 0"):
        CodeTests(workers=0)


def test_in_a_suite(isolation: None, item: Callable[..., RewardItem]) -> None:
    name = "grpo.rewards.code.reward.CodeTests"
    settings = {"CodeTests": {"all_or_nothing": False, "workers": 2, "read_only": ["/usr"]}}
    suite = build_suite([name], [1.0], deadline_seconds=60, settings=settings)
    try:
        good = item(completion(DOUBLE), tests=ASSERTS)
        broken = item(completion(DOUBLE), tests=["assert ("])
        [[first, second, third]] = suite.score([[good, item("nothing", tests=ASSERTS), broken]])
    finally:
        suite.close()
    assert (first.total, second.total, third.total) == (1.0, 0.0, None)
    assert third.error == "CodeTests: returned nan"
    assert suite.metrics["code/passed"] == suite.metrics["code/no_code"] == pytest.approx(1 / 3)
    assert suite.extra["code_reason"][1] == "no code block after the reasoning"


def test_keyword_arguments_and_bound_methods(reasons: Judge) -> None:
    program = (
        "from typing import *\nimport sys\nsys.setrecursionlimit(10_000)\n"
        "class Solution:\n    def twoSum(self, nums: List[int], target: int) -> List[int]:\n"
        "        seen = {}\n        for i, n in enumerate(nums):\n"
        "            if target - n in seen: return [seen[target - n], i]\n            seen[n] = i\n"
        "def depth(n): return 0 if n == 0 else 1 + depth(n - 1)\n"
        "if __name__ == '__main__':\n    print(Solution().twoSum(input()))\n"
    )
    tests = [
        "candidate = Solution().twoSum\nassert candidate(nums=[2, 7, 11], target=9) == [0, 1]",
        "assert Solution().twoSum([3, 3], 6) == [0, 1]",
        "assert depth(5000) == 5000",
    ]
    assert reasons(program, tests) == (1.0, "")
