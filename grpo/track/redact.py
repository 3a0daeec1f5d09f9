"""Keeps secrets out of files and logs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
_SHORTEST_SECRET = 8
_SECRET_WORD = re.compile(r"(key|token|secret|password|passwd|credential)s?$", re.IGNORECASE)
_WORDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_URL_LOGIN = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


def is_secret_name(name: str) -> bool:
    """Whether a key or variable names a secret: `api_key`, `HF_TOKEN`, `dbPassword`; not `tokenizer`."""
    return any(_SECRET_WORD.search(word) for word in _WORDS.split(name))


def environment_secrets(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Values of the environment's secret-like variables, the longest first; very short ones are left out."""
    source = os.environ if environment is None else environment
    found = {value for name, value in source.items() if is_secret_name(name) and len(value) >= _SHORTEST_SECRET}
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def redact_text(text: str, secrets: tuple[str, ...]) -> str:
    """`text` without the given secrets and without logins inside URLs."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _URL_LOGIN.sub(REDACTED, text)


def redact(value: Any, secrets: tuple[str, ...] | None = None) -> Any:
    """A copy of a nested config without secrets.

    Text under a secret-like key goes, whatever it is; numbers stay (`max_tokens: 48`).
    `secrets` defaults to the environment's; their values go wherever they stand.
    """
    known = environment_secrets() if secrets is None else secrets
    if isinstance(value, Mapping):
        return {key: _hide(item) if is_secret_name(str(key)) else redact(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, known) for item in value]
    return redact_text(value, known) if isinstance(value, str) else value


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hide(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item) for item in value]
    return REDACTED if isinstance(value, str) and value else value
