"""Calls between two processes that do not trust each other: one JSON object a line, plain values and handles only."""

from __future__ import annotations

import builtins
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from .codec import EXCEPTION, HERE, THERE, decode, encode
from .remote import Remote

MAX_MESSAGE_BYTES = 8 << 20
MUTABLE = (list, dict, set, bytearray, deque)
"""Arguments of these kinds are sent back after a call that returns None, which is how in-place functions are tested."""


class PeerGoneError(BaseException):
    """The other process ended or broke the protocol; no `except Exception` of a test may swallow that."""


class RemoteError(Exception):
    """The other side raised something that is no built-in exception."""


class UnsendableError(TypeError):
    """A value that is neither plain data nor a function was to be sent by a side that sends no others."""


class Peer:
    """One end of the connection."""

    def __init__(
        self, incoming: BinaryIO, outgoing: BinaryIO, operations: Mapping[str, Callable[..., Any]], exports_all: bool
    ) -> None:
        """`operations`: what the other side may ask for; `exports_all`: give handles for what is no callable, too."""
        self._incoming, self._outgoing = incoming, outgoing
        self._operations = operations
        self._exports_all = exports_all
        self._mine: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._theirs: dict[int, Remote] = {}
        self._exceptions: dict[tuple[str, str], type[Exception]] = {}
        self.gone = False
        self.unsendable: str | None = None
        """Type of an argument that this side could not send."""

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask the other side and wait, answering what it asks meanwhile.

        Raises:
            PeerGoneError: there is no other side any more.
            Exception: what the operation raised there, as the built-in exception of that name or a `RemoteError`.
        """
        try:
            spelled = self._encoded(list(arguments))
        except UnsendableError as error:
            self.unsendable = str(error)
            raise
        self._send({"ask": operation, "with": spelled})
        while True:
            message = self.receive()
            if "ask" in message:
                self.answer(message)
                continue
            if "raised" in message:
                raise self._exception(message["raised"])
            value = self._decoded(message.get("value"))
            if operation == "call" and value is None and "after" in message:
                _update(arguments[1], self._decoded(message["after"]))
            return value

    def receive(self) -> dict[str, Any]:
        """The next message.

        Raises:
            PeerGoneError: the stream ended, or what came is no message.
        """
        line = self._incoming.readline(MAX_MESSAGE_BYTES + 1)
        try:
            message = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self.gone = True
            raise PeerGoneError("the other process ended" if not line else "the other process broke the protocol")
        return message

    def answer(self, message: dict[str, Any]) -> None:
        """Do what `message` asks for and send what comes of it."""
        try:
            arguments = self._decoded(message["with"])
            value = self._operations[message["ask"]](*arguments)
            reply = {"value": self._encoded(value)}
            if message["ask"] == "call" and value is None:
                reply["after"] = self._encoded([part if isinstance(part, MUTABLE) else None for part in arguments[1]])
            line = json.dumps(reply)
            if len(line) >= MAX_MESSAGE_BYTES:
                raise OverflowError(f"a result of {len(line)} bytes, more than {MAX_MESSAGE_BYTES}")
        except PeerGoneError:
            raise
        except BaseException as error:
            line = json.dumps({"raised": [*_names_of(type(error)), _text_of(error)]})
        self._write(line)

    def send_hello(self, message: dict[str, Any]) -> None:
        """The first message of a process, which answers nothing."""
        self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message)
        if len(line) >= MAX_MESSAGE_BYTES:
            raise OverflowError(f"arguments of {len(line)} bytes, more than {MAX_MESSAGE_BYTES}")
        self._write(line)

    def _write(self, line: str) -> None:
        try:
            self._outgoing.write(line.encode() + b"\n")
            self._outgoing.flush()
        except OSError as error:
            self.gone = True
            raise PeerGoneError("the other process does not listen any more") from error

    def _encoded(self, value: Any) -> Any:
        return encode(value, self._handle)

    def _decoded(self, spelled: Any) -> Any:
        try:
            return decode(spelled, self._resolve)
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, ArithmeticError) as error:
            raise RemoteError(f"the other process sent no value: {type(error).__name__}") from error

    def _handle(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote):
            return {THERE: vars(value)["_number"]}
        if isinstance(value, type) and issubclass(value, BaseException):
            return {EXCEPTION: _names_of(value)}
        if not self._exports_all and not callable(value):
            raise UnsendableError(f"{type(value).__name__} objects cannot be sent, only plain data and functions")
        # The table keeps the object alive, so its id stays its own and the other side sees one object, not two.
        number = self._numbers.setdefault(id(value), len(self._mine))
        if number == len(self._mine):
            self._mine.append(value)
        return {HERE: number}

    def _resolve(self, tag: str, number: Any) -> Any:
        if tag == EXCEPTION:
            name, base = number
            return self._exception_class(str(name), str(base))
        if type(number) is not int or number < 0:
            raise ValueError(f"{number!r} is no handle")
        if tag == THERE:
            return self._mine[number]
        return self._theirs.setdefault(number, Remote(self, number))

    def _exception(self, spelled: Any) -> Exception:
        if not isinstance(spelled, list) or len(spelled) != 3:
            return RemoteError("an exception that was not spelled out")
        name, base, text = (str(part) for part in spelled)
        try:
            return self._exception_class(name, base)(text)
        except TypeError:  # UnicodeDecodeError and its like take other arguments
            return RemoteError(f"{name}: {text}")

    def _exception_class(self, name: str, base: str) -> type[Exception]:
        """A class to catch: the built-in one, or a stand-in that derives from it, the same for the same names."""
        kind = getattr(builtins, base, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            kind = RemoteError  # SystemExit and its like would end the judge instead of a test
        return kind if name == base else self._exceptions.setdefault((name, base), type(name, (kind,), {}))


def _names_of(kind: type[BaseException]) -> list[str]:
    """A class's own name and that of the built-in exception it is or derives from."""
    base = next(one for one in kind.__mro__ if getattr(builtins, one.__name__, None) is one)
    return [kind.__name__, base.__name__]


def _text_of(error: BaseException) -> str:
    """An exception's text, which may be code of the answer."""
    try:
        return str(error)[:500]
    except BaseException as second:
        return f"({type(second).__name__} in its text)"


def _update(arguments: list[Any], after: Any) -> None:
    """Give mutable arguments the content that they have on the other side."""
    if not isinstance(after, list) or len(after) != len(arguments):
        return
    for old, new in zip(arguments, after):  # noqa: B905  the system's Python may be older than `strict`
        if isinstance(old, MUTABLE) and type(new) is type(old):
            old.clear()
            if isinstance(old, (list, bytearray, deque)):
                old.extend(new)  # type: ignore[arg-type]
            else:
                old.update(new)  # type: ignore[arg-type]
