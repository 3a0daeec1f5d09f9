from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grpo.rewards.check.__main__ import main
from grpo.rewards.check.rows import RowOptions, RowsError, cases_from
from grpo.rewards.environment import worker_environment

TRIED = """
import random, threading, time

calls = 0
shared = []


def length(completions, **kwargs):
    texts = [text if isinstance(text, str) else text[0]["content"] for text in completions]
    return [float(min(len(text), 100)) for text in texts]


def length_of_text_only(completions, **kwargs):
    return [float(len(text)) for text in completions]


def hangs(completions, **kwargs):
    print("thinking hard")
    time.sleep(60)


def hangs_on_empty(completions, **kwargs):
    while "" in completions:
        time.sleep(0.01)
    return [1.0] * len(completions)


def random_values(completions, **kwargs):
    return [random.random() for _ in completions]


def counts_calls(completions, **kwargs):
    global calls
    calls += 1
    return [float(calls)] * len(completions)


def by_place(completions, **kwargs):
    return [float(index) for index in range(len(completions))]


def relative(completions, **kwargs):
    mean = sum(map(len, completions)) / len(completions)
    return [len(text) - mean for text in completions]


def hash_of_process(completions, **kwargs):
    return [float(hash(text) % 7) for text in completions]


def thread_unsafe(completions, **kwargs):
    shared.clear()
    for text in completions:
        shared.append(float(len(text)))
        time.sleep(0.0002)
    return list(shared)


def races(completions, **kwargs):
    lengths = []
    for text in completions:
        shared[:] = [text]
        time.sleep(0.0002)
        lengths.append(float(len(shared[0])))
    return lengths


def one_too_few(completions, **kwargs):
    return [1.0] * (len(completions) - 1)


def nan_and_text(completions, **kwargs):
    return [float("nan") if not text else "x" if "so" in text else 0.5 for text in completions]


def nothing_applies(completions, **kwargs):
    return [None] * len(completions)


def needs_solution(completions, solution, **kwargs):
    return [float(text == wanted) for text, wanted in zip(completions, solution)]


def fails_on_odd(completions, **kwargs):
    return [1 / (0 if "\\0" in text else 1) for text in completions]


def slow(completions, **kwargs):
    time.sleep(0.01 * len(completions))
    return [float(len(text)) for text in completions]


def dies(completions, **kwargs):
    import os
    os._exit(4)


class Scaled:
    def __init__(self, *, scale=1.0, word="x"):
        self.scale, self.word = scale, word

    def __call__(self, completions, log_metric, **kwargs):
        log_metric("words", 2.0)
        return [self.scale * text.count(self.word) for text in completions]


def best_of_group(prompts, completions, **kwargs):
    assert len(set(prompts)) == 1
    longest = max(map(len, completions))
    return [float(len(text) == longest) for text in completions]


best_of_group.per_group = True
"""

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    path = tmp_path / "tried.py"
    path.write_text(TRIED)

    def run(function: str, *options: str) -> tuple[int, str]:
        code = main([f"{path}:{function}", *options])
        return code, capsys.readouterr().out

    return run


def line(report: str, what: str) -> str:
    [found] = [one for one in report.splitlines() if one[2:].startswith(what + " ")]
    return found


def test_a_good_function(check: Check) -> None:
    code, report = check("length")
    assert code == 0 and report.endswith("\n0 problems, 0 warnings\n")
    assert "16 completions of 4 rows" in report
    assert "16 values for 16 completions" in line(report, "length")
    # 46 characters around the answer in the template and 9 before a bare one; the answers are 12, 42, 99 and 0.
    assert "mean of right 47.8, wrong 47.8, no template 10.8, empty 0" in line(report, "by kind")
    for what in ("same again", "new process", "shuffled", "one by one", "threads"):
        assert line(report, what).startswith("  ") and line(report, what).endswith("the same values")
    assert re.search(r"1 MB +100 in [\d.]+ [mµ]?s", report)


