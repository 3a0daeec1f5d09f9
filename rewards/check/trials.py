"""The trials, each a function of the subject and the cases that gives lines of the report."""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from grpo.rewards.call import CallResult, Outcome, RewardCallError, RewardDeadlineError
from grpo.rewards.check.rows import Case, conversational, hostile_cases
from grpo.rewards.check.subject import THREADS, Subject

Level = Literal["ok", "warning", "problem"]
TIMED_CALLS = 3
THREAD_SECONDS = 1.0
"""About how long the calls of all threads may take together."""
MAX_THREAD_REPEATS = 20
MAX_OVERRUNS = 2
"""After so many calls of single completions that overran, the rest are not tried."""
RUN_DEADLINE_SECONDS = 60.0
"""Default of `reward.deadline_seconds`, for the calls of a run; the trials may have a shorter one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report."""

    level: Level
    """`problem`: a run would fail, stall or not be repeatable."""
    what: str
    text: str


def examine(subject: Subject, cases: Sequence[Case], batch: int) -> Iterator[Finding]:
    """All trials, in order; those that need a first call that works are left out without one.

    `batch` is the number of completions in a call of the run to come.
    """
    yield Finding(level="ok", what="loads", text=_loading(subject))
    started = time.monotonic()
    try:
        first = subject.score([case.item for case in cases])
    except ValueError as error:  # nothing else can work with these rows
        yield Finding(level="problem", what="rows", text=str(error))
        return
    except RewardCallError as error:
        yield Finding(level="problem", what="call", text=str(error))
        tried = _tried_alone(subject, cases)
        yield _alone(tried)
        if all(failed for _, failed in tried):
            return  # what it makes of odd text is no news then
    else:
        seconds = time.monotonic() - started
        yield from _values(first, cases)
        yield from _repeatable(subject, cases, first)
        yield _timing(subject, cases, seconds, batch)
        yield _threads(subject, cases)
    yield from _hostile(subject, cases)
    if isinstance(cases[0].item.problem.prompt, str):
        yield _chat(subject, cases[0])


def _tried_alone(subject: Subject, cases: Sequence[Case]) -> list[tuple[Case, bool]]:
    """Which completions make the whole call fail: each case that was called alone, and whether it failed."""
    tried: list[tuple[Case, bool]] = []
    overruns = 0
    for case in cases:
        if overruns == MAX_OVERRUNS:
            break
        try:
            subject.score([case.item])
            tried.append((case, False))
        except RewardCallError as error:
            tried.append((case, True))
            overruns += isinstance(error, RewardDeadlineError)
    return tried


def _alone(tried: Sequence[tuple[Case, bool]]) -> Finding:
    kinds = Counter(case.kind for case, failed in tried if failed)
    text = f"{kinds.total()} of {len(tried)} fail alone, too"
    text += "".join(f", {count} {kind}" for kind, count in kinds.items())
    return Finding(level="problem" if kinds else "warning", what="one by one", text=text)


def _loading(subject: Subject) -> str:
    names = [*subject.signature.names, *(["**columns"] if subject.signature.takes_any else [])]
    scope = ", one group a call" if subject.signature.per_group else ""
    return f"in {subject.load_seconds:.2f} s; takes {', '.join(names)}{scope}"


def _values(result: CallResult, cases: Sequence[Case]) -> Iterator[Finding]:
    outcomes = result.outcomes
    yield Finding(level="ok", what="length", text=f"{len(outcomes)} values for {len(cases)} completions")
    errors = Counter(outcome.error for outcome in outcomes if outcome.error is not None)
    for error, count in errors.most_common(3):
        yield Finding(level="problem", what="values", text=f"{count} of {len(outcomes)} {error}")
    values = [outcome.value for outcome in outcomes if outcome.value is not None]
    nones = len(outcomes) - len(values) - sum(errors.values())
    if values:
        span = f"numbers from {min(values):g} to {max(values):g}, {len(set(values))} different"
        yield Finding(level="ok", what="range", text=span + (f"; None for {nones}" if nones else ""))
    elif nones:
        yield Finding(level="warning", what="range", text="None for every completion: it applies to none of these rows")
    if len(values) > 1 and len(set(values)) == 1:
        yield Finding(level="warning", what="signal", text=f"always {values[0]:g} on these rows: nothing to learn from")
    yield Finding(level="ok", what="by kind", text=_by_kind(outcomes, cases))
    if result.metrics:
        logged = ", ".join(f"{name} {value:g}" for name, value in dict(result.metrics).items())
        yield Finding(level="ok", what="logs", text=logged)


def _by_kind(outcomes: Sequence[Outcome], cases: Sequence[Case]) -> str:
    parts = []
    for kind in dict.fromkeys(case.kind for case in cases):
        values = [
            outcome.value
            for outcome, case in zip(outcomes, cases, strict=True)
            if case.kind == kind and outcome.value is not None
        ]
        parts.append(f"{kind} {statistics.fmean(values):.3g}" if values else f"{kind} -")
    return "mean of " + ", ".join(parts)


