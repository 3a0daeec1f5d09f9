"""The frame of a stage that writes a data set: its rewards, what it has used, its one line of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.config.stages_data import DataSetConfig, problems_per_call
from grpo.run.memory import GAUGE
from grpo.stages.context import RunContext
from grpo.stages.scoring import suite_of
from grpo.stages.totals import Clock, StageTotals
from grpo.stages.traces.collect import Collector
from grpo.stages.traces.filters import Filtered, filtered
from grpo.stages.traces.overlap import evaluated_on
from grpo.stages.traces.publish import Outcome, publish
from grpo.stages.traces.sample import Sample, Writer
from grpo.types import Problem


class TraceWork:
    """One attempt at a stage; `close` ends the workers of its rewards."""

    def __init__(self, name: str, stage: DataSetConfig, context: RunContext) -> None:
        self.name, self.stage, self.context = name, stage, context
        self.clock, self.totals = Clock(), StageTotals()
        self.keys: tuple[int | str, ...] = (context.config.seed, name)
        context.tracker.stage_started(name, stage.kind, 1)
        self.evaluated_on = evaluated_on(stage, context)
        self.suite = suite_of(stage.reward)

    def collect(self, writer: Writer, problems: Sequence[Problem], folder: str = "samples") -> list[Sample]:
        """Every problem's completions, sampled and scored, or read where an earlier attempt left them."""
        collect = Collector(
            folder=self.context.folder.stage(self.name) / folder,
            writer=writer,
            suite=self.suite,
            at_once=problems_per_call(writer.settings.completions_per_prompt),
            step=self.context.step + 1,
            say=lambda line: self.context.tracker.message(f"{self.name}: {folder}: {line}"),
            stop_if_asked=self.context.stop_if_asked,
            account=self._account,
        )
        return collect(problems, self.totals, self.clock)

    def filtered(self, problems: Sequence[Problem], samples: Sequence[Sample]) -> Filtered:
        """What becomes a demonstration; questions that the run is measured on do not."""
        contaminated = {problem.id for problem in problems if problem in self.evaluated_on}
        if contaminated:
            self.context.tracker.message(
                f"{self.name}: {len(contaminated)} of {len(problems)} problems overlap with held-out ones: left out"
            )
        return filtered(samples, self.stage.per_problem, contaminated)

    def finish(self, outcome: Outcome) -> StageTotals:
        """Write the data set and the line of metrics; wall time counts earlier attempts' calls too."""
        publish(self.name, self.stage, self.context, outcome, self.evaluated_on)
        spent = self.clock.seconds
        self.totals.wall_seconds += self.clock.elapsed - spent.get("rollout", 0.0) - spent.get("reward", 0.0)
        used = {
            "num_tokens": float(self.totals.tokens_sampled + self.totals.tokens_prompted),
            "memory/peak_rss_bytes": float(GAUGE.peak_of(self.name)),
        }
        self.context.log(self.name, 1, outcome.metrics() | used | self.clock.metrics(), self.totals, last=True)
        return self.totals

    def _account(self, totals: StageTotals, paid: bool) -> None:
        if not paid:
            self.context.spent("sample", totals)
        elif self.context.costs is not None:
            self.context.costs.resumed(totals)

    def close(self) -> None:
        self.suite.close()
