"""A teacher behind an OpenAI-compatible endpoint: POST /chat/completions, one request per completion.

Every request has a deadline for the whole of it, however slowly bytes arrive, and is repeated a few times at most.
The key is read from the environment, sent to that address alone, and never over an open network unencrypted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from grpo.config.slices import DataConfig
from grpo.rewards.text import THINK_CLOSE, THINK_OPEN
from grpo.rollouts.engine import EngineError
from grpo.run.random import derive_seed
from grpo.stages.traces.sample import Batch, Written
from grpo.track.redact import redact_text
from grpo.types import FinishReason, Problem, SamplingSettings

KEY_VARIABLE = "OPENAI_API_KEY"
AT_ONCE = 32
"""Requests under way."""
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
"""Before the second attempt; doubles from attempt to attempt."""
LONGEST_WAIT_SECONDS = 60.0
"""Most that a `Retry-After` header is followed."""
MAX_BYTES = 32 * 2**20
"""Of one answer; a longer one is refused."""
SHOWN_CHARACTERS = 200
"""Of an error's body."""
REFUSED = frozenset({401, 403, 404})
"""Statuses that would be the same for every request: key, permission, address or model are wrong."""
PASSING = frozenset({408, 409, 425, 429})
"""Statuses worth another attempt, beside 500 and above."""


