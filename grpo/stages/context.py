"""What every stage of a run shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from grpo.config.schema import RunConfig, StageConfig
from grpo.cost.book import CostBook
from grpo.data.contamination import Contamination
from grpo.data.load import load_split, path_of
from grpo.data.prompts import PromptEncoder
from grpo.model.load import LoadedModel, load_model, local_folder
from grpo.model.scratch import write_scratch_model
from grpo.run.folder import RunFolder
from grpo.run.interrupt import Interruption
from grpo.run.random import derive_seed
from grpo.run.summary import Summary
from grpo.stages.engine_slot import EngineSlot
from grpo.stages.totals import StageTotals
from grpo.track.alarms.watch import AlarmWatch, Ring
from grpo.track.tracker import Tracker
from grpo.types import Problem, StepMetrics


class InterruptedRun(Exception):
    """The run was asked to end and has ended at a step border, with a checkpoint."""


class AlarmStop(Exception):
    """An alarm of `alarms.stop` rang, and the run has ended at a step border, with a checkpoint."""


@dataclass(slots=True)
class RunContext:
    """Handed to every stage, which counts its steps in it with `log`."""

    config: RunConfig
    folder: RunFolder
    tracker: Tracker
    summary: Summary
    interruption: Interruption
    engine: EngineSlot
    step: int = 0
    """Steps of the whole run done so far."""
    alarms: AlarmWatch = field(default_factory=AlarmWatch)
    seen_in_training: dict[tuple[object, ...], Contamination] = field(default_factory=dict)
    """By training sources and held-out problems, so that later evaluations of the same need not read the data again."""
    stopping: Ring | None = None
    """The ring that asks the run to stop."""
    costs: CostBook | None = None
    """The run's accounts; None: it keeps none."""

    def log(
        self,
        stage: str,
        stage_step: int,
        values: Mapping[str, float],
        totals: StageTotals | None = None,
        *,
        last: bool = False,
    ) -> None:
        """Count a step and write its metrics, with what the alarms say about it.

        Args:
            totals: of the stage so far, for the ledger; None: the stage's tokens are counted when it ends.
            last: the stage's last step: what was spent so far is logged with it.
        """
        self.step += 1
        if self.costs is not None:
            self.costs.step(self.step, totals)
            values = {**values, **self.costs.metrics()} if last else values
        line = StepMetrics(step=self.step, stage=stage, stage_step=stage_step, values=values)
        marks, rings = self.alarms.observe(line)
        self.tracker.log(replace(line, values={**values, **marks}))
        for ring in rings:
            self.tracker.message(ring.line())
            if ring.name in self.config.alarms.stop:
                self.stopping = self.stopping or ring
        if rings:
            self.summary.set_alarms(self.alarms.rings)
            self.summary.write("running")

    def spent(self, part: str, totals: StageTotals | None = None, *, unkept: bool = False) -> None:
        """The time since the last call or step went into `part` of the stage's work: `load`, `sample` or `save`.

        Args:
            totals: of the stage so far, where there are new tokens.
            unkept: nothing is left of it until the step under way is logged; a kill before takes it back.
        """
        if self.costs is not None:
            self.costs.spent(part, self.step + 1 if unkept else None, totals)

    @property
    def stop_asked(self) -> bool:
        """Whether a signal or an alarm asks the run to end at the next step border."""
        return bool(self.interruption.requested) or self.stopping is not None

    def stop_if_asked(self) -> None:
        """Raises InterruptedRun after a first Ctrl-C or SIGTERM, and AlarmStop after a ring that stops."""
        if self.interruption.requested:
            raise InterruptedRun(self.interruption.requested)
        if self.stopping is not None:
            raise AlarmStop(self.stopping.line())

    def problems(self, stage: StageConfig, which: Literal["train", "held_out"]) -> list[Problem]:
        """The stage's training or held-out problems; of an earlier stage's data set those that it wrote."""
        source = stage.data_from
        if source in self.config.stages:
            source = str(self.folder.data_set(source))
        return load_split(stage.data, which, path_of(source))

    def fitting(
        self, encoder: PromptEncoder, problems: Sequence[Problem], stage: StageConfig, *, demonstrated: bool = False
    ) -> list[Problem]:
        """The problems that fit the context; raises ValueError, or says which were left out, as the stage asks."""
        kept, misfits = encoder.keep_fitting(problems, stage.data.on_bad_row, demonstrated=demonstrated)
        for misfit in misfits[:10]:
            self.tracker.message(f"left out: {misfit.reason}")
        if misfits:
            self.tracker.message(f"left out {len(misfits)} of {len(problems)} problems: too long")
        return kept

    def model_folder(self, model_from: str) -> Path:
        """The folder with the model a stage starts from; a hub model is fetched into the hub's own cache."""
        if model_from in self.config.stages:
            return self.folder.stage(model_from) / "model"
        if model_from != "base":
            return Path(model_from)
        if self.config.model.name == "scratch":
            return self._scratch_model()
        return local_folder(self.config.model.name, self.config.model.revision)

    def load_model(self, model_from: str, trained_by: str | None = None) -> LoadedModel:
        """The model and tokenizer a stage starts from; with adapters, where set, for the stage that trains it."""
        folder = self.model_folder(model_from)
        loaded = load_model(folder, self.config.model)
        lora = self.config.model.lora
        if trained_by is None or lora.rank == 0:
            return loaded
        hub = model_from == "base" and self.config.model.name != "scratch"
        base_name = self.config.model.name if hub else str(folder.resolve())
        return loaded.with_adapters(lora, derive_seed(self.config.seed, trained_by, "adapters"), base_name)

    def _scratch_model(self) -> Path:
        folder = self.folder.path / "base"
        if not folder.exists():
            problems = load_split(self.config.data, "train")
            texts = [text for problem in problems for text in _texts(problem)]
            write_scratch_model(self.config.model.scratch, texts, self.config.seed, folder)
        return folder


def _texts(problem: Problem) -> list[str]:
    prompt = problem.prompt if isinstance(problem.prompt, str) else "\n".join(m["content"] for m in problem.prompt)
    return [prompt, problem.demonstration or problem.answer]
