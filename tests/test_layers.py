"""The architecture as tests: who may import whom, how large a file may grow, and what is never called."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("grpo", "rewards", "rollouts", "kernels")
SCRIPTS = ("benchmarks", "tools", "tests")
FILE_LIMIT, FUNCTION_LIMIT, KERNEL_FUNCTION_LIMIT, PARAMETER_LIMIT = 300, 40, 130, 7
LONGER_FILES: dict[str, int] = {}
"""File to its limit, at most 500."""
LONGER_FUNCTIONS: dict[str, int] = {}
"""`file:function` to its limit, at most 80."""
HEAVY = ("torch", "transformers", "vllm")


def python_files(*folders: str) -> list[Path]:
    """Every module below the folders, each once: the links inside `grpo/` are not followed."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parents = [ROOT / folder, *(parent for parent in path.parents if ROOT / folder in parent.parents)]
            if not any(parent.is_symlink() for parent in parents):
                found.append(path)
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute names of everything imported anywhere in a file, with the line."""
    relative = path.relative_to(ROOT)
    parts = list(relative.with_suffix("").parts)
    package = (parts if parts[0] == "grpo" else ["grpo", *parts])[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            module = f"{base}{node.module or ''}".rstrip(".")
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


RULES = {
    "rewards": ("grpo.rewards", "grpo.types"),
    "rollouts": ("grpo.rollouts", "grpo.types"),
    "kernels": ("grpo.kernels",),
}
"""What of ours each room may import; `grpo/` itself composes and may import all."""


@pytest.mark.parametrize("room", RULES)
def test_rooms_import_only_what_they_may(room: str) -> None:
    wrong = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files(room)
        for name, line in imports(path)
        if name.startswith("grpo.") and not inside(name, *RULES[room])
    ]
    assert wrong == []


def test_rewards_never_torch_and_only_rollouts_vllm() -> None:
    wrong = []
    for room in ROOMS:
        forbidden = {"rewards": HEAVY, "rollouts": (), "grpo": ("vllm",), "kernels": ("vllm", "transformers")}[room]
        for path in python_files(room):
            wrong += [
                f"{name_of(path)}:{line} imports {name}" for name, line in imports(path) if inside(name, *forbidden)
            ]
    assert wrong == []


def test_the_leaf_and_the_config_know_no_room() -> None:
    for name, line in imports(ROOT / "grpo" / "types.py"):
        assert not inside(name, "grpo"), f"grpo/types.py:{line} imports {name}"
    for path in python_files("grpo/config"):
        for name, line in imports(path):
            assert not inside(name, "grpo") or inside(name, "grpo.config", "grpo.conf"), (
                f"{name_of(path)}:{line} {name}"
            )


def test_no_second_copy_of_a_room() -> None:
    """`import rewards.x` from the root would load a module twice, under two names."""
    wrong = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files(*ROOMS, *SCRIPTS)
        for name, line in imports(path)
        if inside(name, "rewards", "rollouts", "kernels", "conf")
    ]
    assert wrong == []


def test_links_and_the_bare_name_kernels() -> None:
    for room in ("rewards", "rollouts", "kernels", "conf"):
        link = ROOT / "grpo" / room
        assert link.is_symlink() and link.readlink().as_posix() == f"../{room}"
    assert not (ROOT / "kernels" / "__init__.py").exists(), "it would hide Hugging Face's kernels from transformers"
    assert (ROOT / "conf" / "__init__.py").exists()


def test_file_sizes() -> None:
    wrong = {}
    for path in python_files(*ROOMS, "tools"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGER_FILES.get(name_of(path), FILE_LIMIT):
            wrong[name_of(path)] = lines
    assert wrong == {}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def is_gpu_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("jit" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_function_sizes() -> None:
    wrong = {}
    for path in python_files(*ROOMS, "tools"):
        for node in functions(path):
            key = f"{name_of(path)}:{node.name}"
            limit = KERNEL_FUNCTION_LIMIT if is_gpu_kernel(node) else LONGER_FUNCTIONS.get(key, FUNCTION_LIMIT)
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > limit:
                wrong[key] = length
    assert wrong == {}


def test_parameter_counts() -> None:
    wrong = {}
    for path in python_files(*ROOMS):
        for node in functions(path):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len([name for name in names if name not in ("self", "cls")])
            if count > PARAMETER_LIMIT and not is_gpu_kernel(node):
                wrong[f"{name_of(path)}:{node.name}"] = count
    assert wrong == {}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "torch.load", "yaml.load", "os.system",
    "marshal.loads", "shelve.open", "joblib.load", "sympify", "sympy.sympify", "parse_expr",
}  # fmt: skip
SANDBOXED = ("rewards/code/inside/server.py", "rewards/code/inside/judge.py")
"""Run programs of completions and tests of rows, inside the sandbox only: nothing of ours imports them."""


def test_only_the_sandbox_runs_the_sandboxed() -> None:
    importers = [name_of(path) for path in python_files(*ROOMS, *SCRIPTS) for name, _ in imports(path)
                 if inside(name, "grpo.rewards.code.inside") and not name_of(path).startswith("rewards/code/inside/")
                 and "test" not in path.name]  # fmt: skip
    assert importers == []


def test_nothing_is_executed_or_unpickled() -> None:
    wrong = []
    for path in python_files(*ROOMS, "benchmarks"):
        for name, node in calls(path):
            trusting = any(
                one.arg == "trust_remote_code"
                and not (isinstance(one.value, ast.Constant) and one.value.value is False)
                for one in node.keywords
            )
            shell = any(one.arg == "shell" and getattr(one.value, "value", None) is True for one in node.keywords)
            executes = name in FORBIDDEN_CALLS and not (name in ("exec", "compile") and name_of(path) in SANDBOXED)
            if executes or trusting or shell:
                wrong.append(f"{name_of(path)}:{node.lineno} calls {name}")
        wrong += [f"{name_of(path)}:{line} imports {name}" for name, line in imports(path)
                  if inside(name, "pickle", "cloudpickle", "dill", "marshal", "shelve")]  # fmt: skip
    assert wrong == []


LIGHT = ("grpo.types", "grpo.config.load", "grpo.config.check", "grpo.cli.arguments", "grpo.rewards.suite",
         "grpo.rewards.registry", "grpo.rollouts.engine", "grpo.doctor")  # fmt: skip


def test_light_imports() -> None:
    script = (
        "import importlib, sys\n"
        f"for name in {LIGHT!r}:\n"
        "    importlib.import_module(name)\n"
        f"    heavy = set({HEAVY!r}) & set(sys.modules)\n"
        "    assert not heavy, f'{name} loads {heavy}'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_walk_sees_what_it_should(tmp_path: Path) -> None:
    """The rules are only as good as the walk: imports inside functions, relative ones and aliases are seen."""
    names = {name_of(path) for path in python_files(*ROOMS)}
    assert {"grpo/types.py", "rewards/suite.py", "rollouts/engine.py"} <= names
    assert not any(name.startswith("grpo/rewards/") for name in names)
    relative = dict(imports(ROOT / "kernels" / "token_logprob" / "__init__.py"))
    assert "grpo.kernels.token_logprob.api.token_logprob" in relative
