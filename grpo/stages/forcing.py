"""Budget forcing: sampled tokens cut, extended and continued with forced ones (Muennighoff et al. 2025, s1).

Everything goes through `RolloutEngine.sample` with token ids: a prompt, what was kept of a completion and the forced
ids are the prompt of the next call. Thinking is sampled once for each number of waits, with the whole limit, and cut
for every budget: the first tokens of a sample are a sample of the first tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from grpo.rewards.text import THINK_CLOSE
from grpo.rollouts.engine import RolloutEngine
from grpo.types import Completion, Prompt, SamplingSettings

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """What is appended, as ids of the policy's tokenizer."""

    end: tuple[int, ...]
    """The end of thinking, and what opens an answer."""
    wait: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Tokens of one completion."""

    budget: int
    """Largest budget of thinking."""
    total: int
    """Thinking, forced tokens and answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A text to go on with."""

    prompt: Prompt
    written: tuple[int, ...]
    """Sampled and forced so far."""
    room: int
    """Most tokens to follow, 1 or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One completion, with some number of waits in it."""

    prompt: Prompt
    completion: Completion
    ended: int | None
    """Where thinking ended by itself: tokens before the end-of-thinking delimiter, or before the end-of-sequence token
    of a model that stopped while it thought. None: it never ended."""
    ends: tuple[int, ...] = ()
    """Where thinking would have ended, but for the waits that stand there now; rising."""

    def waits_within(self, budget: int, wait: int) -> int:
        """How many of its waits a budget has room for; `wait` is the length of one."""
        return sum(end + wait < budget for end in self.ends)

    def thinking(self, budget: int) -> tuple[int, bool]:
        """Tokens of thinking under a budget, and whether the budget is spent, so that the end must be forced."""
        length = len(self.completion.token_ids) if self.ended is None else self.ended
        return min(length, budget), length > budget


def end_of_thinking(ids: Sequence[int], decode: Decode, stopped: bool) -> int | None:
    """How many ids come before the first `</think>`; before the last id where it `stopped` without one; else None.

    Found in the decoded text, so that a delimiter of several tokens counts too; a token that holds its beginning and
    what comes before it belongs to the delimiter.
    """
    text = decode(ids)
    if THINK_CLOSE not in text:
        return len(ids) - 1 if stopped else None
    low, high = 1, len(ids)
    while low < high:  # the shortest beginning that has the whole delimiter
        middle = (low + high) // 2
        low, high = (low, middle) if THINK_CLOSE in decode(ids[:middle]) else (middle + 1, high)
    at = text.index(THINK_CLOSE)
    start = low - 1
    while start > 0 and len(decode(ids[:start])) > at:  # as many steps as the delimiter has tokens
        start -= 1
    return start


class Forcer:
    """Samples with one engine, tokenizer and way of sampling."""

    def __init__(
        self,
        engine: RolloutEngine,
        decode: Decode,
        settings: SamplingSettings,
        forced: Forced,
        limits: Limits,
        context: int,
    ) -> None:
        self._engine, self._decode, self._context = engine, decode, context
        self._settings = replace(settings, completions_per_prompt=1)
        self._forced, self._limits = forced, limits
        self.tokens_sampled = 0

    def trace(self, prompt: Prompt, first: Completion) -> Trace:
        """A completion as it was sampled, with the whole limit and no waits."""
        self.tokens_sampled += len(first.token_ids)
        return self._trace(prompt, first, ())

    def extend(self, traces: Sequence[Trace], seeds: Sequence[int]) -> list[Trace]:
        """The traces with one wait more, where thinking ended by itself and the largest budget has room for it."""
        wait = self._forced.wait
        going = [
            place
            for place, one in enumerate(traces)
            if one.ended is not None and one.ended + len(wait) < self._limits.budget
        ]
        rows = []
        for place in going:
            one = traces[place]
            written = one.completion.token_ids[: one.ended] + wait
            prompt = replace(one.prompt, seed=seeds[place])
            rows.append(Row(prompt=prompt, written=written, room=self._limits.total - len(written)))
        found = list(traces)
        for place, row, more in zip(going, rows, self.continued(rows), strict=True):
            one = traces[place]
            assert one.ended is not None
            found[place] = self._trace(one.prompt, _after(row.written, more), (*one.ends, one.ended))
        return found

    def answered(self, traces: Sequence[Trace], budget: int, seeds: Sequence[int]) -> list[Completion]:
        """Whole completions under a budget: as they are where thinking ends within it, else cut and forced to answer.

        The log-probs of what was written before the last call are 0: these are scored, never trained on.
        """
        spent = [one.thinking(budget) for one in traces]
        rows = [
            Row(
                prompt=replace(one.prompt, seed=seed),
                written=(written := one.completion.token_ids[:tokens] + self._forced.end),
                room=self._limits.total - len(written),
            )
            for one, (tokens, is_spent), seed in zip(traces, spent, seeds, strict=True)
            if is_spent
        ]
        answers = iter([_after(row.written, more) for row, more in zip(rows, self.continued(rows), strict=True)])
        return [next(answers) if is_spent else one.completion for one, (_, is_spent) in zip(traces, spent, strict=True)]

    def continued(self, rows: Sequence[Row]) -> list[Completion]:
        """What the policy writes after each row, at most its room; all rows that fit the context in one call.

        A call has one limit, its largest room, and what is sampled beyond a row's own is cut off. A row that would
        leave the context with that limit waits for the next call.
        """
        found: dict[int, Completion] = {}
        left = list(range(len(rows)))
        while left:
            most = max(rows[place].room for place in left)
            now = [place for place in left if self._length(rows[place]) + most <= self._context]
            assert now, "a row must fit the context with its own room"
            prompts = [_joined(rows[place]) for place in now]
            groups = self._engine.sample(prompts, replace(self._settings, max_tokens=most))
            for place, group in zip(now, groups, strict=True):
                self.tokens_sampled += len(group.completions[0].token_ids)
                found[place] = _cut(group.completions[0], rows[place].room)
            left = [place for place in left if place not in found]
        return [found[place] for place in range(len(rows))]

    def _trace(self, prompt: Prompt, completion: Completion, ends: tuple[int, ...]) -> Trace:
        start = ends[-1] + len(self._forced.wait) if ends else 0
        ended = end_of_thinking(completion.token_ids[start:], self._decode, completion.finish_reason == "stop")
        return Trace(prompt=prompt, completion=completion, ended=None if ended is None else start + ended, ends=ends)

    @staticmethod
    def _length(row: Row) -> int:
        return len(row.prompt.token_ids) + len(row.written)


def _joined(row: Row) -> Prompt:
    return replace(row.prompt, token_ids=row.prompt.token_ids + row.written)


def _after(written: tuple[int, ...], more: Completion) -> Completion:
    blank = (0.0,) * len(written)
    return replace(more, token_ids=written + more.token_ids, logprobs=blank + more.logprobs)


def _cut(one: Completion, room: int) -> Completion:
    if len(one.token_ids) <= room:
        return one
    return replace(one, token_ids=one.token_ids[:room], logprobs=one.logprobs[:room], finish_reason="length")
