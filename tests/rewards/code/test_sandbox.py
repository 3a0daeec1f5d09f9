"""Every escape here is tried for real."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grpo.rewards.code import launch
from grpo.rewards.code import sandbox as sandbox_module
from grpo.rewards.code.launch import FOLDER, FileSystem
from grpo.rewards.code.limits import Limits, SandboxError, SandboxResult, SandboxUnavailableError
from grpo.rewards.code.sandbox import Sandbox, sandbox_problem
from grpo.rewards.code.seccomp import ARCHITECTURES, DENIED, seccomp_filter
from grpo.rewards.environment import worker_environment


def run(sandbox: Sandbox, program: str, stdin: bytes = b"") -> SandboxResult:
    return sandbox.run({"answer.py": program.encode()}, [f"{FOLDER}/answer.py"], stdin)


def test_a_program_reads_prints_and_exits(sandbox: Sandbox) -> None:
    result = run(sandbox, "import sys; print(input()[::-1]); print('e', file=sys.stderr); sys.exit(7)", b"abc\n")
    assert (result.exit_code, result.stdout, result.stderr, result.killed_by) == (7, b"cba\n", b"e\n", None)
    assert 0 < result.seconds < 20


def test_no_network(sandbox: Sandbox) -> None:
    program = (
        "import socket\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):\n"
        "    try: socket.socket(family, socket.SOCK_DGRAM); print('open')\n"
        "    except PermissionError: print('refused')\n"
        "socket.socketpair(); print('pair')\n"
    )
    assert run(sandbox, program).stdout == b"refused\nrefused\nrefused\npair\n"


def test_nothing_can_be_written(sandbox: Sandbox) -> None:
    program = (
        "import os\n"
        f"for folder in ('/', '/tmp', '/dev', '/dev/shm', '/usr', '/usr/lib', '/etc', '/var/tmp', '{FOLDER}'):\n"
        "    try: open(folder + '/file', 'w').write('x'); print('wrote', folder)\n"
        "    except OSError: pass\n"
        f"    try: os.mkdir(folder + '/folder'); print('made', folder)\n"
        "    except OSError: pass\n"
        f"try: os.remove('{FOLDER}/answer.py'); print('removed')\n"
        "except OSError: pass\n"
    )
    assert run(sandbox, program).stdout == b""


def test_the_machines_files_are_absent(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    names = ["/etc/shadow", "/etc/passwd", "/proc/1/environ", "/root", "/home", "/tmp", str(Path.home()), str(secret)]
    program = f"import os\nprint([name for name in {names!r} if os.path.exists(name)], sorted(os.listdir('/')))"
    result = run(sandbox, program)
    assert result.stdout.startswith(b"[] ['bin', 'box', 'dev', 'etc', 'lib'"), result
    assert run(sandbox, "import os; print(os.listdir('/etc'))").stdout in (b"['ld.so.cache']\n", b"[]\n")


def test_secrets_of_the_environment_are_absent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_API_KEY", "1")
    monkeypatch.setenv("CANARY_PLAIN", "1")
    names = run(sandbox, "import os; print(sorted(os.environ))").stdout
    assert names == b"['LC_ALL', 'PATH', 'PWD', 'PYTHONDONTWRITEBYTECODE', 'PYTHONHASHSEED']\n"


def test_no_rights_and_no_open_files(sandbox: Sandbox) -> None:
    program = (
        "import os\n"
        "print(os.getuid() != 0, os.geteuid() != 0, os.getpid() < 10)\n"
        "def is_open(number):\n"
        "    try: return bool(os.fstat(number))\n"
        "    except OSError: return False\n"
        "print([number for number in range(1000) if is_open(number)])\n"
    )
    assert run(sandbox, program).stdout == b"True True True\n[0, 1, 2]\n"


def test_calls_that_reach_around_limits_are_refused(sandbox: Sandbox) -> None:
    calls = ["unshare", "mount", "ptrace", "shmget", "memfd_create", "bpf", "io_uring_setup", "keyctl", "setns"]
    column = list(ARCHITECTURES).index(platform.machine())
    numbers = [DENIED[name][column] for name in calls]
    program = (
        "import ctypes\nlibrary = ctypes.CDLL(None, use_errno=True)\n"
        f"for number in {numbers}: print(library.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())\n"
        "clone = 56 if 'x86' in __import__('platform').machine() else 220\n"
        "print(library.syscall(clone, 0x10000000 | 17, 0, 0, 0, 0), ctypes.get_errno())\n"  # a new user namespace
    )
    assert run(sandbox, program).stdout == b"-1 1\n" * (len(calls) + 1)


def test_the_filter_has_every_jump_inside_it() -> None:
    for machine in ARCHITECTURES:
        program = seccomp_filter(machine)
        lines = [program[at : at + 8] for at in range(0, len(program), 8)]
        assert len(program) % 8 == 0 and len(lines) > 2 * len(DENIED)
        jumps = [(at, line[2], line[3]) for at, line in enumerate(lines) if line[0] & 7 == 5]
        assert jumps and all(at + 1 + max(yes, no) < len(lines) for at, yes, no in jumps)
        assert lines[-1][0] == 0x06  # ends with a return


def test_endless_loop(isolation: None) -> None:
    result = run(Sandbox(Limits(cpu_seconds=1, wall_seconds=60)), "while True: pass")
    assert result.killed_by == "cpu" and result.exit_code == 128 + 24


@pytest.mark.slow
def test_a_program_that_ignores_the_warning_is_killed(isolation: None) -> None:
    program = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    result = run(Sandbox(Limits(cpu_seconds=1, wall_seconds=60)), program)
    assert (result.exit_code, result.killed_by) == (128 + 9, "signal")


def test_endless_sleep_with_all_children(isolation: None) -> None:
    program = (
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        break\n"
        "print('here', flush=True)\ntime.sleep(600)"
    )
    started = time.monotonic()
    result = run(Sandbox(Limits(wall_seconds=2)), program)
    # The pipes are at their end only when the last process that holds them is gone.
    assert result.killed_by == "wall" and b"here" in result.stdout and time.monotonic() - started < 20


def test_children_do_not_outlive_the_program(sandbox: Sandbox) -> None:
    result = run(sandbox, "import os, time\nif os.fork() == 0: os.setsid(); time.sleep(600)\nprint('done')")
    assert (result.exit_code, result.stdout, result.killed_by) == (0, b"done\n", None)
    assert result.seconds < 15


def test_fork_bomb(isolation: None) -> None:
    program = (
        "import os, time\ncount = 1\n"
        "try:\n    while True:\n        if os.fork() == 0: time.sleep(600)\n        count += 1\n"
        "except OSError: print(count)\n"
    )
    assert run(Sandbox(Limits(processes=8)), program).stdout == b"6\n"  # and two of the sandbox itself
    result = run(
        Sandbox(Limits(processes=8, wall_seconds=1.5)),
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    )
    assert result.killed_by in ("wall", "cpu")


def test_memory_bomb(isolation: None) -> None:
    result = run(Sandbox(Limits(memory_bytes=128 << 20)), "text = 'x'\nwhile True: text += text")
    assert result.exit_code == 1 and b"MemoryError" in result.stderr


def test_output_flood(isolation: None) -> None:
    result = run(Sandbox(Limits(output_bytes=10_000)), "while True: print('x' * 100)")
    assert result.killed_by == "output" and len(result.stdout) == 10_000


def test_four_threads_at_once(sandbox: Sandbox) -> None:
    def square(number: int) -> bytes:
        return run(sandbox, f"print(int(input()) ** 2, {number})", str(number).encode()).stdout

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(square, range(12))) == [f"{n * n} {n}\n".encode() for n in range(12)]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("code")]


def test_nothing_is_left_open(sandbox: Sandbox) -> None:
    run(sandbox, "print(1)")
    before = sorted(os.listdir("/proc/self/fd"))
    for program in ("print(1)", "import os; os.kill(os.getpid(), 9)"):
        run(sandbox, program)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_sandbox_that_does_not_start_is_an_error(isolation: None) -> None:
    broken = Sandbox()
    broken._command = [*broken._command, "--ro-bind", "/no/such/folder", "/x"]
    with pytest.raises(SandboxError, match=r"did not start .*no/such/folder"):
        run(broken, "print(1)")


@pytest.mark.parametrize(("pause", "deadline"), [(1.0, 10.0), pytest.param(0.0, 40.0, marks=pytest.mark.slow)])
def test_programs_end_with_the_trainer(isolation: None, tmp_path: Path, pause: float, deadline: float) -> None:
    """At once where bubblewrap has come to watch its parent, else when the sandbox's own clock runs out."""
    code = (
        "from grpo.rewards.code.sandbox import Sandbox\nfrom grpo.rewards.code.limits import Limits\n"
        f"Sandbox(Limits(wall_seconds={5 if pause == 0 else 600})).run("
        f"{{}}, ['-c', 'import time; time.sleep(7000) # {tmp_path}'])\n"
    )
    command = f"{tmp_path}\0".encode()  # no other run has it
    parent = subprocess.Popen([sys.executable, "-c", code], env=worker_environment(dict(os.environ)))
    try:
        wait_until(lambda: processes_with(b"/usr/bin/python3\0", command), 30.0, "the program did not start")
        time.sleep(pause)
    finally:
        parent.kill()
        parent.wait(timeout=10)
    wait_until(lambda: not processes_with(b"", command), deadline, "the program outlived its trainer")