def test_one_that_hangs_is_reported_within_the_deadline(check: Check) -> None:
    started = time.monotonic()
    code, report = check("hangs", "--deadline", "0.4")
    assert code == 1 and time.monotonic() - started < 30
    assert "took longer than 0.4 s; it printed: thinking hard" in line(report, "call")
    assert "2 of 2 fail alone, too" in line(report, "one by one")


@pytest.mark.slow
def test_one_that_hangs_on_some(check: Check) -> None:
    code, report = check("hangs_on_empty", "--deadline", "0.5")
    assert code == 1 and "2 empty" in line(report, "one by one")
    assert line(report, "empty").startswith("! ") and line(report, "null bytes").startswith("  ")


@pytest.mark.parametrize(
    ("function", "problems"),
    [
        ("random_values", {"same again", "new process", "shuffled", "one by one"}),
        ("counts_calls", {"same again", "shuffled", "one by one"}),
        ("by_place", {"shuffled", "one by one"}),
        ("relative", {"one by one"}),
        ("hash_of_process", {"new process"}),
    ],
)
def test_values_that_depend_on_more_than_the_completion(check: Check, function: str, problems: set[str]) -> None:
    code, report = check(function)
    found = {what for what in ("same again", "new process", "shuffled", "one by one") if line(report, what)[0] == "!"}
    assert (code, found) == (1, problems)
    assert "values differ (completion" in report


@pytest.mark.parametrize(("function", "said"), [("thread_unsafe", "at once"), ("races", "differ from a call alone")])
def test_one_that_is_not_thread_safe(check: Check, function: str, said: str) -> None:
    code, report = check(function)
    assert code == 0 and "0 problems" in report
    assert line(report, "threads").startswith("- ") and said in line(report, "threads")


def test_warnings_count_when_strict(check: Check) -> None:
    assert check("nothing_applies", "--strict")[0] == 1


def test_wrong_returns(check: Check) -> None:
    code, report = check("one_too_few")
    assert code == 1 and "returned 15 values for 16 completions" in line(report, "call")
    assert "16 of 16 fail alone" in line(report, "one by one")
    code, report = check("nan_and_text")
    assert code == 1
    assert "! values                4 of 16 returned nan" in report and "4 of 16 returned str 'x'" in report


def test_what_never_applies_is_a_warning(check: Check) -> None:
    code, report = check("nothing_applies")
    assert code == 0 and "applies to none of these rows" in line(report, "range")


def test_a_missing_column_ends_it(check: Check) -> None:
    code, report = check("needs_solution")
    assert code == 1 and "needs ['solution']" in line(report, "rows") and "1 problem, 0 warnings" in report


def test_what_fails_on_odd_text(check: Check) -> None:
    code, report = check("fails_on_odd")
    assert code == 1 and "ZeroDivisionError" in line(report, "null bytes")
    assert "always 1 on these rows" in line(report, "signal")


def test_what_is_too_slow_for_a_batch(check: Check) -> None:
    code, report = check("slow", "--batch", "20000")
    assert code == 1 and "over a deadline of 60 s" in line(report, "time")
    assert re.search(r"[\d.]+ ms a completion, about \d+ s for 20000", line(report, "time"))


@pytest.mark.slow
def test_a_worker_that_dies(check: Check) -> None:
    code, report = check("dies")
    assert code == 1 and "died with exit code 4" in line(report, "call")


def test_settings_and_logs(check: Check) -> None:
    code, report = check("Scaled", "--set", "scale=0.5", "--set", "word=so")
    assert code == 0 and "words 2" in line(report, "logs") and "right 0, wrong 0, no template 0.5" in report


def test_group_functions_get_whole_groups(check: Check) -> None:
    code, report = check("best_of_group")
    assert code == 0 and "one group a call" in report and "shuffled" not in report


