from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from grpo.rewards.math import Verdict, clear_caches, verify, verify_batch
from grpo.rewards.math.pool import Pool
from grpo.rewards.math.verifier import MAX_TEXT_CHARACTERS, after_reasoning


@pytest.fixture(autouse=True)
def harmful(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("grpo.rewards.math.verifier._pool", pool)
    clear_caches()
    yield
    clear_caches()


def test_one_result_per_item_in_order_with_repeats() -> None:
    texts = ["right", "wrong", "right", "also wrong", "wrong"] * 20
    results = verify_batch(["right"] * 100, texts)
    assert [one.equal for one in results] == [text == "right" for text in texts]
    assert verify("7", "7").verdict is Verdict.RIGHT and verify("7", "8", mode="strict").reason == "strict"
    assert verify_batch([], []) == []


def test_equal_items_are_judged_once_and_remembered() -> None:
    [one, two] = verify_batch(["a", "b"], ["work 0.1", "work 0.1"])
    assert one is not two
    assert verify("a", "work 0.1") is one and verify("b", "x</think>work 0.1") is not two
    assert verify("a", "work 0.1", mode="strict") is not one
    clear_caches()
    again = verify("a", "work 0.1")
    assert again is not one and again.verdict is one.verdict


def test_timeouts_and_errors_are_not_remembered() -> None:
    for text, verdict in (("spin", Verdict.TIMED_OUT), ("fail", Verdict.ERROR)):
        first, second = (verify("a", text, deadline_seconds=0.1) for _ in range(2))
        assert first.verdict is second.verdict is verdict and first is not second


def test_only_what_follows_the_reasoning_is_sent() -> None:
    assert after_reasoning("a</think>b</think>c") == "</think>c"
    assert after_reasoning("<think>a") == "<think>a" and after_reasoning("") == ""
    assert verify("</think>7", "long" * 500_000 + "</think>7").equal


def test_a_text_without_end_is_unparsable_and_not_sent() -> None:
    result = verify("7", "7" * (MAX_TEXT_CHARACTERS + 1))
    assert (result.verdict, result.reason, result.equal) == (Verdict.UNPARSABLE, "too_long", False)
    assert verify("7", "7" * MAX_TEXT_CHARACTERS).verdict is Verdict.WRONG


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((["1"], []), {}, "1 golds for 0 texts"),
        ((["1"], ["1"]), {"mode": "Strict"}, "mode 'Strict' is none of lenient, strict"),
        ((["1", 2], ["1", "2"]), {}, r"golds\[1\] is int '2', not text"),
        ((["1"], [None]), {}, r"texts\[0\] is NoneType 'None', not text"),
        (("12", ["1", "2"]), {}, "golds is a text; give a list"),
        ((["1"], ["1"]), {"deadline_seconds": 1e300}, "deadline_seconds 1e.300 must lie"),
        ((["1"], ["1"]), {"deadline_seconds": 0}, "deadline_seconds 0 must lie above 0 and up to 3600"),
        ((["1"], ["1"]), {"deadline_seconds": float("nan")}, "deadline_seconds nan must lie"),
    ],
)
def test_bad_arguments(arguments: tuple[object, object], options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verify_batch(*arguments, **options)  # type: ignore[arg-type]


def test_threads_share_the_pool_and_the_cache() -> None:
    def call(number: int) -> bool:
        golds = [str((index * number) % 7) for index in range(200)]
        texts = [str(index % 7) for index in range(200)]
        return [one.equal for one in verify_batch(golds, texts)] == [g == t for g, t in zip(golds, texts, strict=True)]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(call, range(24)))
