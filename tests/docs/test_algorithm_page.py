"""docs/algorithm.md: every registered name is on it, and every line to type is one the config check takes."""

from __future__ import annotations

import re

import pytest

from grpo.algorithm.advantages import ADVANTAGES
from grpo.algorithm.kl import ESTIMATORS
from grpo.algorithm.losses import LOSSES
from grpo.algorithm.reductions import REDUCTIONS
from grpo.config.check import check
from grpo.config.leaves import all_leaves
from grpo.config.load import load_config, shipped_options
from tests.docs.test_docs import ROOT, commands, prose

PAGE = ROOT / "docs" / "algorithm.md"
TYPED = [words for words in commands(PAGE) if any(word.startswith("algorithm.") for word in words)]
CODE = re.findall(r"`([^`\n]+)`", prose(PAGE))


@pytest.mark.parametrize(
    "registry", [LOSSES, ADVANTAGES, REDUCTIONS, ESTIMATORS], ids=["losses", "advantages", "reductions", "kl"]
)
def test_every_name_is_on_the_page(registry: dict[str, object]) -> None:
    assert set(registry) <= set(CODE)


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_what_is_to_be_typed_passes_the_check(words: list[str]) -> None:
    check(load_config([*words, "rollout=transformers"]))


@pytest.mark.parametrize("code", [code for code in CODE if re.fullmatch(r"algorithm\.[\w.]+=\S+", code)])
def test_a_setting_in_the_text_passes_the_check(code: str) -> None:
    check(load_config([code]))


def test_lines_were_found_and_each_loss_and_advantage_is_in_one() -> None:
    chosen = {word.partition("=")[2] for words in TYPED for word in words}
    defaults = {"clipped_ratio", "group_mean_std"}
    assert set(LOSSES) | set(ADVANTAGES) <= chosen | defaults and len(TYPED) >= 25


def test_every_preset_and_every_key_of_the_algorithm_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = {leaf.path.rpartition(".")[2] for leaf in all_leaves() if leaf.path.startswith("algorithm.")}
    assert {name for name in names if not re.search(rf"\b{name}\b", text)} == set()
    presets = set(shipped_options()["experiment"]) - {"gsm8k_small", "bilingual", "r1", "s1", "self_improvement"}
    assert {name for name in presets if f"`{name}`" not in text and f"`experiment={name}`" not in text} == set()
