"""One engine per run: stages push their weights into it, they never restart it."""

from __future__ import annotations

from pathlib import Path

from grpo.config.schema import RolloutConfig
from grpo.rollouts.engine import EngineSettings, RolloutEngine
from grpo.rollouts.registry import start_engine


class EngineSlot:
    """Starts the engine at its first use and keeps it until the run ends."""

    def __init__(self, rollout: RolloutConfig, dtype: str, seed: int, log_file: Path) -> None:
        self._rollout, self._dtype, self._seed, self._log_file = rollout, dtype, seed, log_file
        self._engine: RolloutEngine | None = None

    @property
    def running(self) -> RolloutEngine | None:
        """The engine, when one has been started."""
        return self._engine

    def get(self, model_folder: Path, context: int, max_sequences: int) -> RolloutEngine:
        """The engine; the arguments matter at its start only. Raises EngineError saying what is missing."""
        if self._engine is None:
            self._engine = start_engine(
                EngineSettings(
                    name=self._rollout.engine,
                    model_folder=model_folder,
                    dtype=self._dtype,
                    context=context,
                    max_sequences=max_sequences,
                    deadline_seconds=self._rollout.deadline_seconds,
                    log_path=self._log_file,
                    seed=self._seed,
                    cpu_kv_cache_gib=self._rollout.cpu_kv_cache_gib,
                    gpu_memory_utilization=self._rollout.gpu_memory_utilization,
                    sleep_between_phases=self._rollout.sleep_between_phases,
                )
            )
        return self._engine

    def close(self) -> None:
        """End the engine, if one runs."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
