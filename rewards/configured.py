"""A reward with its settings: a class made with them, or a function that keeps them as keyword arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from grpo.rewards.names import BATCH_ARGUMENTS, SUPPLIED, hint


def configured(name: str, found: Callable[..., Any], settings: Mapping[str, Any]) -> Callable[..., Any]:
    """The callable to score with. A setting wins over a data column of the same name.

    Raises:
        ValueError: a setting that the class or function does not name, or one that its constructor refuses.
    """
    if not isinstance(found, type) and not settings:
        return found
    signature = inspect.signature(found)
    _check_names(name, signature, settings)
    if isinstance(found, type):
        try:
            made: Callable[..., Any] = found(**settings)
        except (TypeError, ValueError) as error:
            raise ValueError(f"reward {name!r} with settings {dict(settings)}: {error}") from error
        return made

    @functools.wraps(found)
    def call(**arguments: Any) -> Any:
        return found(**(arguments | dict(settings)))

    left = [parameter for parameter in signature.parameters.values() if parameter.name not in settings]
    call.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
    return call


def _check_names(name: str, signature: inspect.Signature, settings: Mapping[str, Any]) -> None:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    valid = [
        p.name for p in signature.parameters.values() if p.kind in kinds and p.name not in (*BATCH_ARGUMENTS, *SUPPLIED)
    ]
    for key in settings:
        if key not in valid:
            listed = ", ".join(valid) or "none"
            raise ValueError(f"reward {name!r} has no setting {key!r}{hint(key, valid)} (valid: {listed})")
