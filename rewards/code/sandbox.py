"""Runs programs nobody has read: no network, no files, few resources, and no run at all where that cannot be had.

Bubblewrap gives a program its own user, process, mount, network, IPC and host-name namespaces over a read-only file
system that holds the system's `/usr` and the files of the call, nothing else; prlimit(1) and a system-call filter bound
the rest. Nothing is written to disk: files travel as anonymous memory. A trainer that runs as root gives root up first.

Not covered: a hole in the kernel, timing and cache side channels, and memory up to `processes × memory_bytes`, for
which the machine's own container or cgroup limit is the place. `/usr` can be read: keep no secrets there. A trainer
killed with SIGKILL in the milliseconds in which bubblewrap starts may leave a program until its own clock ends it, or
one idle bubblewrap without a program.
"""

from __future__ import annotations

import functools
import platform
import sys

from grpo.rewards.code.launch import FOLDER, PYTHONS, TOOLS, FileSystem, Launcher, tool_path
from grpo.rewards.code.limits import Limits, SandboxError, SandboxUnavailableError
from grpo.rewards.code.seccomp import supported

PROBE = f"""
import os, socket
problems = [] if os.getuid() else ["it runs as root"]
problems += [f"it sees {{name}}" for name in ("/home", "/root", "/etc/passwd", "/proc/1") if os.path.exists(name)]
for name in ("/probe", "/dev/probe", "{FOLDER}/probe"):
    try:
        open(name, "w")
        problems.append(f"it can write {{name}}")
    except OSError:
        pass
try:
    socket.socket(socket.AF_INET)
    problems.append("it can open sockets")
except OSError:
    pass
print("; ".join(problems) or "isolated", end="")
"""


class Sandbox(Launcher):
    """Starts isolated programs; may be used from several threads at once."""

    def __init__(self, limits: Limits | None = None, file_system: FileSystem | None = None) -> None:
        """Check that this machine can isolate programs.

        Raises:
            SandboxUnavailableError: it cannot; the message says what to install or to allow.
        """
        file_system = file_system or FileSystem()
        problem = sandbox_problem(file_system)
        if problem is not None:
            raise SandboxUnavailableError(f"programs cannot be isolated on this machine, so none is run: {problem}")
        super().__init__(limits or Limits(), file_system)


@functools.cache
def sandbox_problem(file_system: FileSystem | None = None) -> str | None:
    """Why programs cannot be isolated on this machine, with what to do about it; None when they can.

    Looks for the tools, then runs a program in the sandbox that tries to get out.
    """
    file_system = file_system or FileSystem()
    if sys.platform != "linux" or not supported():
        return f"{sys.platform} on {platform.machine()} is not supported, only Linux on x86_64 and aarch64"
    missing = sorted({package for tool, package in TOOLS.items() if tool_path(tool) is None})
    if missing:
        return f"programs of the packages {', '.join(missing)} are missing: apt-get install {' '.join(missing)}"
    if file_system.interpreter() is None:
        wanted = file_system.python or " nor ".join(PYTHONS)
        return f"there is no {wanted}: apt-get install python3, or name an interpreter that every user may read"
    try:
        result = Launcher(Limits(), file_system).run({}, ["-c", PROBE])
    except SandboxError as error:
        return (
            f"{error}. Does the kernel allow user namespaces? (sysctl user.max_user_namespaces, "
            "kernel.apparmor_restrict_unprivileged_userns, kernel.unprivileged_userns_clone; in a container, its own "
            "seccomp profile may forbid them)"
        )
    said = result.stdout.decode(errors="replace")
    if said != "isolated":
        printed = result.stderr.decode(errors="replace")[-500:]
        return f"a trial program was not isolated: {said or f'it ended with {result.exit_code}: {printed}'}"
    return None
