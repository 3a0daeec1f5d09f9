"""What the pool's processes are not given, and that none outlives its host."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from grpo.rewards.math.pool import Pool
from tests.rewards.math.pools import HARMFUL, alive, family, template_pid, told, wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_secrets_stay_out(own_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CANARY_API_KEY", "HF_TOKEN", "MY_PASSWORD", "CANARY_PLAIN"):
        monkeypatch.setenv(name, "c4n4ry")
    names = told(own_pool, "environment").split()
    assert "CANARY_PLAIN" in names and not {"CANARY_API_KEY", "HF_TOKEN", "MY_PASSWORD"} & set(names)
    for pid in family(template_pid(own_pool)):
        assert Path(f"/proc/{pid}/environ").read_bytes().count(b"c4n4ry") == 1


def test_neither_files_nor_children_nor_terminal(
    own_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    monkeypatch.setenv("CANARY_FILE", str(canary))
    assert told(own_pool, "file") == "OSError 27"  # file too large: the limit is 0 bytes
    assert not canary.exists() or canary.read_text() == ""
    if os.getuid() != 0:
        assert told(own_pool, "child") == "BlockingIOError 11"
    assert told(own_pool, "leads") == "True"
    assert told(own_pool, "streams") == "{'/dev/null'}"
    assert told(own_pool, "hash") == told(own_pool, "hash")


def test_neither_network_nor_the_host_s_environment_where_the_kernel_allows(
    own_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_HOST", str(os.getpid()))
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("CANARY_PORT", str(server.getsockname()[1]))
        own_pool.start()
        if not (own_pool._template and own_pool._template.no_network):
            pytest.skip("the kernel gives no network namespace here")
        assert told(own_pool, "network") == "OSError 101"  # network unreachable
    if os.readlink(f"/proc/{template_pid(own_pool)}/ns/user") != os.readlink("/proc/self/ns/user"):
        assert told(own_pool, "host_environment") == "PermissionError 13"


def test_limits_of_a_worker(pool: Pool) -> None:
    pid = int(told(pool, "pid"))
    limits = {
        " ".join(words[:-3]): words[-3]
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
        if len(words := line.rsplit(maxsplit=3)) == 4
    }
    assert limits["Max core file size"] == "0" and limits["Max file size"] == "0"
    assert limits["Max cpu time"] == "3600" and limits["Max open files"] == "64"
    assert limits["Max processes"] == "0"
    assert 1 << 30 < int(limits["Max address space"]) < 3 << 30
    assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()


HOST = f"""
import ctypes, os, sys, threading
from grpo.rewards.math.pool import Pool
from tests.rewards.math.pools import family, judged, template_pid
pool = Pool({HARMFUL!r}, workers=2)
starter = threading.Thread(target=judged, args=(pool, ["right"] * 40))
starter.start()
starter.join()  # the thread that started the template is gone, the processes must stay
print(*family(template_pid(pool)), flush=True)
if sys.argv[1] == "end":
    sys.exit()
if sys.argv[1] == "fork" and ctypes.CDLL(None).fork() == 0:  # Python's own fork would close what it inherits
    sys.stdin.read()
    os._exit(0)
judged(pool, ["right"] * 20 + [sys.argv[2]] * 2, deadline=100.0)
"""


@pytest.mark.parametrize(
    ("how", "doing"), [("end", ""), ("kill", "sleep 100"), ("kill", "hang"), ("kill", "spin"), ("fork", "hang")]
)
def test_no_process_outlives_the_host(how: str, doing: str) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, how, doing], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None and host.stdin is not None
    pids = [int(word) for word in host.stdout.readline().split()]
    assert len(pids) == 3
    if how != "end":
        assert all(alive(pid) for pid in pids)
        host.send_signal(signal.SIGKILL)
    host.wait(timeout=20)
    if how == "end":
        assert not any(alive(pid) for pid in pids)
    assert wait_until(lambda: not any(alive(pid) for pid in pids), 5)
    host.stdin.close()  # ends the fork of the host, which was still there
    host.stdout.close()
