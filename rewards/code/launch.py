"""How a program is started so that bubblewrap, prlimit and the system-call filter hold it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from grpo.rewards.code.limits import Limits, SandboxError, SandboxResult
from grpo.rewards.code.running import Running
from grpo.rewards.code.seccomp import seccomp_filter

FOLDER = "/box"
"""Where a program finds the files of its call."""
NOBODY = "65534"
TOOLS = {"bwrap": "bubblewrap", "prlimit": "util-linux", "setpriv": "util-linux", "timeout": "coreutils"}
"""Program to the distribution's package."""
TOOL_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
"""All that a program sees of an environment; the fixed hash seed makes sets come in the same order every time."""
ORPHAN_SECONDS = 5.0
"""How much later than the trainer, which should have done it, the sandbox itself ends a program."""
PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """What a program can read besides the files of its call; it can write nothing."""

    read_only: tuple[str, ...] = ("/usr",)
    """Folders of this machine, readable by every user (a Python in a home folder usually is not)."""
    python: str | None = None
    """Interpreter inside `read_only`; None: the system's own."""

    def interpreter(self) -> str | None:
        """Path of the interpreter, or None when there is none."""
        candidates = PYTHONS if self.python is None else (self.python,)
        return next((path for path in candidates if os.access(path, os.X_OK)), None)


class Launcher:
    """Starts programs through the tools; whether they isolate on this machine is for `Sandbox` to find out."""

    def __init__(self, limits: Limits, file_system: FileSystem) -> None:
        self.limits = limits
        self._file_system = file_system
        self._command = _isolation(file_system)

    def run(self, files: Mapping[str, bytes], argv: Sequence[str], stdin: bytes = b"") -> SandboxResult:
        """Run Python with arguments `argv` over `files` (path below `FOLDER` to content) to its end.

        Raises:
            SandboxError: the sandbox did not start, or its processes did not end.
        """
        with _memory_files([stdin]) as [read_end], self.start(files, argv, stdin=read_end) as running:
            return running.finish(self.limits.wall_seconds)

    @contextmanager
    def start(
        self, files: Mapping[str, bytes], argv: Sequence[str], *, stdin: int, stdout: int | None = None, extra: int = -1
    ) -> Iterator[Running]:
        """Start Python with file descriptors of this process; all it started is dead when the block ends.

        Its output is captured unless `stdout` is given; then standard error is dropped. `extra` is one more
        descriptor, which the program finds under the same number.

        Raises:
            SandboxError: see `run`.
        """
        python = self._file_system.interpreter()
        if python is None:
            raise SandboxError(f"there is no interpreter {self._file_system.python or PYTHONS}")
        with ExitStack() as stack:
            contents = stack.enter_context(_memory_files([seccomp_filter(platform.machine()), *files.values()]))
            status_read, status_write = os.pipe()
            stack.callback(os.close, status_read)
            with _closing(status_write):
                arguments = ["--json-status-fd", str(status_write), "--seccomp", str(contents[0])]
                for name, descriptor in zip(files, contents[1:], strict=True):
                    arguments += ["--file", str(descriptor), f"{FOLDER}/{name}"]
                process = subprocess.Popen(
                    [*self._command, *arguments, *_READ_ONLY, *_limiter(self.limits), python, "-s", *argv],
                    stdin=stdin,
                    stdout=subprocess.PIPE if stdout is None else stdout,
                    stderr=subprocess.PIPE if stdout is None else subprocess.DEVNULL,
                    env=ENVIRONMENT,
                    pass_fds=[*contents, status_write, *([extra] if extra >= 0 else [])],
                    start_new_session=True,
                    bufsize=0,
                )
            running = Running(process, status_read, self.limits)
            stack.callback(running.close)
            yield running


_READ_ONLY = ("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", FOLDER, "--")
"""Last of bubblewrap's arguments: only now are the files in place."""


def _isolation(file_system: FileSystem) -> list[str]:
    drop_root = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    # Each namespace by name: `--unshare-all` means "user namespace where possible", and this must fail instead.
    namespaces = [f"--unshare-{kind}" for kind in ("user", "pid", "net", "ipc", "uts", "cgroup-try")]
    command = [*drop_root, "bwrap", *namespaces, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for folder in file_system.read_only:
        command += ["--ro-bind", folder, folder]
    for name in ("/bin", "/lib", "/lib64"):
        if os.path.islink(name):
            command += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            command += ["--ro-bind", name, name]
    command += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--dev", "/dev", "--dir", FOLDER]
    return [tool_path(word) or word if word in TOOLS else word for word in command]


def _limiter(limits: Limits) -> list[str]:
    """Applied inside, where the process limit counts this sandbox alone and no file is left to be written."""
    return [
        # A trainer killed while bubblewrap starts up leaves a program that nobody watches; this ends it.
        tool_path("timeout") or "timeout",
        "--signal=KILL",
        "--foreground",
        f"{limits.wall_seconds + ORPHAN_SECONDS:g}",
        tool_path("prlimit") or "prlimit",
        f"--as={limits.memory_bytes}",
        # The soft limit sends SIGXCPU, which tells this end from others; a program that ignores it is killed later.
        f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}",
        f"--nproc={limits.processes}",
        f"--nofile={limits.open_files}",
        "--fsize=0",
        "--core=0",
    ]


def tool_path(name: str) -> str | None:
    """Where a tool of `TOOLS` is installed, or None."""
    return shutil.which(name, path=TOOL_PATH)


@contextmanager
def _memory_files(contents: Sequence[bytes]) -> Iterator[list[int]]:
    """Descriptors of anonymous files, each at its start."""
    with ExitStack() as stack:
        descriptors = []
        for content in contents:
            descriptor = os.memfd_create("grpo-sandbox")
            stack.callback(os.close, descriptor)
            with open(os.dup(descriptor), "wb") as file:
                file.write(content)
            os.lseek(descriptor, 0, os.SEEK_SET)
            descriptors.append(descriptor)
        yield descriptors


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
