"""The answer's process: runs the answer once as a module, then does what the judge asks of it.

It knows no test and no expected value. All that the answer can reach or forge here, it could as well return.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO

from .peer import Peer, PeerGoneError

ANSWER = "/box/answer.py"


def operations(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """What the judge may ask for."""
    return {
        "global": lambda name: getattr(module, name),
        "call": lambda function, arguments, named: function(*arguments, **named),
        "getattr": getattr,
        "setattr": setattr,
        "len": len,
        "bool": bool,
        "str": str,
        "iter": iter,
        "next": next,
        "getitem": operator.getitem,
        "setitem": operator.setitem,
        "contains": operator.contains,
        "isinstance": isinstance,
        "eq": operator.eq,
        "lt": operator.lt,
        "le": operator.le,
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
    }


def main() -> None:
    """Run the answer, say what it defines, and answer requests until the judge is gone."""
    incoming, outgoing = _private_pipes()
    module = ModuleType("answer")
    sys.modules["answer"] = module  # dataclasses look a class's module up there
    peer = Peer(incoming, outgoing, operations(module), exports_all=True)
    try:
        with open(ANSWER, encoding="utf-8", newline="") as file:
            code = compile(file.read(), "answer.py", "exec")
        exec(code, vars(module))  # the one place where a completion is run, and only in this sandbox
    except SystemExit:
        pass  # a script that ends itself has defined what it defined
    except BaseException as error:
        peer.send_hello({"failed": f"{type(error).__name__}: {str(error)[:300]}"})
        return
    try:
        peer.send_hello({"names": [name for name in vars(module) if not name.startswith("__")]})
        while True:
            peer.answer(peer.receive())
    except PeerGoneError:
        os._exit(0)  # without the answer's threads and exit handlers


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the protocol away from standard input and output, where the answer reads and prints."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return incoming, outgoing


if __name__ == "__main__":
    main()
