"""`summary.json`: what a run was, what it used and what came out; rewritten whole at every change."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from grpo.config.estimate import memory_of
from grpo.config.schema import RunConfig
from grpo.run.atomic import write_json
from grpo.run.commit import git_commit
from grpo.track.alarms.watch import Ring

PACKAGES = ("torch", "transformers", "hydra-core", "omegaconf", "tokenizers", "datasets", "safetensors", "numpy")


class Summary:
    """The growing summary of one run."""

    def __init__(self, file: Path, config: RunConfig) -> None:
        self._file = file
        self.content: dict[str, Any] = {
            "status": "running",
            "name": config.name,
            "seed": config.seed,
            "git_commit": git_commit(),
            "versions": {"python": platform.python_version()} | _versions(),
            "engine": {"name": config.rollout.engine, "version": None},
            "stages": {},
            "cost": {},
            "eval": [],
            "eval_gain": [],
            "budget": [],
            "data_sets": {},
            "alarms": [],
            "published": None,
            "sync_logprob_diff_max": None,
            "memory": {"estimated_bytes": _estimated_bytes(config)},
        }

    def restore(self, earlier: Mapping[str, Any]) -> None:
        """Take over what finished stages of a resumed run have written."""
        keys = ("eval", "eval_gain", "budget", "data_sets", "stages", "published", "sync_logprob_diff_max")
        for key in keys:
            self.content[key] = earlier.get(key, self.content[key])
        self.content["cost"] = dict(earlier.get("cost") or {})

    def engine(self, name: str, version: str) -> None:
        """What sampled the rollouts."""
        self.content["engine"] = {"name": name, "version": version}

    def saw_logprob_difference(self, largest: float) -> None:
        """Largest trainer-sampler difference of any probe so far, nats."""
        self.content["sync_logprob_diff_max"] = max(self.content["sync_logprob_diff_max"] or 0.0, largest)

    def add_evaluations(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Entries of one stage, replacing those of an earlier attempt at it."""
        names = {entry["stage"] for entry in entries}
        self.content["eval"] = [e for e in self.content["eval"] if e["stage"] not in names] + list(entries)

    def set_gains(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Every paired gain between evaluations so far."""
        self.content["eval_gain"] = [dict(entry) for entry in entries]

    def add_budget(self, entry: Mapping[str, Any]) -> None:
        """The curve of one budget stage, replacing that of an earlier attempt at it."""
        self.content["budget"] = [e for e in self.content["budget"] if e["stage"] != entry["stage"]] + [dict(entry)]

    def add_data_set(self, stage: str, entry: Mapping[str, Any]) -> None:
        """What a stage sampled, dropped and kept."""
        self.content["data_sets"][stage] = dict(entry)

    def set_alarms(self, rings: Sequence[Ring]) -> None:
        """Every ring of the run so far: name, stage, step and text."""
        self.content["alarms"] = [ring.entry() for ring in rings]

    def set_published(self, entry: Mapping[str, Any]) -> None:
        """Where the model was uploaded to, or why it was not."""
        self.content["published"] = dict(entry)

    def stage_finished(self, name: str, entry: Mapping[str, Any]) -> None:
        """What a stage used."""
        self.content["stages"][name] = dict(entry)

    def set_cost(self, sums: Mapping[str, Any]) -> None:
        """What the run and its project used so far, and the estimate, as `grpo/cost/book.py:CostBook.sums` has them."""
        self.content["cost"] = dict(sums)

    def measured_memory(self, base: int) -> None:
        """Bytes in use before the first stage, the highest peak of the stages so far, and what it lies above the base,
        beside the dry run's estimate of that."""
        peaks = [stage["peak_memory_bytes"] for stage in self.content["stages"].values()]
        peak = max(peaks, default=base)
        self.content["memory"] |= {"base_bytes": base, "peak_bytes": peak, "peak_over_base_bytes": peak - base}

    def write(self, status: str, error: str | None = None) -> None:
        """`running`, `finished`, `interrupted`, `stopped` (by an alarm) or `failed`; `error`: why it ended so."""
        self.content["status"] = status
        if error is not None:
            self.content["error"] = error
        write_json(self._file, self.content)


def _estimated_bytes(config: RunConfig) -> int | None:
    """Of the peak over the base; None when the model's shape is unknown."""
    estimate = memory_of(config)
    return None if estimate is None or estimate.unknown else estimate.peak_bytes


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
