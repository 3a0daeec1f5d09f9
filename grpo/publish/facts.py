"""What a model card says, gathered from the run: which base, which licence, which evaluations are of this model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grpo.config.check_slices import looks_like_hub_id
from grpo.publish.public import public
from grpo.report.outcome import Accuracy, accuracies
from grpo.report.read import RunData, mapping, sequence, text

CARD_FILE = "README.md"
SCRATCH = "scratch"
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_MOST_CARD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The model that the run's first stage started from."""

    name: str
    """A hub id, the last component of a local folder, or `scratch`."""
    on_hub: bool
    license: str | None = None
    """As the base's own card says; None when it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """Everything the card is written from."""

    run: RunData
    config: Mapping[str, Any]
    """The run's, secrets redacted, local paths cut to their last component."""
    model_from: str
    """The stage whose model is exported, or `base`, or a folder."""
    base: Base
    license: str | None
    """Config's, else the base's."""

    @property
    def stages(self) -> dict[str, Mapping[str, Any]]:
        """The pipeline's stages by name, in order."""
        known = mapping(self.config.get("stages"))
        return {name: mapping(known[name]) for name in sequence(self.config.get("pipeline")) if name in known}

    @property
    def title(self) -> str:
        """The run's name."""
        return self.run.name

    def of_this_model(self) -> list[Accuracy]:
        """Evaluations of exactly the model that is exported."""
        return [one for one in accuracies(self.run) if self.is_this_model(one.stage)]

    def is_this_model(self, evaluation: str) -> bool:
        """Whether the named evaluation stage was made with the exported model."""
        return evaluation in self.stages and text(self.stages[evaluation].get("model_from")) == self.model_from


def gather(run: RunData, stage: str, base_folder: Path | None) -> CardFacts:
    """Facts for the card of export stage `stage`.

    Args:
        base_folder: where the base lies on this disk, for the licence in its card; None for one made from scratch.
    """
    export = mapping(mapping(run.config.get("stages")).get(stage))
    name = root_model(run.config, stage)
    base = Base(
        name=str(public(name)),
        on_hub=name != SCRATCH and looks_like_hub_id(name) and not Path(name).expanduser().exists(),
        license=license_of(base_folder) if base_folder is not None else None,
    )
    return CardFacts(
        run=run,
        config=public(run.config),
        model_from=str(public(text(export.get("model_from")))),
        base=base,
        license=text(export.get("license")) or base.license,
    )


def root_model(config: Mapping[str, Any], stage: str) -> str:
    """`scratch`, the hub id or the folder that the chain of stages before `stage` began with."""
    stages = mapping(config.get("stages"))
    source = stage
    for _ in range(len(stages) + 1):
        if source not in stages:
            break
        source = text(mapping(stages[source]).get("model_from"))
    return text(mapping(config.get("model")).get("name")) if source == "base" else source


def license_of(folder: Path) -> str | None:
    """The `license` in the front matter of a model folder's card; None without a card, or one that cannot be read."""
    try:
        with (folder / CARD_FILE).open("rb") as file:
            card = file.read(_MOST_CARD_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return None
    match = _FRONT_MATTER.match(card)
    try:
        facts = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        return None
    return text(mapping(facts).get("license")) or None
