"""Plain values as JSON, so that nothing but data passes between the answer's process and the judge's.

Numbers, text, None and lists are themselves; everything else is an object with one key, the tag. Whatever cannot be
spelled stays where it is, and a handle (a number) is sent for it.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

SAFE_INTEGER_BITS = 64
"""Longer integers travel as hexadecimal text, which has no limit of digits and is read in linear time."""
HERE, THERE, EXCEPTION = "here", "there", "exception"
"""Tags of what the caller resolves: an object of the sender, one of the receiver, an exception class by its names."""
SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
}


def encode(value: Any, handle: Callable[[Any], dict[str, Any]]) -> Any:
    """`value` in terms of JSON; `handle` spells what is not plain.

    Subclasses become their base: a Counter is sent as a dict, a named tuple as a tuple. What can be compared with
    plain data is then plain data, and an answer cannot bring its own `__eq__`.

    Raises:
        RecursionError: the value is nested too deeply, or holds itself.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        number = int(value)
        return number if number.bit_length() <= SAFE_INTEGER_BITS else {"int": hex(number)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, complex):
        return {"complex": [encode(value.real, handle), encode(value.imag, handle)]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes" if isinstance(value, bytes) else "bytearray": value.hex()}
    if isinstance(value, range):
        return {"range": [encode(part, handle) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, list):
        return [encode(part, handle) for part in value]
    if isinstance(value, dict):
        return {"dict": [[encode(key, handle), encode(part, handle)] for key, part in value.items()]}
    for tag, kind in SEQUENCES.items():
        if isinstance(value, kind):  # type: ignore[arg-type]
            return {tag: [encode(part, handle) for part in value]}
    return _exact_number(value, handle) or handle(value)


def decode(spelled: Any, resolve: Callable[[str, Any], Any]) -> Any:
    """The value behind `encode`'s spelling; `resolve` turns a tag of `handle`'s into an object.

    Raises:
        ValueError, TypeError, KeyError, OverflowError, RecursionError: not something `encode` writes.
    """
    if isinstance(spelled, list):
        return [decode(part, resolve) for part in spelled]
    if not isinstance(spelled, dict):
        return spelled
    [(tag, content)] = spelled.items()
    if tag in (HERE, THERE, EXCEPTION):
        return resolve(tag, content)
    if tag == "int":
        return int(content, 16)
    if tag == "float":
        return float(content)
    if tag in ("bytes", "bytearray"):
        return (bytes if tag == "bytes" else bytearray).fromhex(content)
    if tag == "dict":
        return {decode(key, resolve): decode(part, resolve) for key, part in content}
    parts = [decode(part, resolve) for part in content]
    if tag in SEQUENCES:
        return SEQUENCES[tag](parts)
    return _number_from(tag, parts)


def _exact_number(value: Any, handle: Callable[[Any], dict[str, Any]]) -> dict[str, Any] | None:
    """Fractions and decimals, where the modules that define them are loaded at all."""
    fractions, decimals = sys.modules.get("fractions"), sys.modules.get("decimal")
    if fractions is not None and isinstance(value, fractions.Fraction):
        return {"Fraction": [encode(value.numerator, handle), encode(value.denominator, handle)]}
    if decimals is not None and isinstance(value, decimals.Decimal):
        return {"Decimal": [str(value)]}
    return None


def _number_from(tag: str, parts: list[Any]) -> Any:
    if tag == "complex":
        return complex(*parts)
    if tag == "range":
        return range(*parts)
    if tag == "Fraction":
        from fractions import Fraction

        return Fraction(*parts)
    if tag == "Decimal":
        from decimal import Decimal

        return Decimal(*parts)
    raise ValueError(f"unknown tag {tag!r}")
