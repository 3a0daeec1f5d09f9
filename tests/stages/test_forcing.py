"""Exact token ids of forced completions, with the scripted engine.

Vocabulary: 1 ends sequences, 2 to 12 are thoughts, 20 is </think>, 21 <answer>, 22 </answer>, 30 and 31 the two halves
of a delimiter that two tokens write, 40 and 41 are "Wait".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from grpo.rollouts.scripted_engine import ScriptedEngine
from grpo.stages.forcing import Forced, Forcer, Limits, Row, Trace, end_of_thinking
from grpo.types import Completion, Prompt, SamplingSettings
from tests.rollouts.tiny_models import EOS, build_model, engine_settings

CLOSE, OPEN, SHUT, HALF, OTHER = 20, 21, 22, 30, 31
END, WAIT = (CLOSE, OPEN), (40, 41)
TEXT = {CLOSE: "</think>", OPEN: "<answer>", SHUT: "</answer>", HALF: ".</thi", OTHER: "nk>", 40: "Wa", 41: "it"}
GREEDY = SamplingSettings(completions_per_prompt=1, max_tokens=16, temperature=0.0)
PROMPT = Prompt(problem_id="p", token_ids=(10, 11), seed=3)

Script = dict[tuple[int, ...], tuple[int, ...]]
"""What was written so far, the prompt aside → what follows."""


def decode(ids: Sequence[int]) -> str:
    body = ids[:-1] if ids and ids[-1] == EOS else ids
    return "".join(TEXT.get(token, str(token)) for token in body)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    build_model(tied=False).save_pretrained(place)
    return place


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Forcer]]:
    """Call with a script and limits; `seen` gets (written, most tokens, seed) of every prompt."""
    engines = []

    def forcer(script: Script, seen: list[tuple[tuple[int, ...], int]], budget: int = 6, total: int = 16) -> Forcer:
        class Watched(ScriptedEngine):
            def _line(self, prompt: Prompt, index: int, count: int) -> list[int]:
                seen.append((prompt.token_ids[2:], count))
                return super()._line(prompt, index, count)

        engine = Watched(engine_settings("scripted", folder), lambda prompt, _: script[prompt.token_ids[2:]])
        engines.append(engine)
        forced = Forced(end=END, wait=WAIT)
        return Forcer(engine, decode, GREEDY, forced, Limits(budget=budget, total=total), engine.settings.context)

    yield forcer
    for engine in engines:
        engine.close()


def first(ids: tuple[int, ...], reason: str = "stop") -> Completion:
    return Completion(token_ids=ids, logprobs=(-1.0,) * len(ids), finish_reason=reason, weight_version=5)  # type: ignore[arg-type]


NATURAL = (12, 2, 3, CLOSE, OPEN, 6, SHUT, EOS)


def test_the_end_is_forced_at_the_budget(start: Callable[..., Forcer]) -> None:
    """Budget 2: two tokens of thought, then the end, then what the model answers; 16 - 2 - 2 tokens of room."""
    seen: list[tuple[tuple[int, ...], int]] = []
    forcer = start({(12, 2, *END): (7, SHUT, EOS)}, seen)
    trace = forcer.trace(PROMPT, first(NATURAL))
    assert trace.ended == 3 and trace.thinking(2) == (2, True) and trace.thinking(3) == (3, False)
    (forced,) = forcer.answered([trace], 2, [77])
    assert forced.token_ids == (12, 2, CLOSE, OPEN, 7, SHUT, EOS) and forced.finish_reason == "stop"
    assert len(forced.logprobs) == 7 and seen == [((12, 2, CLOSE, OPEN), 12)]
    assert forcer.tokens_sampled == 8 + 3
    assert forcer.answered([trace], 3, [77]) == [first(NATURAL)] and len(seen) == 1  # nothing to force


def test_thinking_without_an_end_is_forced_to_end(start: Callable[..., Forcer]) -> None:
    seen: list[tuple[tuple[int, ...], int]] = []
    forcer = start({(12, 2, 3, 4, 5, 6, *END): (SHUT, EOS)}, seen)
    trace = forcer.trace(PROMPT, first((12, 2, 3, 4, 5, 6, 7, 8, 9, 12, 2, 3, 4, 5, 6, 7), "length"))
    assert trace.ended is None and trace.thinking(6) == (6, True)
    assert forcer.answered([trace], 6, [1])[0].token_ids == (12, 2, 3, 4, 5, 6, CLOSE, OPEN, SHUT, EOS)
    assert forcer.extend([trace], [1]) == [trace]  # there is no end to suppress


def test_waits_take_the_place_of_the_end(start: Callable[..., Forcer]) -> None:
    """The delimiter and all after it go; "Wait" comes after the thought. Budget 9 has room for two, 6 for one."""
    seen: list[tuple[tuple[int, ...], int]] = []
    script = {
        (12, 2, 3, *WAIT): (4, CLOSE, OPEN, 7, SHUT, EOS),
        (12, 2, 3, *WAIT, 4, *WAIT): (5, CLOSE, OPEN, 8, SHUT, EOS),
        (12, 2, 3, *WAIT, 4, *WAIT, 5, *WAIT): (),
    }
    forcer = start(script, seen, budget=9)
    none = forcer.trace(PROMPT, first(NATURAL))
    (one,) = forcer.extend([none], [8])
    assert one.completion.token_ids == (12, 2, 3, 40, 41, 4, CLOSE, OPEN, 7, SHUT, EOS)
    assert one.ends == (3,) and one.ended == 6 and one.prompt == PROMPT
    (two,) = forcer.extend([one], [9])
    assert two.completion.token_ids == (12, 2, 3, 40, 41, 4, 40, 41, 5, CLOSE, OPEN, 8, SHUT, EOS)
    assert two.ends == (3, 6) and two.ended == 9
    assert forcer.extend([two], [9]) == [two]  # 9 + 2 is beyond the budget
    assert [room for _, room in seen] == [16 - 5, 16 - 8]
    # A wait needs room for itself and one token more: 3 + 2 < 6, and 6 + 2 < 9.
    assert [two.waits_within(budget, 2) for budget in (5, 6, 8, 9)] == [0, 1, 1, 2]
    assert one.thinking(5) == (5, True) and one.thinking(6) == (6, False) and two.thinking(9) == (9, False)


def test_an_end_of_sequence_inside_thinking_is_an_end(start: Callable[..., Forcer]) -> None:
    seen: list[tuple[tuple[int, ...], int]] = []
    forcer = start({(12, 2, *WAIT): (3, CLOSE, EOS)}, seen)
    silent = forcer.trace(PROMPT, first((12, 2, EOS)))
    assert silent.ended == 2
    assert forcer.answered([silent], 4, [1]) == [first((12, 2, EOS))]  # it ended by itself, and is left so
    (more,) = forcer.extend([silent], [1])
    assert more.completion.token_ids == (12, 2, 40, 41, 3, CLOSE, EOS) and more.ended == 5


def test_a_delimiter_of_several_tokens_is_found_in_the_text() -> None:
    """`.</thi` holds the beginning of the delimiter, so that the thought ends before it."""
    assert end_of_thinking((12, 2, HALF, OTHER, 5, EOS), decode, True) == 2
    assert end_of_thinking((12, 2, HALF, 5), decode, False) is None
    assert end_of_thinking((CLOSE, OPEN, EOS), decode, True) == 0
    assert end_of_thinking((12, CLOSE, 2, CLOSE), decode, False) == 1


def test_rows_of_different_room_share_a_call(start: Callable[..., Forcer]) -> None:
    """One call with the largest room; what a row gets beyond its own is cut off, and is no longer an end."""
    seen: list[tuple[tuple[int, ...], int]] = []
    forcer = start({(12,): (2, 3, 4, EOS), (12, 2): (5, 6, EOS)}, seen)
    rows = [Row(prompt=PROMPT, written=(12,), room=8), Row(prompt=PROMPT, written=(12, 2), room=2)]
    long, short = forcer.continued(rows)
    assert long.token_ids == (2, 3, 4, EOS) and short.token_ids == (5, 6) and short.finish_reason == "length"
    assert len(short.logprobs) == 2 and [room for _, room in seen] == [8, 8]
    assert forcer.tokens_sampled == 7
    assert forcer.continued([]) == []


def test_a_row_that_would_leave_the_context_waits_for_the_next_call(start: Callable[..., Forcer]) -> None:
    seen: list[tuple[tuple[int, ...], int]] = []
    written = tuple([12] * 20)
    forcer = start({(12,): (EOS,), written: (2, EOS)}, seen)
    context = forcer._context
    room = context - 2 - len(written)
    rows = [Row(prompt=PROMPT, written=written, room=room), Row(prompt=PROMPT, written=(12,), room=context - 3)]
    found = forcer.continued(rows)
    assert [one.token_ids for one in found] == [(2, EOS), (EOS,)]
    assert seen == [((12,), context - 3), (written, room)]


def test_a_cut_of_longer_thinking_is_that_of_a_smaller_limit() -> None:
    """Where the limit is hit while nothing ended, every budget below it is spent."""
    trace = Trace(prompt=PROMPT, completion=first((12, 2, 3, 4), "length"), ended=None)
    assert [trace.thinking(budget) for budget in (1, 3)] == [(1, True), (3, True)]
