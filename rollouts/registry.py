"""Engine names and how each is started. There is no automatic choice and no fallback."""

from __future__ import annotations

from collections.abc import Callable

from grpo.rollouts.engine import EngineError, EngineSettings, RolloutEngine


def _start_vllm(settings: EngineSettings) -> RolloutEngine:
    from grpo.rollouts.vllm_engine import VllmEngine

    return VllmEngine(settings)


def _start_transformers(settings: EngineSettings) -> RolloutEngine:
    from grpo.rollouts.transformers_engine import TransformersEngine

    return TransformersEngine(settings)


def _start_scripted(settings: EngineSettings) -> RolloutEngine:
    from grpo.rollouts.scripted_engine import ScriptedEngine

    return ScriptedEngine(settings)


ENGINES: dict[str, Callable[[EngineSettings], RolloutEngine]] = {
    "vllm": _start_vllm,
    "transformers": _start_transformers,
    "scripted": _start_scripted,
}

INSTALL = {"vllm": "`pip install -e .[cpu]` on a CPU, `pip install -e .[gpu]` on a GPU"}
"""What to install when a library is missing, by its top-level name."""


def start_engine(settings: EngineSettings) -> RolloutEngine:
    """The engine `settings.name`, started.

    ValueError: unknown name, or a model folder that is not complete. EngineError: a library is missing (the
    message says what to install) or the engine failed to start.
    """
    if settings.name not in ENGINES:
        raise ValueError(f"rollout.engine={settings.name!r} is unknown: valid are {', '.join(sorted(ENGINES))}")
    try:
        return ENGINES[settings.name](settings)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        hint = INSTALL.get(library, f"`pip install {library}`")
        raise EngineError(f"engine {settings.name!r} needs {library}, which is not installed: {hint}") from error
