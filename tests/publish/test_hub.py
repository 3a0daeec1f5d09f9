"""Uploads to a made-up hub: what is sent, and that a failure loses nothing. Nothing reaches the real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from grpo.publish import hub
from grpo.run.manifest import write_manifest
from tests.run.running import run_here, summary

TOKEN = "hf_NotARealToken123"
FILES = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder with a stray file that was not exported."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    write_manifest(folder, FILES, {"kind": "model"})
    (folder / "metrics.jsonl").write_text("{}")
    return folder


class FakeApi:
    """Remembers what it is asked for."""

    calls: list[tuple[str, dict[str, Any]]]

    def __init__(self, *, token: str) -> None:
        FakeApi.calls = [("token", {"token": token})]

    def create_repo(self, repo_id: str, **options: Any) -> str:
        FakeApi.calls.append(("create_repo", {"repo_id": repo_id, **options}))
        return f"https://hub/{repo_id}"

    def upload_folder(self, **options: Any) -> None:
        FakeApi.calls.append(("upload_folder", options))


def test_only_the_exported_files_are_sent(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    assert hub.upload(model, "me/mine", {"HF_TOKEN": TOKEN}) == "https://hub/me/mine"
    token, create, send = FakeApi.calls
    assert token[1] == {"token": TOKEN}
    assert create == ("create_repo", {"repo_id": "me/mine", "private": True, "exist_ok": True})
    assert send[1]["folder_path"] == model and send[1]["repo_id"] == "me/mine"
    names = [path.name for path in model.iterdir()]
    sent = huggingface_hub.utils.filter_repo_objects(names, allow_patterns=send[1]["allow_patterns"])
    assert sorted(sent) == [*FILES[:2], "manifest.json", FILES[2]]
    assert TOKEN not in str(send)


def test_a_changed_folder_and_a_missing_token_are_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    with pytest.raises(ValueError, match="HF_TOKEN"):
        hub.upload(model, "me/mine", {"HF_TOKEN": ""})
    (model / "config.json").write_text("other bytes")
    with pytest.raises(ValueError, match=r"config\.json"):
        hub.upload(model, "me/mine", {"HF_TOKEN": TOKEN})


def test_the_command_says_why_in_a_line(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing(FakeApi):
        def create_repo(self, repo_id: str, **options: Any) -> str:
            raise OSError(f"403 for\n{TOKEN}")

    monkeypatch.setattr(huggingface_hub, "HfApi", Refusing)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub.main([str(model), "me/mine"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("OSError: 403 for [redacted]") and said.count("\n") == 1
    assert hub.main([str(model)]) == 2 and "usage" in capsys.readouterr().err


def script(tmp_path: Path, body: str) -> tuple[str, ...]:
    file = tmp_path / "child.py"
    file.write_text(body)
    return sys.executable, str(file)


def test_outcomes_of_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for body, ok, text in (
        ("print('noise\\nhttps://hub/me/mine')", True, "https://hub/me/mine"),
        (f"import sys; sys.exit('no rights: {TOKEN}')", False, "no rights: [redacted]"),
        ("raise SystemExit(3)", False, "exit code 3"),
        ("import time; time.sleep(60)", False, "no answer within 0.5 s"),
    ):
        monkeypatch.setattr(hub, "COMMAND", script(tmp_path, body))
        found = hub.push(tmp_path, "me/mine", deadline_seconds=0.5 if "sleep" in body else 60.0)
        assert (found.ok, found.text) == (ok, text)
    monkeypatch.setattr(hub, "COMMAND", (str(tmp_path / "nothing"),))
    assert not hub.push(tmp_path, "me/mine").ok


CHILD = """
import json, sys
from pathlib import Path
import huggingface_hub
class Api:
    def __init__(self, *, token): pass
    def create_repo(self, repo_id, **options): return "https://hub/" + repo_id
    def upload_folder(self, **options):
        Path({out!r}).write_text(json.dumps({{k: str(v) for k, v in options.items()}}))
        {then}
huggingface_hub.HfApi = Api
from grpo.publish.hub import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_uploads_its_model(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a failure the run is finished all the same, the model is there, and it says how to try again."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("PYTHONPATH", str(Path(hub.__file__).parents[2]))
    body = CHILD.format(out=str(tmp_path / "sent.json"), then="raise OSError('connection lost')" if fails else "pass")
    monkeypatch.setattr(hub, "COMMAND", script(tmp_path, body))
    code, folder = run_here(tmp_path / "runs", "pipeline=[export]", "stages.export.model_from=base",
                            "stages.export.repo_id=me/mine", "logger=[console]")  # fmt: skip
    assert code == 0 and (folder / "model" / "model.safetensors").is_file()
    sent = json.loads((tmp_path / "sent.json").read_text())
    assert sent["folder_path"] == str(folder / "model") and "metrics" not in sent["allow_patterns"]
    found = summary(folder)
    assert found["status"] == "finished"
    if fails:
        assert found["published"] == {"repo_id": "me/mine", "status": "failed", "error": "OSError: connection lost"}
        assert f"python -m grpo.publish.hub {folder / 'model'} me/mine" in capsys.readouterr().out
    else:
        assert found["published"] == {"repo_id": "me/mine", "status": "uploaded", "url": "https://hub/me/mine"}
    assert all(TOKEN not in file.read_text() for file in folder.rglob("*") if file.suffix in (".json", ".yaml", ".md"))
