"""The judge's process: runs the tests, with the answer's functions standing in another process.

`python -m inside.judge FD` reads replies of the answer's process on standard input, writes requests to descriptor FD,
and its verdicts, one JSON object a line, to what was standard output at its start.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO

from .peer import Peer, PeerGoneError

TESTS = "/box/tests.json"
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
STANDARD_MODULES: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset(("math", "itertools", "re")))
RESERVED = frozenset(dir(builtins)) | STANDARD_MODULES
"""Names that tests rely on: an answer's own `abs` or `math` must not decide whether `abs(f(2) - 1) < 0.1`."""


def main(requests: int) -> None:
    """Run the tests and report."""
    reports, replies = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    with open(TESTS, encoding="utf-8") as file:
        task = json.load(file)
    try:
        units = [unit for source in task["tests"] for unit in split_tests(ast.parse(source))]
        if not units:
            raise ValueError("no assert and no call at the top level, so nothing would be tested")
        missing = missing_modules(node for unit in units for statement in unit for node in ast.walk(statement))
        if missing:
            raise ValueError(f"imports {', '.join(missing)}, which the sandbox's Python does not have")
    except (SyntaxError, ValueError) as error:
        _report(reports, bad_tests=f"{type(error).__name__}: {error}")
        return
    _report(reports, total=len(units))
    with os.fdopen(requests, "wb") as outgoing:
        run_units(units, replies, outgoing, reports, bool(task["stop_at_failure"]))


def split_tests(tree: ast.Module) -> list[list[ast.stmt]]:
    """Runs of statements that each end with one that checks something; what follows the last belongs to it."""
    units: list[list[ast.stmt]] = []
    pending: list[ast.stmt] = []
    for statement in tree.body:
        pending.append(statement)
        if _checks(statement):
            units.append(pending)
            pending = []
    if units:
        units[-1] += pending
    return units


def _checks(statement: ast.stmt) -> bool:
    if isinstance(statement, DEFINITIONS):
        return False
    calls = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return calls or any(isinstance(node, ast.Assert) for node in ast.walk(statement))


def missing_modules(nodes: Iterable[ast.AST]) -> list[str]:
    """Modules that tests import in vain, whatever the answer."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return sorted(name for name in names if not name or importlib.util.find_spec(name) is None)


def run_units(
    units: list[list[ast.stmt]], replies: BinaryIO, outgoing: BinaryIO, reports: Any, stop_at_failure: bool
) -> None:
    """Run every unit in one namespace and report each."""
    peer = Peer(replies, outgoing, {"call": _call}, exports_all=False)
    try:
        hello = peer.receive()
        if "failed" in hello:
            return _report(reports, failed=str(hello["failed"])[:300])
        namespace = namespace_for(units, [str(name) for name in hello.get("names", [])], peer)
    except PeerGoneError as error:
        return _report(reports, failed=str(error))
    for unit in units:
        why = _failure(unit, namespace, peer)
        if peer.unsendable is not None:
            return _report(reports, bad_tests=f"an argument of a test: {peer.unsendable}")
        _report(reports, passed=why is None, why=why)
        if peer.gone or (stop_at_failure and why is not None):
            return None
    return None


def namespace_for(units: list[list[ast.stmt]], offered: list[str], peer: Peer) -> dict[str, Any]:
    """What tests find defined: names of the answer, and modules of the standard library that they use unimported.

    A reserved name is the answer's only where tests use nothing else of it (an answer asked for its own `sum`).
    """
    nodes = [node for unit in units for statement in unit for node in ast.walk(statement)]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    wanted = used.intersection(offered)
    wanted = wanted - RESERVED or wanted
    namespace: dict[str, Any] = {"__name__": "tests"}
    for name in (used & STANDARD_MODULES) - wanted - _bound_names(nodes):
        with contextlib.suppress(ImportError):
            namespace[name] = importlib.import_module(name)
    for name in wanted:
        namespace[name] = peer.request("global", name)
    return namespace


def _bound_names(nodes: list[ast.AST]) -> set[str]:
    """Names that the tests define themselves."""
    bound: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, DEFINITIONS):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
    return bound


def _failure(unit: list[ast.stmt], namespace: dict[str, Any], peer: Peer) -> str | None:
    """Run the statements; why they failed, or None."""
    try:
        exec(compile(ast.Module(body=unit, type_ignores=[]), "tests", "exec"), namespace)
    except BaseException as error:
        return f"line {unit[-1].lineno}: {type(error).__name__}: {str(error)[:200]}"
    return "the answer's process ended" if peer.gone else None


def _call(function: Any, arguments: list[Any], named: dict[str, Any]) -> Any:
    """The one thing an answer may do with what the judge gave it: call a function that a test passed as an argument."""
    return function(*arguments, **named)


def _report(reports: Any, **message: Any) -> None:
    reports.write(json.dumps(message) + "\n")
    reports.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