def _repeatable(subject: Subject, cases: Sequence[Case], first: CallResult) -> Iterator[Finding]:
    items = [case.item for case in cases]
    order = list(range(len(items)))
    random.Random(0).shuffle(order)

    def shuffled() -> list[Outcome]:
        outcomes = dict(zip(order, subject.score([items[index] for index in order]).outcomes, strict=True))
        return [outcomes[index] for index in range(len(items))]

    def elsewhere() -> list[Outcome]:
        with closing(subject.again()) as other:
            return list(other.score(items).outcomes)

    def alone() -> list[Outcome]:
        return [outcome for item in items for outcome in subject.score([item]).outcomes]

    trials: dict[str, Callable[[], list[Outcome]]] = {
        "same again": lambda: list(subject.score(items).outcomes),
        "new process": elsewhere,
    }
    if not subject.signature.per_group:
        trials |= {"shuffled": shuffled, "one by one": alone}
    for what, trial in trials.items():
        yield _compared(what, first.outcomes, trial)


def _compared(what: str, expected: Sequence[Outcome], trial: Callable[[], list[Outcome]]) -> Finding:
    try:
        found = trial()
    except (RewardCallError, ValueError) as error:
        return Finding(level="problem", what=what, text=str(error))
    pairs = list(zip(expected, found, strict=True))
    different = [index for index, (one, other) in enumerate(pairs) if not _same(one, other)]
    if not different:
        return Finding(level="ok", what=what, text="the same values")
    one, other = pairs[different[0]]
    example = f"completion {different[0]}: {_said(one)}, then {_said(other)}"
    return Finding(level="problem", what=what, text=f"{len(different)} of {len(pairs)} values differ ({example})")


def _same(one: Outcome, other: Outcome) -> bool:
    return one.value == other.value and (one.error is None) == (other.error is None)


def _said(outcome: Outcome) -> str:
    return outcome.error or ("None" if outcome.value is None else f"{outcome.value:g}")


def _timing(subject: Subject, cases: Sequence[Case], first_seconds: float, batch: int) -> Finding:
    items, seconds = [case.item for case in cases], []
    for _ in range(1 if first_seconds > subject.deadline_seconds / 2 else TIMED_CALLS):
        started = time.monotonic()
        try:
            subject.score(items)
        except RewardCallError as error:
            return Finding(level="problem", what="time", text=str(error))
        seconds.append(time.monotonic() - started)
    call = statistics.median(seconds)
    whole, deadline = call / len(items) * batch, max(RUN_DEADLINE_SECONDS, subject.deadline_seconds)
    text = f"{_duration(call)} a call of {len(items)}, {_duration(call / len(items))} a completion"
    text += f", about {_duration(whole)} for {batch}"
    if whole > deadline:
        return Finding(level="problem", what="time", text=f"{text}, over a deadline of {deadline:g} s")
    return Finding(level="ok", what="time", text=text)


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _threads(subject: Subject, cases: Sequence[Case]) -> Finding:
    """Only a warning: the trainer itself never calls a function from two threads at once."""
    items = [case.item for case in cases]
    if subject.signature.per_group:
        items = [item for item in items if item.problem.id == items[0].problem.id]
    try:
        started = time.monotonic()
        subject.score(items)
        seconds = max(time.monotonic() - started, 1e-6)
        repeats = max(1, min(MAX_THREAD_REPEATS, int(THREAD_SECONDS / THREADS / seconds)))
        with closing(subject.from_threads(repeats)) as threaded:
            outcomes = threaded.score(items).outcomes
    except (RewardCallError, ValueError) as error:
        return Finding(level="warning", what="threads", text=f"{THREADS} at once: {error}")
    differ = sum(outcome.value != 1.0 for outcome in outcomes)
    said = f"{differ} of {len(items)} values differ from a call alone" if differ else "the same values"
    return Finding(level="warning" if differ else "ok", what="threads", text=f"{THREADS} at once: {said}")


def _hostile(subject: Subject, cases: Sequence[Case]) -> Iterator[Finding]:
    for case in hostile_cases(cases[0].item.problem):
        started = time.monotonic()
        outcome = _outcome(subject, case)
        text = outcome.error or f"{_said(outcome)} in {_duration(time.monotonic() - started)}"
        yield Finding(level="ok" if outcome.error is None else "problem", what=case.kind, text=text)


def _chat(subject: Subject, case: Case) -> Finding:
    """Only a warning: these rows are no conversations."""
    plain, chat = _outcome(subject, case), _outcome(subject, conversational(case))
    if _same(plain, chat):
        return Finding(level="ok", what="chat messages", text="the same value as for text")
    text = f"{_said(chat)}, but {_said(plain)} for the same as text; this function is not for chat prompts"
    return Finding(level="warning", what="chat messages", text=text)


def _outcome(subject: Subject, case: Case) -> Outcome:
    try:
        [outcome] = subject.score([case.item]).outcomes
    except (RewardCallError, ValueError) as error:
        return Outcome(error=str(error))
    return outcome