def wait_until(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)


def processes_with(start: bytes, end: bytes) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if command.startswith(start) and command.endswith(end):
            found.append(entry.parent.name)
    return found


@pytest.fixture
def fresh_probe() -> Iterator[None]:
    sandbox_problem.cache_clear()
    yield
    sandbox_problem.cache_clear()


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, fresh_probe: None) -> None:
    monkeypatch.setattr(launch, "TOOL_PATH", "/nowhere")
    with pytest.raises(
        SandboxUnavailableError, match=r"none is run: .*apt-get install bubblewrap coreutils util-linux"
    ):
        Sandbox()


def test_a_kernel_that_refuses_namespaces_is_named(
    monkeypatch: pytest.MonkeyPatch, fresh_probe: None, isolation: None
) -> None:
    sandbox_problem.cache_clear()
    monkeypatch.setitem(launch.TOOLS, "bwrap", "bubblewrap")
    monkeypatch.setattr(launch, "tool_path", lambda name: "/bin/false" if name == "bwrap" else f"/usr/bin/{name}")
    with pytest.raises(SandboxUnavailableError, match=r"did not start .*kernel allow user namespaces"):
        Sandbox()


def test_a_sandbox_with_a_hole_is_found(monkeypatch: pytest.MonkeyPatch, fresh_probe: None, isolation: None) -> None:
    sandbox_problem.cache_clear()
    monkeypatch.setattr(launch, "_READ_ONLY", ("--chdir", FOLDER, "--"))
    with pytest.raises(SandboxUnavailableError, match=r"not isolated: .*it can write /probe"):
        Sandbox()


def test_other_systems_and_missing_interpreters(monkeypatch: pytest.MonkeyPatch, fresh_probe: None) -> None:
    missing = sandbox_problem(FileSystem(python="/no/python"))
    assert missing is not None and ("/no/python" in missing or "apt-get" in missing)
    monkeypatch.setattr(sandbox_module.sys, "platform", "darwin")
    assert "only Linux" in str(sandbox_problem(FileSystem(read_only=("/x",))))


@pytest.mark.parametrize(
    "wrong", [{"cpu_seconds": 0}, {"wall_seconds": 0.0}, {"memory_bytes": 1000}, {"processes": 0}, {"open_files": 3}]
)
def test_limits_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)  # type: ignore[arg-type]