def test_registered_names_and_conversations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exact_integer"]) == 0
    report = capsys.readouterr().out
    assert "mean of right 1, wrong 0, no template 0, empty 0" in report
    assert "the same value as for text" in line(report, "chat messages")


def test_a_function_that_takes_messages_for_text(check: Check) -> None:
    code, report = check("length_of_text_only")
    assert code == 0 and line(report, "chat messages").startswith("- ")
    assert "1, but 48 for the same as text" in line(report, "chat messages")


def test_rows_of_a_file(check: Check, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    rows = [{"question": f"q{n}", "gold": n, "solution": f"it is {n}"} for n in range(3)]
    data.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    options = ("--data", str(data), "--prompt-column", "question", "--answer-column", "gold", "--rows", "2")
    code, report = check("needs_solution", *options, "--template", "it is {answer}")
    assert code == 0 and "8 completions of 2 rows" in report
    assert "right 1, wrong 0" in line(report, "by kind")
    data.write_text(json.dumps({"prompt": "p", "completions": ["abc", [{"role": "assistant", "content": "d"}]]}))
    code, report = check("length", "--data", str(data))
    assert "2 completions of 1 rows" in report and "mean of given 2" in report


def test_wrong_golds_differ_and_chat_prompts_stay(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    chat = [{"role": "user", "content": "?"}]
    data.write_text("".join(json.dumps({"prompt": chat, "answer": text}) + "\n" for text in ("1", "1", "2")))
    cases = cases_from(data, RowOptions(template="{answer}"))
    assert [case.item.completion for case in cases if case.kind == "right"] == ["1", "1", "2"]
    assert [case.item.completion for case in cases if case.kind == "wrong"] == ["2", "2", "1"]
    assert cases[0].item.problem.prompt == tuple(chat)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"prompt": "a", "answer": "1"}\n{"prompt": \n', r"rows.jsonl:2: not JSON"),
        (b"[1]\n", r"rows.jsonl:1: a JSON list"),
        (b"\n", "no rows"),
        (b"\xff\n", "utf-8"),
        (b'{"question": "a"}', r"rows.jsonl:1: column 'prompt' is missing"),
        (b'{"prompt": 3}', r"column 'prompt' is '3'"),
        (b'{"prompt": "a", "completions": "b"}', "must be a list"),
        (b'{"prompt": "a", "completion": 5}', "neither text nor"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_bytes(content)
    with pytest.raises(RowsError, match=message):
        cases_from(data, RowOptions())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: function"),
        (["exact_intger"], "did you mean 'exact_integer'"),
        (["no/such/file.py:f"], "no Python file"),
        (["exact_integer", "--set", "novalue"], "must be KEY=VALUE"),
        (["exact_integer", "--data", "no_such.jsonl"], "no_such.jsonl"),
        (["exact_integer", "--deadline", "0"], "must be a positive number"),
        (["exact_integer", "--batch", "0"], "at least 1"),
        (["exact_integer", "--template", "x"], "must have {answer} in it"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        ("lenght", [], "did you mean 'length'"),
        ("Scaled", ["--set", "scal=2"], "no setting 'scal'; did you mean 'scale'"),
    ],
)
def test_wrong_names_in_a_file_are_usage_without_a_traceback(
    check: Check, capsys: pytest.CaptureFixture[str], function: str, options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        check(function, *options)
    printed = capsys.readouterr().err
    assert caught.value.code == 2 and message in printed and "Traceback" not in printed


def test_an_import_that_fails_shows_its_own_traceback(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("x = 1\n\nimport package_that_is_not_there\n\ndef f(**kwargs): pass\n")
    command = [sys.executable, "-m", "grpo.rewards.check", f"{path}:f"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=worker_environment(dict(os.environ))
    )
    assert done.returncode == 1 and done.stdout == ""
    assert f'File "{path}", line 3, in <module>' in done.stderr
    assert "ModuleNotFoundError: No module named 'package_that_is_not_there'" in done.stderr
