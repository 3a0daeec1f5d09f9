"""An object of the other process, as a stand-in on this side."""

from __future__ import annotations

from typing import Any


class Remote:
    """Callable, with attributes, items and iteration, all done on the other side.

    Operators work between two objects of the other side only. Against plain data a stand-in is never equal and has no
    arithmetic, or an answer could return something that compares and subtracts as it pleases.
    """

    def __init__(self, peer: Any, number: int) -> None:
        vars(self).update(_peer=peer, _number=number)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._peer.request("call", self, list(arguments), named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copy, inspect and the like
            raise AttributeError(name)
        return self._peer.request("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.request("setattr", self, name, value)

    def __len__(self) -> int:
        return int(self._peer.request("len", self))

    def __bool__(self) -> bool:
        return bool(self._peer.request("bool", self))

    def __iter__(self) -> Any:
        return self._peer.request("iter", self)

    def __next__(self) -> Any:
        return self._peer.request("next", self)

    def __getitem__(self, key: Any) -> Any:
        return self._peer.request("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._peer.request("setitem", self, key, value)

    def __contains__(self, value: Any) -> bool:
        return bool(self._peer.request("contains", self, value))

    def __str__(self) -> str:
        return str(self._peer.request("str", self))

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Remote) and bool(self._peer.request("isinstance", value, self))

    def __hash__(self) -> int:
        return int(vars(self)["_number"])

    def __eq__(self, other: Any) -> Any:
        return self._between("eq", other)

    def __lt__(self, other: Any) -> Any:
        return self._between("lt", other)

    def __le__(self, other: Any) -> Any:
        return self._between("le", other)

    def __add__(self, other: Any) -> Any:
        return self._between("add", other)

    def __sub__(self, other: Any) -> Any:
        return self._between("sub", other)

    def __mul__(self, other: Any) -> Any:
        return self._between("mul", other)

    def _between(self, operation: str, other: Any) -> Any:
        return self._peer.request(operation, self, other) if isinstance(other, Remote) else NotImplemented
