"""From the name of a reward function in a config to the function."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from grpo.rewards.configured import configured
from grpo.rewards.format import (
    BoxedAnswer,
    TagCount,
    ThinkFormat,
    think_answer_format,
    think_answer_format_opened,
)
from grpo.rewards.integer import exact_integer
from grpo.rewards.language.reward import LanguageConsistency
from grpo.rewards.math.reward import math_answer
from grpo.rewards.names import hint
from grpo.rewards.shaping.cosine import CosineLength
from grpo.rewards.shaping.overlong import SoftOverlongPunishment
from grpo.rewards.shaping.repetition import RepetitionPenalty

RewardFunction = Callable[..., Any]
"""`f(prompts=, completions=, completion_ids=, **columns) -> list[float | None]`, plain or async."""
Settings = Mapping[str, Any]
"""Keyword arguments of a reward class, or of a function beyond its columns, from the config."""

REGISTERED: dict[str, RewardFunction] = {
    "math_answer": math_answer,
    "exact_integer": exact_integer,
    "think_answer_format": think_answer_format,
    "think_answer_format_opened": think_answer_format_opened,
    "think_format": ThinkFormat,
    "tag_count": TagCount,
    "boxed_answer": BoxedAnswer,
    "language_consistency": LanguageConsistency,
    "soft_overlong": SoftOverlongPunishment,
    "cosine_length": CosineLength,
    "repetition_penalty": RepetitionPenalty,
}
"""The project's own rewards, each bounded in time. They are called in the trainer's process; `math_answer` hands its
work to processes of its own."""


def resolve(name: str, settings: Settings = MappingProxyType({})) -> RewardFunction:
    """The function behind a registered name, `pkg.module.fn` or `path/file.py:fn`, with its settings.

    The current folder is importable. A class is made with the settings; its `__call__` is the function.

    Raises:
        ValueError: there is no such name, module, file, attribute or setting; the message lists the nearest ones.
        Exception: whatever the user's module raises while it is imported, with a note that says which.
    """
    return configured(name, _find(name), settings)


def _find(name: str) -> RewardFunction:
    if name in REGISTERED:
        return REGISTERED[name]
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    module, attribute = _module_of(name)
    found = getattr(module, attribute, None)
    if found is None:
        raise ValueError(f"reward {name!r}: {module.__file__} has no {attribute!r}{hint(attribute, dir(module))}")
    if not callable(found):
        raise ValueError(f"reward {name!r} is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]


def _module_of(name: str) -> tuple[ModuleType, str]:
    path, colon, attribute = name.rpartition(":")
    if colon:
        return _load_file(name, Path(path)), attribute
    module_name, dot, attribute = name.rpartition(".")
    if not dot:
        raise ValueError(
            f"unknown reward {name!r}{hint(name, REGISTERED)}; registered: {', '.join(REGISTERED)}; "
            "otherwise give pkg.module.fn or path/file.py:fn"
        )
    try:
        return importlib.import_module(module_name), attribute
    except ModuleNotFoundError as error:
        # The named module itself (or a parent of it) is missing; an import inside it that fails is another matter.
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise ValueError(f"reward {name!r}: no module {error.name!r}{hint(name, REGISTERED)}") from error
        error.add_note(f"while importing reward {name!r}")
        raise


def _load_file(name: str, path: Path) -> ModuleType:
    if path.suffix != ".py" or not path.is_file():
        siblings = [entry.name for entry in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ValueError(f"reward {name!r}: no Python file {str(path)!r}{hint(path.name, siblings)}")
    spec = importlib.util.spec_from_file_location(f"_grpo_user_{path.stem}", path.resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[spec.name] = module  # dataclasses and inspect look a function's module up there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[spec.name]
        error.add_note(f"while importing reward {name!r}")
        raise
    return module
