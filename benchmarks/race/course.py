"""What both sides write down: training accuracy and seconds of each step, held-out accuracy at a few."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from grpo.rewards.integer import exact_integer
from grpo.rollouts.engine import EngineSettings
from grpo.rollouts.registry import start_engine
from grpo.run.random import derive_seed
from grpo.types import Problem, Prompt, SamplingSettings

Weights = Iterable[tuple[str, torch.Tensor]]


class HeldOut:
    """Accuracy on held-out problems, the same code and the same seeds for both sides: our `transformers` engine."""

    def __init__(self, folder: Path, problems: Sequence[Problem], max_tokens: int, log: Path) -> None:
        """`folder`: the model both sides start from."""
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self._answers = [problem.answer for problem in problems]
        self._max_tokens = max_tokens
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._engine = start_engine(
            EngineSettings(
                name="transformers",
                model_folder=folder,
                context=config["max_position_embeddings"],
                max_sequences=max(1, len(problems)),
                log_path=log,
            )
        )
        self._prompts = [
            Prompt(problem_id=p.id, token_ids=tuple(self._ids(p)), seed=derive_seed("held out", p.id)) for p in problems
        ]
        self._version = 0

    def _ids(self, problem: Problem) -> list[int]:
        ids: list[int] = self._tokenizer(problem.prompt)["input_ids"]
        return ids

    def __call__(self, weights: Weights) -> dict[str, float]:
        """Share of right answers, `sampled` at temperature 1 and `greedy`."""
        self._version += 1
        self._engine.update_weights(weights, self._version)
        return {"sampled": self._share(1.0), "greedy": self._share(0.0)}

    def _share(self, temperature: float) -> float:
        settings = SamplingSettings(completions_per_prompt=1, max_tokens=self._max_tokens, temperature=temperature)
        groups = self._engine.sample(self._prompts, settings)
        texts = [self._tokenizer.decode(group.completions[0].token_ids, skip_special_tokens=True) for group in groups]
        return sum(exact_integer(completions=texts, answer=self._answers)) / len(texts)


class Course:
    """The clock starts when the first step has ended, which warms both sides up, and stands still while evaluating."""

    def __init__(
        self, held_out: Callable[[Weights], dict[str, float]], at: Iterable[int], now: Callable[[], float]
    ) -> None:
        """`at`: the steps, from 1, after which held-out accuracy is measured; `now`: seconds of a steady clock."""
        self._held_out, self._at, self._now = held_out, frozenset(at), now
        self._started, self._stopped = 0.0, 0.0
        self.points: list[dict[str, float]] = []
        self.evaluations: list[dict[str, float]] = []
        self.phases: dict[str, float] = {}

    def begin(self, weights: Weights) -> None:
        """Before the first step."""
        self.evaluations.append({"step": 0, **self._held_out(weights)})

    def step_done(self, found: Mapping[str, float], phases: Mapping[str, float], weights: Weights) -> None:
        """`found`: accuracy, samples, tokens of the step; `phases`: its seconds by phase."""
        ended = self._now()
        step = len(self.points) + 1
        if step == 1:
            self._started = ended
        else:
            for name, spent in phases.items():
                self.phases[name] = self.phases.get(name, 0.0) + spent
        self.points.append({"step": step, "seconds": ended - self._started - self._stopped, **found})
        if step in self._at:
            self.evaluations.append({"step": step, **self._held_out(weights)})
        self._stopped += self._now() - ended

    def found(self) -> dict[str, Any]:
        """For the result file."""
        points = [{key: float(f"{value:.6g}") for key, value in point.items()} for point in self.points]
        return {"points": points, "held_out": self.evaluations, "phases": self.phases}


def steady() -> float:
    """Seconds of the clock that both sides are timed with."""
    return time.perf_counter()
