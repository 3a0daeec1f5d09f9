"""The verifier's judge under an audit hook: what it executes, opens, starts or imports becomes an error of the item.

Imports, too: a module loaded late is paid for by the first item that needs it, in every new worker.
"""

from __future__ import annotations

import os
import sys
from types import CodeType
from typing import Any

from grpo.rewards.math.judge import judge as real_judge
from grpo.rewards.math.result import Result

FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.mkdir", "os.rename", "os.remove", "os.chmod",
             "os.kill", "subprocess.Popen", "socket.", "pickle.find_class", "marshal.loads", "shutil.", "ctypes.dlopen",
             "import", "urllib.Request", "webbrowser.open", "code.__new__", "tempfile.")  # fmt: skip
seen: list[str] = []
armed = False


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    if armed and is_forbidden(event, arguments):
        seen.append(f"{event} {arguments!r:.30}")


def is_forbidden(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "compile":  # of a module that has no bytecode yet
        return not str(arguments[1]).endswith(".py")
    if event == "exec":  # importing a module executes its code, which knows its file
        return isinstance(arguments[0], CodeType) and arguments[0].co_filename.startswith("<")
    if event == "open":
        mode, flags = arguments[1] or "", arguments[2] or 0
        return any(letter in mode for letter in "wax+") or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event.startswith(FORBIDDEN)


def judge(gold: str, text: str, *, mode: str = "lenient") -> Result:
    global armed
    if text.startswith("WATCH "):  # proves that the hook sees what it should
        armed = True
        eval(text.removeprefix("WATCH "))
    armed = True
    try:
        result = real_judge(gold, text, mode=mode)
    finally:
        armed = False
    if seen:
        found = "; ".join(seen)
        seen.clear()
        raise PermissionError(found)
    return result


sys.addaudithook(hook)