class BadAnswerError(Exception):
    """No usable answer came; `wait` is the server's wish in seconds, `again` whether to ask once more."""

    def __init__(self, reason: str, *, again: bool = True, wait: float | None = None) -> None:
        super().__init__(reason)
        self.again, self.wait = again, wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to ask, and how long to wait."""

    url: str
    """What `/chat/completions` follows."""
    model: str
    deadline_seconds: float
    """Of one attempt, from the connection to the last byte."""
    key: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, url: str, model: str, deadline_seconds: float) -> Endpoint:
        """With the key of OPENAI_API_KEY, where it is set; raises ValueError when it would cross a network in clear."""
        key = os.environ.get(KEY_VARIABLE) or None
        if key is not None and url.startswith("http://") and not is_loopback(url):
            raise ValueError(f"{KEY_VARIABLE} would be sent to {url} unencrypted: use https, or unset it")
        return cls(url=url, model=model, deadline_seconds=deadline_seconds, key=key)

    def client(self) -> httpx.AsyncClient:
        """No redirects, which could carry the key elsewhere; no proxy on the way to this machine itself."""
        return httpx.AsyncClient(
            headers={} if self.key is None else {"Authorization": f"Bearer {self.key}"},
            timeout=self.deadline_seconds,
            limits=httpx.Limits(max_connections=AT_ONCE),
            trust_env=not is_loopback(self.url),
        )

    async def ask(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer's first choice, after at most `ATTEMPTS` attempts.

        Raises:
            BadAnswerError: all of them failed, or the request itself is refused.
            EngineError: the endpoint refuses every request.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self.deadline_seconds):
                    return await self._attempt(client, body)
            except TimeoutError:
                error = BadAnswerError(f"no answer within {self.deadline_seconds} s")
            except httpx.HTTPError as cause:
                error = BadAnswerError(f"{type(cause).__name__}: {cause}")
            except BadAnswerError as cause:
                error = cause
            if not error.again or attempt == ATTEMPTS:
                break
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 1) if error.wait is None else error.wait
            await asyncio.sleep(wait)
        raise BadAnswerError(self._hidden(f"{error} ({attempt} of {ATTEMPTS} attempts)"))

    async def _attempt(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Mapping[str, Any]:
        async with client.stream("POST", f"{self.url}/chat/completions", json=body) as response:
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MAX_BYTES:
                    raise BadAnswerError(f"an answer of more than {MAX_BYTES} bytes", again=False)
        if response.status_code == 200:
            return first_choice(bytes(content))
        shown = content[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        reason = self._hidden(f"status {response.status_code}: {shown}")
        if response.status_code in REFUSED:
            raise EngineError(f"teacher {self.model} at {self.url}: {reason}")
        again = response.status_code in PASSING or response.status_code >= 500
        raise BadAnswerError(reason, again=again, wait=_wish(response.headers.get("retry-after")))

    def _hidden(self, text: str) -> str:
        return redact_text(text, () if self.key is None else (self.key,))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWriter:
    """Completions of the endpoint's model; the seed of each request derives from `keys`, the problem and the index.

    Whether equal seeds give equal text is the endpoint's affair; what it once gave is kept, and a resumed stage goes on
    with that.
    """

    endpoint: Endpoint
    settings: SamplingSettings
    data: DataConfig
    """Says how a problem is asked."""
    tokenizer: Any
    """The student's; its ids of an answer count its length and go to reward functions. What is trained on is the
    text, tokenised once more when the supervised stage reads it."""
    keys: tuple[int | str, ...]

    def write(self, problems: Sequence[Problem]) -> Batch:
        """A completion that failed says why; raises EngineError when all of them did."""
        size = self.settings.completions_per_prompt
        bodies = [self._body(problem, index) for problem in problems for index in range(size)]
        flat = asyncio.run(self._answers(bodies))
        if all(one.failure is not None for one in flat):
            raise EngineError(f"teacher {self.endpoint.model} at {self.endpoint.url}: {flat[0].failure}")
        rows = [flat[start : start + size] for start in range(0, len(flat), size)]
        return Batch(written=rows, tokens_prompted=sum(self._length(body) for body in bodies))

    async def _answers(self, bodies: Sequence[Mapping[str, Any]]) -> list[Written]:
        free = asyncio.Semaphore(AT_ONCE)

        async def answer(client: httpx.AsyncClient, body: Mapping[str, Any]) -> Written:
            async with free:
                try:
                    return self._written(await self.endpoint.ask(client, body))
                except BadAnswerError as error:
                    return Written(text="", token_ids=(), finish_reason="length", failure=str(error))

        async with self.endpoint.client() as client:
            return list(await asyncio.gather(*(answer(client, body) for body in bodies)))

    def _written(self, choice: Mapping[str, Any]) -> Written:
        text = text_of(choice["message"])
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        reason: FinishReason = "stop" if choice.get("finish_reason") == "stop" else "length"
        return Written(text=text, token_ids=tuple(ids), finish_reason=reason)

    def _body(self, problem: Problem, index: int) -> dict[str, Any]:
        settings = self.settings
        filters = {"top_k": settings.top_k, "min_p": settings.min_p}  # vLLM's; others may refuse the keys
        return {
            "model": self.endpoint.model,
            "messages": messages_of(problem, self.data),
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_tokens,
            "seed": derive_seed(*self.keys, problem.id, index),
            **{name: value for name, value in filters.items() if value},
        }

    def _length(self, body: Mapping[str, Any]) -> int:
        text = "".join(turn["content"] for turn in body["messages"])
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def messages_of(problem: Problem, data: DataConfig) -> list[dict[str, str]]:
    """The chat turns a teacher is asked with: `prompt_template` filled in, or `system_prompt` and the problem."""
    prompt = problem.prompt
    if isinstance(prompt, str):
        text = prompt if data.prompt_template is None else data.prompt_template.replace("{prompt}", prompt)
        turns = [{"role": "user", "content": text}]
    else:
        turns = [{"role": turn["role"], "content": turn["content"]} for turn in prompt]
    system = data.system_prompt
    return turns if system is None else [{"role": "system", "content": system}, *turns]


def first_choice(content: bytes) -> Mapping[str, Any]:
    """The first choice of an answer's body, its message with text; raises BadAnswerError when there is none."""
    try:
        answer = json.loads(content)
        choice = answer["choices"][0]
        text_of(choice["message"]).encode("utf-8")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        shown = content[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        raise BadAnswerError(f"no chat completion ({type(error).__name__}): {shown}") from None
    assert isinstance(choice, Mapping)
    return choice


def text_of(message: Mapping[str, Any]) -> str:
    """Reasoning, where the endpoint gives it apart, in the tags of ours, then the content; raises TypeError."""
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    content = message.get("content") or ""
    if not isinstance(reasoning, str) or not isinstance(content, str):
        raise TypeError("content is no text")
    return f"{THINK_OPEN}{reasoning}{THINK_CLOSE}{content}" if reasoning else content


def is_loopback(url: str) -> bool:
    """Whether the address is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wish(header: str | None) -> float | None:
    try:
        return None if header is None else min(LONGEST_WAIT_SECONDS, max(0.0, float(header)))
    except ValueError:
        return None  # a date; our own wait does
