"""One call of one reward function: what it is given, what it may return, and what counts as an error.

The same code runs in the trainer and in a worker process, so a reward behaves alike in both.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from grpo.rewards.names import BATCH_ARGUMENTS, SUPPLIED
from grpo.rewards.registry import RewardFunction
from grpo.types import RewardItem


class RewardCallError(RuntimeError):
    """A call gave no usable values: the function raised, overran, died or returned the wrong thing."""


class RewardDeadlineError(RewardCallError):
    """A call ran past its deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Which keyword arguments a reward function takes."""

    names: tuple[str, ...]
    """Parameters it names."""
    required: tuple[str, ...]
    """Those without a default."""
    takes_any: bool
    """It has `**kwargs`, and so receives every column."""
    per_group: bool = False
    """Each call is to hold exactly one group, see `grpo.rewards.per_group`."""

    @classmethod
    def of(cls, function: RewardFunction) -> Signature:
        per_group = bool(getattr(function, "per_group", False))
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # some callables written in C cannot be inspected
            return cls(names=(), required=(), takes_any=True, per_group=per_group)
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        return cls(
            names=tuple(p.name for p in named),
            required=tuple(p.name for p in named if p.default is p.empty),
            takes_any=any(p.kind is p.VAR_KEYWORD for p in parameters),
            per_group=per_group,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """Arguments of one call; every column has one entry per completion."""

    columns: Mapping[str, list[Any]]
    count: int
    """Completions in the call, at least 1."""
    step: int
    """The run's step, as `trainer_state.global_step`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a function said about one completion."""

    value: float | None = None
    """None without an error: the function does not apply."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    outcomes: tuple[Outcome, ...]
    """One per completion."""
    metrics: tuple[tuple[str, float], ...] = ()
    """What the function passed to `log_metric`, in order."""
    extra: Mapping[str, list[Any]] = field(default_factory=dict)
    """What it passed to `log_extra`: column name to values."""


def columns_for(items: Sequence[RewardItem], signature: Signature, name: str) -> dict[str, list[Any]]:
    """The columns of `items` that a function takes, in TRL's names and shapes.

    Conversational prompts come as message lists, and their completions as `[{"role": "assistant", ...}]`.

    Raises:
        ValueError: the function requires a column that the data does not have.
    """
    data_names = {column for item in items for column in item.problem.columns}
    available = [*BATCH_ARGUMENTS, *sorted(data_names.difference(BATCH_ARGUMENTS, SUPPLIED))]
    missing = [wanted for wanted in signature.required if wanted not in available and wanted not in SUPPLIED]
    if missing:
        raise ValueError(f"reward {name!r} needs {missing}, but the data has only {available}")
    chosen = [column for column in available if signature.takes_any or column in signature.names]
    return {column: [_cell(item, column) for item in items] for column in chosen}


def _cell(item: RewardItem, column: str) -> Any:
    prompt = item.problem.prompt
    match column:
        case "prompts":
            return prompt if isinstance(prompt, str) else [dict(message) for message in prompt]
        case "completions":
            text = item.completion
            return text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]
        case "completion_ids":
            return list(item.completion_ids)
        case "answer":
            return item.problem.answer
        case _:
            return item.problem.columns.get(column)


def invoke(
    function: RewardFunction,
    signature: Signature,
    request: CallRequest,
    run: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run,
) -> CallResult:
    """Call `function` and check what it returns; `run` drives an async one to its end.

    Raises:
        RewardCallError: it raised, or did not return one value per completion.
    """
    metrics: list[tuple[str, float]] = []
    extra: dict[str, list[Any]] = {}
    supplied = {
        "trainer_state": SimpleNamespace(global_step=request.step),
        "log_metric": lambda name, value: metrics.append((str(name), float(value))),
        "log_extra": lambda column, values: extra.setdefault(str(column), []).extend(values),
    }
    arguments = dict(request.columns) | {name: supplied[name] for name in SUPPLIED if name in signature.names}
    try:
        returned = function(**arguments)
        if inspect.isawaitable(returned):
            returned = run(_result(returned))
    except KeyboardInterrupt:
        raise
    # Everything else is the function's own failure, SystemExit and other direct children of BaseException too:
    # math-verify's timeout is one, and would otherwise end the run as if it were a bug of the trainer.
    except BaseException as error:
        raise RewardCallError(_described(error)) from error
    outcomes = tuple(_outcome(value) for value in _values(returned, request.count))
    return CallResult(outcomes=outcomes, metrics=tuple(metrics), extra=extra)


async def _result(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _described(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {str(error)[:500]}{place}"


def _values(returned: Any, count: int) -> list[Any]:
    if hasattr(returned, "tolist"):  # an array or tensor
        returned = returned.tolist()
    if not isinstance(returned, (list, tuple)):
        raise RewardCallError(f"returned {type(returned).__name__}, not a list of {count} numbers")
    if len(returned) != count:
        raise RewardCallError(f"returned {len(returned)} values for {count} completions")
    return list(returned)


def _outcome(value: Any) -> Outcome:
    if value is None:
        return Outcome()
    if hasattr(value, "item"):  # a NumPy or torch scalar
        value = value.item()
    if not isinstance(value, (bool, int, float)):
        return Outcome(error=f"returned {type(value).__name__} {str(value)[:80]!r}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    return Outcome(value=number) if math.isfinite(number) else Outcome(error=f"returned {number}")
