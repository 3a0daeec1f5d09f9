"""One engine per run: stages push their weights into it, they never restart it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from grpo.config.schema import ReinforceConfig, RunConfig, StageConfig
from grpo.config.stages_data import DataSetConfig, problems_per_call
from grpo.rollouts.engine import EngineSettings, RolloutEngine
from grpo.rollouts.registry import start_engine

EVALUATED_AT_ONCE = 128
"""Problems an evaluation hands to the engine in one call."""
MOST_SEQUENCES = 1024
"""Larger rollouts are computed in waves."""


def largest_call(config: RunConfig) -> int:
    """Completions of the largest call any stage of the pipeline makes, within reason."""
    calls = [call_of(config.stages[name]) for name in config.pipeline]
    return min(MOST_SEQUENCES, max([EVALUATED_AT_ONCE, *calls]))


def call_of(stage: StageConfig) -> int:
    """Completions of one call of a stage that trains on rollouts or writes a data set; 0 for others."""
    if isinstance(stage, ReinforceConfig):
        return stage.prompts_per_step * stage.rollout.completions_per_prompt
    if isinstance(stage, DataSetConfig):
        return problems_per_call(stage.rollout.completions_per_prompt) * stage.rollout.completions_per_prompt
    return 0


class EngineSlot:
    """Starts the engine at its first use and keeps it until the run ends."""

    def __init__(self, config: RunConfig, log_file: Path) -> None:
        self._config, self._log_file = config, log_file
        self._engine: RolloutEngine | None = None

    @property
    def running(self) -> RolloutEngine | None:
        """The engine, when one has been started."""
        return self._engine

    def get(self, model_folder: Path, context: int) -> RolloutEngine:
        """The engine; the arguments matter at its start only. Raises EngineError saying what is missing."""
        if self._engine is None:
            rollout = self._config.rollout
            self._engine = start_engine(
                EngineSettings(
                    name=rollout.engine,
                    model_folder=model_folder,
                    dtype=self._config.model.dtype,
                    context=context,
                    max_sequences=largest_call(self._config),
                    deadline_seconds=rollout.deadline_seconds,
                    log_path=self._log_file,
                    seed=self._config.seed,
                    cpu_kv_cache_gib=rollout.cpu_kv_cache_gib,
                    gpu_memory_utilization=rollout.gpu_memory_utilization,
                    sleep_between_phases=rollout.sleep_between_phases,
                )
            )
        return self._engine

    @contextmanager
    def alone(self, model_folder: Path, context: int) -> Iterator[Callable[[], RolloutEngine]]:
        """A call that gives an engine for a model of another shape, such as a teacher's; no weights are pushed into it.

        There is never more than one: the run's own is ended before, the next user of the slot starts it anew, and
        this one is started by the first call.
        """
        self.close()
        try:
            yield lambda: self.get(model_folder, context)
        finally:
            self.close()

    def close(self) -> None:
        """End the engine, if one runs."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
