"""An upload that cannot work is refused before the run begins."""

from __future__ import annotations

import pytest

from grpo.config import check_publish
from grpo.config.check import check
from grpo.config.load import load_config
from tests.config.helpers import refusal


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_NotARealToken123")
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def test_a_repository_and_a_licence_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for repo in ("me/mine", "me/Mine_2.5-b"):
        check(load_config([f"stages.export.repo_id={repo}", "stages.export.license=llama3.1"]))
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_NotARealToken123")
    check(load_config(["stages.export.repo_id=me/mine"]))


@pytest.mark.parametrize(
    "repo", ["mine", "a/b/c", "me/a--b", "me/a..b", "me/.a", "me/a.", "me/a.git", "me/" + "a" * 95]
)
def test_names_that_the_hub_refuses(repo: str) -> None:
    assert f"stages.export.repo_id={repo}: valid is owner/name" in refusal(f"stages.export.repo_id={repo}")


def test_no_token_no_library_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", " ")
    assert "needs a token" in refusal("stages.export.repo_id=me/mine")
    monkeypatch.setenv("HF_TOKEN", "hf_NotARealToken123")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in refusal("stages.export.repo_id=me/mine")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(check_publish, "find_spec", lambda name: None)
    assert "needs huggingface_hub" in refusal("stages.export.repo_id=me/mine")


def test_a_licence_that_is_no_identifier() -> None:
    assert "stages.export.license=Apache License" in refusal("stages.export.license='Apache License'")
