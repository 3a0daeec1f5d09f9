"""Samples and scores problem after problem, and keeps what it has: a killed stage loses one call of the engine.

Each call's completions go, scored, to `samples/000001.json` and so on in the stage's folder, written whole or not at
all, and stay there. A resumed stage reads those that are there and goes on after them. What it makes of them is the
same, bit for bit: seeds are keyed, the calls have the same problems, and JSON gives back the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.rewards.suite import RewardSuite
from grpo.run.atomic import write_json
from grpo.stages.totals import Clock, StageTotals
from grpo.stages.traces.sample import Batch, Sample, Writer, Written
from grpo.types import Problem, RewardItem, Score

LINES = 10
"""Lines about progress in a stage's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """A writer, the rewards, and the folder of what they gave."""

    folder: Path
    writer: Writer
    suite: RewardSuite
    at_once: int
    """Problems of one call."""
    step: int
    """Of the run, as reward functions see it."""
    say: Callable[[str], None]
    stop_if_asked: Callable[[], None]
    """Raises when the run is asked to end; called between calls of the writer."""
    account: Callable[[StageTotals, bool], None]
    """Takes the totals after each call, before its file is written, and whether an earlier attempt paid for it."""

    def __call__(self, problems: Sequence[Problem], totals: StageTotals, clock: Clock) -> list[Sample]:
        """A sample per completion, problem by problem; what they took is added to `totals`, with earlier attempts.

        Raises:
            ValueError: the folder holds completions of other problems.
            RewardErrorShareError: more completions than allowed could not be scored.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        calls = range(0, len(problems), self.at_once)
        samples: list[Sample] = []
        for number, start in enumerate(calls, start=1):
            file = self.folder / f"{number:06d}.json"
            part = problems[start : start + self.at_once]
            kept = file.exists()
            if not kept:
                self.stop_if_asked()
            content = json.loads(file.read_text(encoding="ascii")) if kept else self._call(part, clock)
            if content["problems"] != [problem.id for problem in part]:
                raise ValueError(f"{file}: completions of other problems; the data has changed since")
            found = [Sample.of_entry(entry) for entry in content["samples"]]
            totals.tokens_sampled += sum(sample.tokens for sample in found)
            totals.tokens_prompted += content["tokens_prompted"]
            totals.wall_seconds += content["seconds"]
            self.account(totals, kept)
            if not kept:
                write_json(file, content)
            samples += found
            if number * LINES // len(calls) > (number - 1) * LINES // len(calls):
                self.say(f"{start + len(part)} of {len(problems)} problems sampled")
        return samples

    def _call(self, problems: Sequence[Problem], clock: Clock) -> dict[str, Any]:
        started = clock.elapsed
        with clock("rollout"):
            batch = self.writer.write(problems)
        with clock("reward"):
            samples = self._scored(problems, batch)
        return {
            "problems": [problem.id for problem in problems],
            "samples": [sample.entry() for sample in samples],
            "tokens_prompted": batch.tokens_prompted,
            "seconds": clock.elapsed - started,
        }

    def _scored(self, problems: Sequence[Problem], batch: Batch) -> list[Sample]:
        written = [[one for one in row if one.failure is None] for row in batch.written]
        items = [[_item(p, one) for one in row] for p, row in zip(problems, written, strict=True)]
        scores = iter([score for row in self.suite.score(items, self.step) for score in row])
        return [
            self._sample(problem, index, one, None if one.failure is not None else next(scores))
            for problem, row in zip(problems, batch.written, strict=True)
            for index, one in enumerate(row)
        ]

    def _sample(self, problem: Problem, index: int, written: Written, score: Score | None) -> Sample:
        return Sample(
            problem_id=problem.id,
            index=index,
            text=written.text,
            tokens=len(written.token_ids),
            finish_reason=written.finish_reason,
            weight_version=written.weight_version,
            rewards={} if score is None else dict(zip(self.suite.labels, score.parts, strict=True)),
            total=None if score is None else score.total,
            failure=written.failure if score is None else score.error,
        )


def _item(problem: Problem, written: Written) -> RewardItem:
    return RewardItem(
        problem=problem,
        completion=written.text,
        completion_ids=written.token_ids,
        finish_reason=written.finish_reason,
    )
