"""Model folders and started engines for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from grpo.rollouts.registry import start_engine
from tests.rollouts.tiny_models import Subject, build_model, engine_settings

ModelFolder = Callable[[bool], Path]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Folder of the tied or untied tiny model."""
    made: dict[bool, Path] = {}

    def folder(tied: bool) -> Path:
        if tied not in made:
            made[tied] = tmp_path_factory.mktemp("tied" if tied else "untied")
            build_model(tied=tied).save_pretrained(made[tied])
        return made[tied]

    return folder


ENGINES = [
    pytest.param((name, tied), id=f"{name}-{'tied' if tied else 'untied'}", marks=marks)
    for name, marks in (("transformers", ()), ("scripted", ()), ("vllm", (pytest.mark.vllm,)))
    for tied in (False, True)
]


@pytest.fixture(scope="module", params=ENGINES)
def subject(request: pytest.FixtureRequest, model_folder: ModelFolder) -> Iterator[Subject]:
    """Each engine, started once per module and closed twice."""
    name, tied = request.param
    if name == "vllm":
        pytest.importorskip("vllm", reason="vLLM is not installed: pip install -e .[cpu]")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny models; several threads on a busy machine wait for each other
    engine = start_engine(engine_settings(name, model_folder(tied)))
    yield Subject(engine, build_model(tied=tied), tied)
    engine.close()
    engine.close()
    torch.set_num_threads(threads)
