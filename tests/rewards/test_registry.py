from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grpo.rewards.integer import exact_integer
from grpo.rewards.registry import REGISTERED, resolve


def test_registered_names() -> None:
    assert resolve("exact_integer") is exact_integer
    assert all(callable(function) for function in REGISTERED.values())


def test_module_and_file(user_file: str) -> None:
    assert resolve("grpo.rewards.integer.exact_integer") is exact_integer
    assert resolve(f"{user_file}:length")(completions=["ab", ""]) == [2.0, 0.0]
    assert resolve(f"{user_file}:Scaled")(completions=["a"]) == [0.25]


def test_current_folder_and_neighbours_are_importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd_only_rewards.py").write_text("def f(completions, **kwargs): return [4.0] * len(completions)\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "neighbour_helper.py").write_text("VALUE = 5.0\n")
    (tmp_path / "sub" / "uses.py").write_text("from neighbour_helper import VALUE\ndef g(**kwargs): return [VALUE]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert resolve("cwd_only_rewards.f")(completions=["a"]) == [4.0]
    assert resolve("sub/uses.py:g")() == [5.0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exact_intger", "unknown reward 'exact_intger'; did you mean 'exact_integer'"),
        ("zzz", "registered: .*exact_integer, think_answer_format"),
        ("no_such_package.fn", "no module 'no_such_package'"),
        ("grpo.rewards.integr.exact_integer", "no module 'grpo.rewards.integr'"),
        ("grpo.rewards.integer.exact_integr", "has no 'exact_integr'; did you mean 'exact_integer'"),
    ],
)
def test_unknown_names_say_what_is_near(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve(name)


def test_unknown_file_or_attribute(user_file: str) -> None:
    with pytest.raises(ValueError, match=r"no Python file .*did you mean 'user_rewards.py'"):
        resolve(user_file.replace("user_rewards", "user_reward") + ":length")
    with pytest.raises(ValueError, match="has no 'lenght'; did you mean 'length'"):
        resolve(f"{user_file}:lenght")
    with pytest.raises(ValueError, match="is a int, not a function"):
        resolve(f"{user_file}:NOT_CALLABLE")


def test_an_import_error_inside_the_file_is_shown_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_rewards.py").write_text("import package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("broken_rewards.py:f", "broken_rewards.f"):
        with pytest.raises(ModuleNotFoundError, match="package_that_is_not_there") as caught:
            resolve(name)
        assert caught.value.__notes__ == [f"while importing reward {name!r}"]


def test_rewards_import_without_heavy_libraries() -> None:
    code = (
        "import sys, grpo.rewards.suite; "
        "heavy = ('torch', 'transformers', 'vllm', 'datasets', 'omegaconf', 'sympy', 'py3langid'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
