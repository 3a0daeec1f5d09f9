"""JSON values as length-prefixed frames, for stream sockets that may hand over any part of them at a time."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

_SIZE = struct.Struct("!I")
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False, ensure_ascii=False).encode


def frame(value: Any) -> bytes:
    """`value` as JSON behind its length in bytes. Any text survives: escaped surrogates would be joined when read."""
    body = _encode(value).encode("utf-8", "surrogatepass")
    return _SIZE.pack(len(body)) + body


def take_frames(received: bytearray) -> Iterator[Any]:
    """Remove every whole frame from the front of `received` and give its value."""
    start = 0
    try:
        while len(received) >= start + _SIZE.size:
            end = start + _SIZE.size + _SIZE.unpack_from(received, start)[0]
            if len(received) < end:
                break
            body = str(memoryview(received)[start + _SIZE.size : end], "utf-8", "surrogatepass")
            start = end
            yield json.loads(body)
    finally:
        del received[:start]
