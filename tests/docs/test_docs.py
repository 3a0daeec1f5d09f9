"""The pages keep up with the code: links, named files and functions, commands, the example reward, metrics."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from grpo.cli.arguments import parse_arguments
from grpo.config.load import ConfigSource, load_config
from grpo.config.overrides import expand
from grpo.rewards.suite import build_suite
from grpo.track.names import markdown_table
from grpo.types import Problem, RewardItem

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = "grpo|rewards|rollouts|kernels|conf|tests|benchmarks|docs|tools"
MARKER = "{{"
"""Stands for a figure that a run has yet to give; so does the picture until there is one."""
PICTURE = "docs/learning_curve.svg"


def prose(page: Path) -> str:
    """The page without fenced code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def fenced(page: Path, language: str) -> list[str]:
    """Bodies of the fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The targets of the page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> Iterator[str]:
    """Relative links of the page that lead nowhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists():
            awaited = name == PICTURE and MARKER in README.read_text(encoding="utf-8")
            yield from () if awaited else (target,)
        elif anchor and anchor not in anchors(file):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def named_files(page: Path) -> set[str]:
    """Paths below our folders in inline code; `file.py:name` keeps its name. Patterns and placeholders are left out."""
    found = set()
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        match = re.fullmatch(rf"((?:{ROOMS})/[\w./-]*(?::\w+(?:\.\w+)*)?)(?:\(\))?", code)
        if match:
            found.add(match[1])
    return found


def defined(path: Path, name: str) -> bool:
    """Whether a module defines a dotted name: a function, class, constant, or a method of a class."""
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    for part in name.split("."):
        for node in body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            held = [getattr(node, "name", None), *(getattr(target, "id", None) for target in targets)]
            if part in held:
                body = getattr(node, "body", [])
                break
        else:
            return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_and_functions_exist(page: Path) -> None:
    missing = []
    for text in named_files(page):
        file, _, name = text.partition(":")
        if not (ROOT / file).exists() or (name and not defined(ROOT / file, name)):
            missing.append(text)
    assert missing == []


def test_the_tree_in_the_readme_is_the_tree() -> None:
    (tree,) = [block for block in fenced(README, "text") if block.startswith("conf/")]
    for line in tree.splitlines():
        folder, _, meaning = line.partition(" ")
        assert (ROOT / folder).is_dir(), folder
        for name in re.findall(r"(?<![\w/])[\w]+(?:\.py|\.md|/)", meaning):
            assert (ROOT / folder / name).exists(), folder + name


def commands(page: Path) -> Iterator[list[str]]:
    """Words of every `grpo …` and `python -m grpo …` line in the page's shell blocks."""
    for block in fenced(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["grpo"]:
                yield words[1:]
            elif words[:3] == ["python", "-m", "grpo"]:
                yield words[3:]


COMMANDS = [words for page in PAGES if page.name != "algorithm.md" for words in commands(page)]
"""Those of algorithm.md are composed, and checked, in `test_algorithm_page.py`."""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_compose(words: list[str]) -> None:
    arguments = parse_arguments(words)
    for job in expand(arguments.overrides):
        load_config(job, ConfigSource(config_name=arguments.config_name))


def test_the_commands_were_found() -> None:
    assert ["resume=auto"] in COMMANDS and len(COMMANDS) >= 12
    assert any("model.name=Qwen/Qwen2.5-1.5B-Instruct" in words for words in COMMANDS)


def test_the_rewards_in_the_docs_work(tmp_path: Path) -> None:
    """The six-line one and the one of a whole group, from a file, each in its worker process; the third has a test
    file of its own."""
    sources = fenced(ROOT / "docs" / "rewards.md", "python")
    assert len(sources) == 3 and len(sources[0].splitlines()) == 6
    (tmp_path / "mine.py").write_text("\n".join(sources[:2]), encoding="utf-8")
    suite = build_suite([f"{tmp_path}/mine.py:near_miss", f"{tmp_path}/mine.py:shortest_right"], [1.0, 1.0])
    problem = Problem(id="a", prompt="p", answer="7")
    texts = ["7\nso 8", "first\nso 7", "it is 7"]
    items = [RewardItem(problem=problem, completion=t, completion_ids=(1,), finish_reason="stop") for t in texts]
    try:
        [scores] = suite.score([items])
    finally:
        suite.close()
    assert [score.parts for score in scores] == [(0.0, 1.0), (0.5, 0.0), (0.5, 0.0)]


def test_the_reward_in_the_readme_works(tmp_path: Path) -> None:
    """Six lines, in a worker process as a run would have it: 12 of 48 tokens give 0.75, weight 0.2."""
    (source,) = fenced(README, "python")
    assert len(source.splitlines()) == 6
    (tmp_path / "my_rewards.py").write_text(source, encoding="utf-8")
    suite = build_suite(["exact_integer", f"{tmp_path}/my_rewards.py:brevity"], [1.0, 0.2])
    problem = Problem(id="a", prompt="1+1=", answer="2")
    texts = {"<answer>2</answer>": 12, "": 96}
    items = [
        RewardItem(problem=problem, completion=text, completion_ids=(7,) * count, finish_reason="stop")
        for text, count in texts.items()
    ]
    try:
        right, empty = suite.score([items])[0]
    finally:
        suite.close()
    assert right.total == pytest.approx(1.0 + 0.2 * 0.75) and right.parts == (1.0, 0.75)
    assert empty.total == 0.0


def test_the_metrics_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert page == markdown_table(), "run: python -m grpo.track.names > docs/metrics.md"


def test_the_readme_is_short_and_names_no_machine() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp)/", page.read_text(encoding="utf-8")), page.name


def test_broken_pages_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](#a-title) [b](gone.md) [c](#gone) `grpo/types.py:Group.prompt` `grpo/gone.py`\n")
    assert list(broken_links(page)) == ["gone.md", "#gone"]
    assert named_files(page) == {"grpo/types.py:Group.prompt", "grpo/gone.py"}
    types = ROOT / "grpo" / "types.py"
    assert defined(types, "Group.prompt") and defined(types, "FinishReason")
    assert not defined(types, "Group.gone") and not defined(types, "prompt")
