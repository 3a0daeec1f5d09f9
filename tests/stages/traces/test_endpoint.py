"""A teacher behind an endpoint, played by a server in a thread that also fails in every way one can."""

from __future__ import annotations

import time
from typing import Any

import pytest

from grpo.config.slices import DataConfig
from grpo.rollouts.engine import EngineError
from grpo.run.random import derive_seed
from grpo.stages.traces import endpoint as module
from grpo.stages.traces.endpoint import Endpoint, EndpointWriter, messages_of, text_of
from grpo.stages.traces.sample import Written
from grpo.types import Problem, SamplingSettings
from tests.endpoint import Answer, Handler, Server, server

__all__ = ["server"]
"""The fixture."""

KEY = "sk-very-secret-key"


class Letters:
    """A tokenizer: a character is a token."""

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}


PROBLEMS = [Problem(id=f"train/{i}", prompt=f"{i}+1=", answer=str(i + 1)) for i in range(3)]


def writer(server: Server, deadline: float = 5.0, **settings: Any) -> EndpointWriter:
    values: dict[str, Any] = {"completions_per_prompt": 2, "max_tokens": 16} | settings
    return EndpointWriter(
        endpoint=Endpoint.from_environment(server.url, "qwen", deadline),
        settings=SamplingSettings(**values),
        data=DataConfig(),
        tokenizer=Letters(),
        keys=(7, "distill"),
    )


def test_a_request_per_completion_with_a_seed_of_its_own(server: Server) -> None:
    batch = writer(server, temperature=0.6, top_p=0.95, top_k=20).write(PROBLEMS)
    assert [[one.text for one in row] for row in batch.written] == [["0+1=2"] * 2, ["1+1=2"] * 2, ["2+1=2"] * 2]
    assert batch.written[0][0] == Written(text="0+1=2", token_ids=(48, 43, 49, 61, 50), finish_reason="stop")
    assert batch.tokens_prompted == 6 * 4
    bodies = {body["seed"]: body for _, _, body in server.seen}
    assert set(bodies) == {derive_seed(7, "distill", one.id, index) for one in PROBLEMS for index in (0, 1)}
    assert bodies[derive_seed(7, "distill", "train/2", 1)] == {
        "model": "qwen",
        "messages": [{"role": "user", "content": "2+1="}],
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
        "max_tokens": 16,
        "seed": derive_seed(7, "distill", "train/2", 1),
    }
    assert {(path, key) for path, key, _ in server.seen} == {("/v1/chat/completions", None)}


def test_the_key_is_sent_and_shown_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.KEY_VARIABLE, KEY)
    server.answer = lambda handler, body, _: handler.reply(400, f"bad key {KEY}".encode())
    one = writer(server)
    assert KEY not in repr(one)
    with pytest.raises(EngineError) as caught:
        one.write(PROBLEMS)
    assert "status 400: bad key [redacted]" in str(caught.value) and KEY not in str(caught.value)
    assert {key for _, key, _ in server.seen} == {f"Bearer {KEY}"} and len(server.seen) == 6  # not repeated
    with pytest.raises(ValueError, match=r"OPENAI_API_KEY would be sent to http://example.org/v1 unencrypted"):
        Endpoint.from_environment("http://example.org/v1", "qwen", 1.0)
    assert Endpoint.from_environment("https://example.org/v1", "qwen", 1.0).key == KEY


def garbage(handler: Handler, body: dict[str, Any], before: int) -> None:
    """The bodies of six requests, none of them a chat completion."""
    messages = [b"null", b'{"content": 5}', b'{"content": "\\ud800"}']
    bodies = [b"<html>", b"[]", b'{"choices": []}', *(b'{"choices": [{"message": %b}]}' % one for one in messages)]
    seeds = [derive_seed(7, "distill", one.id, index) for one in PROBLEMS for index in (0, 1)]
    handler.reply(200, bodies[seeds.index(body["seed"])])


def status(code: int, **headers: str) -> Answer:
    return lambda handler, body, before: handler.reply(code, b"busy", **headers)


@pytest.mark.parametrize(
    "answer", [garbage, status(500), status(429, Retry_After="0"), status(503, Retry_After="soon")]
)
def test_what_may_pass_is_tried_four_times(answer: Answer, server: Server) -> None:
    server.answer = answer
    with pytest.raises(EngineError, match=r"teacher qwen at http://127.0.0.1:\d+/v1: .* \(4 of 4 attempts\)"):
        writer(server).write(PROBLEMS)
    assert len(server.seen) == 6 * 4


def test_a_fault_that_passes_leaves_no_trace(server: Server) -> None:
    def twice_wrong(handler: Handler, body: dict[str, Any], before: int) -> None:
        if before < 2:
            handler.reply(503, b"")
        else:
            handler.complete("2")

    server.answer = twice_wrong
    batch = writer(server).write(PROBLEMS)
    assert all(one.text == "2" and one.failure is None for row in batch.written for one in row)
    assert len(server.seen) == 6 * 3


def test_one_failure_is_counted_and_the_others_stay(server: Server) -> None:
    bad = derive_seed(7, "distill", "train/1", 0)
    server.answer = lambda handler, body, _: (
        handler.reply(413, b"too long") if body["seed"] == bad else handler.complete("2", "length")
    )
    batch = writer(server).write(PROBLEMS)
    failed = batch.written[1][0]
    assert failed.failure == "status 413: too long (1 of 4 attempts)" and failed.text == ""
    others = [one for row in batch.written for one in row if one is not failed]
    assert all(one.failure is None and one.finish_reason == "length" for one in others) and len(others) == 5


@pytest.mark.parametrize("code", [401, 403, 404])
def test_what_every_request_would_meet_ends_the_stage(code: int, server: Server) -> None:
    server.answer = lambda handler, body, _: handler.reply(code, b"no such model")
    with pytest.raises(EngineError, match=f"status {code}: no such model"):
        writer(server).write(PROBLEMS)
    assert len(server.seen) <= 6


def test_the_deadline_is_of_the_whole_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that trickle in, none of them late, do not stretch it."""
    monkeypatch.setattr(module, "ATTEMPTS", 2)

    def trickle(handler: Handler, body: dict[str, Any], before: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.1)

    server.answer = trickle
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"no answer within 0.5 s \(2 of 2 attempts\)"):
        writer(server, deadline=0.5).write(PROBLEMS[:1])
    assert 1.0 <= time.monotonic() - started < 4.0


def test_an_endless_answer_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    server.answer = lambda handler, body, _: handler.complete("x" * 2000)
    with pytest.raises(EngineError, match="more than 1000 bytes"):
        writer(server).write(PROBLEMS[:1])


def test_nobody_there(server: Server) -> None:
    one = writer(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(EngineError, match="ConnectError"):
        one.write(PROBLEMS[:1])


def test_reasoning_that_comes_apart_is_put_into_tags() -> None:
    assert text_of({"content": "2", "reasoning_content": "1+1"}) == "<think>1+1</think>2"
    assert text_of({"content": "2", "reasoning": "1+1"}) == "<think>1+1</think>2"
    assert text_of({"content": None, "reasoning_content": None}) == ""


def test_how_a_problem_is_asked() -> None:
    asked = messages_of(PROBLEMS[0], DataConfig(prompt_template="Q: {prompt} A:"))
    assert asked == [{"role": "user", "content": "Q: 0+1= A:"}]
    chat = Problem(id="a", prompt=({"role": "user", "content": "hi"},), answer="")
    assert messages_of(chat, DataConfig(system_prompt="think")) == [
        {"role": "system", "content": "think"},
        {"role": "user", "content": "hi"},
    ]
