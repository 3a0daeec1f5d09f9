"""What a learning benchmark asks of one run, and where its result and its model lie."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What decides a result; the result of another request is not used."""

    name: str
    overrides: tuple[str, ...]
    models: tuple[tuple[str, Request], ...] = ()
    """Config key (`stages.rl.model_from`) and the run whose model it is given."""
    keeps: str = ""
    """Stage whose model outlives the run's folder, for other runs; none: no model is kept."""
    marks: tuple[int, ...] = ()
    """FLOPs after which a reinforcement stage's model is evaluated; the last ones end the stage."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.as_json()).encode()).hexdigest()[:8]

    def file(self, work: Path) -> Path:
        """Where the result lies."""
        return work / "results" / f"{self.name}.json"

    def model(self, work: Path) -> Path:
        """Where the kept model lies; one of another request lies elsewhere."""
        return work / "models" / f"{self.name}-{self.digest}"

    def filled(self, work: Path) -> list[str]:
        """The overrides with the models' folders."""
        return [*self.overrides, *(f"{key}={other.model(work)}" for key, other in self.models)]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "overrides": list(self.overrides),
            "models": [[key, other.as_json()] for key, other in self.models],
            "keeps": self.keeps,
            "marks": list(self.marks),
        }


def request_from(values: Mapping[str, Any]) -> Request:
    """What `as_json` wrote."""
    return Request(
        name=values["name"],
        overrides=tuple(values["overrides"]),
        models=tuple((key, request_from(other)) for key, other in values["models"]),
        keeps=values["keeps"],
        marks=tuple(values["marks"]),
    )


def keep_model(made: Path, place: Path) -> None:
    """Copy a model; a folder that is at `place` is whole."""
    aside = place.with_name(f"{place.name}.partial.{os.getpid()}")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made, aside)
    aside.replace(place)
