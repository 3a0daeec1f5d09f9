from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grpo.rewards.call import CallRequest, RewardCallError, RewardDeadlineError
from grpo.rewards.environment import worker_environment
from grpo.rewards.process import WorkerProcess

MakeWorker = Callable[[str], WorkerProcess]


@pytest.fixture
def worker(user_file: str) -> Iterator[MakeWorker]:
    started: list[WorkerProcess] = []

    def make(function: str) -> WorkerProcess:
        started.append(WorkerProcess(f"{user_file}:{function}"))
        return started[-1]

    yield make
    for process in started:
        process.close()


def request(*completions: str) -> CallRequest:
    columns = {"prompts": ["p"] * len(completions), "completions": list(completions)}
    return CallRequest(columns=columns, count=len(completions), step=1)


def values(worker: WorkerProcess, *completions: str, deadline: float = 20.0) -> list[float | None]:
    return [outcome.value for outcome in worker.call(request(*completions), deadline).outcomes]


def test_printing_does_not_disturb_the_protocol(worker: MakeWorker) -> None:
    process = worker("length")
    assert values(process, "ab", "é\u2028\ud800") == [2.0, 3.0]
    assert values(process, "") == [0.0]


def test_user_code_reaches_neither_end_of_the_protocol(worker: MakeWorker) -> None:
    process = worker("stdin_and_protocol")
    assert values(process, "a", "b") == [0.0, 0.0]
    assert values(process, "a") == [0.0]


def test_the_process_stays_until_it_overruns(worker: MakeWorker) -> None:
    process = worker("process_id")
    first = values(process, "a")
    assert values(process, "b") == first
    hanging = worker("hangs_on_bad")
    with pytest.raises(RewardDeadlineError, match=r"took longer than 0.3 s; it printed: .*\n?about to hang"):
        hanging.call(request("bad"), 0.3)
    assert values(hanging, "good") == [1.0]


def test_megabytes_go_both_ways(worker: MakeWorker) -> None:
    assert values(worker("length"), *["x" * 1000] * 3000) == [1000.0] * 3000


def test_what_is_printed_does_not_pile_up(worker: MakeWorker) -> None:
    process = worker("prints_a_lot")
    sizes = []
    for _ in range(12):
        assert values(process, "a") == [1.0]
        sizes.append(os.fstat(process._printed.fileno()).st_size)
    assert max(sizes) < 1_500_000 and sizes[-1] < max(sizes)


def test_a_dead_worker_says_how_it_died_and_comes_back(worker: MakeWorker) -> None:
    process = worker("dies_on_bad")
    with pytest.raises(RewardCallError, match=r"(?s)died with exit code 3; it printed: .*last words"):
        process.call(request("bad"), 20.0)
    assert values(process, "good") == [1.0]


def test_a_worker_killed_between_calls_is_replaced(worker: MakeWorker) -> None:
    process = worker("process_id")
    [first] = values(process, "a")
    assert first is not None
    os.kill(int(first), signal.SIGKILL)
    end = time.monotonic() + 10
    while process.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    [second] = values(process, "a")
    assert second != first


def test_a_worker_that_leaks_is_replaced(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps 8 MB of every call; each process may grow by 20 MB after its first."""
    monkeypatch.setattr("grpo.rewards.process.LEAK_LIMIT_BYTES", 20 << 20)
    process = worker("leaks")
    kept = [value for _ in range(9) for value in values(process, "a")]
    assert kept == [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0]


def test_secrets_stay_out_of_the_worker(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_API_KEY", "1")
    monkeypatch.setenv("CANARY_PLAIN", "1")
    assert values(worker("environment"), "a", "b") == [0.0, 1.0]
    secrets = {"HF_TOKEN": "1", "db_password": "1", "My_Secret": "1"}
    kept = worker_environment(secrets | {"TOKENIZERS_PARALLELISM": "false"})
    assert set(kept) == {"TOKENIZERS_PARALLELISM", "PYTHONPATH", "PYTHONUNBUFFERED"}


def test_a_bad_import_shows_the_users_own_traceback(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("x = 1\nimport package_that_is_not_there\n")
    with pytest.raises(ValueError, match=r"(?s)cannot be loaded: ModuleNotFoundError: .*broken.py\", line 2"):
        WorkerProcess(f"{path}:f")


@pytest.mark.parametrize("waiting", ["time.sleep(60)", "10 ** 10 ** 9"])  # the second holds the interpreter lock
def test_workers_end_with_their_parent(tmp_path: Path, waiting: str) -> None:
    pid_file = tmp_path / "pid"
    reward = tmp_path / "stuck.py"
    reward.write_text(
        f"import os, pathlib, time\ndef f(completions, **kwargs):\n"
        f"    pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\n    {waiting}\n"
    )
    code = (
        "from grpo.rewards.process import WorkerProcess; from grpo.rewards.call import CallRequest; "
        "request = CallRequest(columns={'completions': ['a']}, count=1, step=1); "
        f"WorkerProcess({str(reward) + ':f'!r}).call(request, 60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], env=worker_environment(dict(os.environ)))
    try:
        end = time.monotonic() + 30
        while not (pid_file.exists() and pid_file.read_text()):
            assert time.monotonic() < end, "the worker did not start"
            time.sleep(0.02)
    finally:
        parent.kill()
        parent.wait(timeout=10)
    child = int(pid_file.read_text())
    end = time.monotonic() + 10
    while not is_gone(child):
        assert time.monotonic() < end, "the worker outlived its parent"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """No such process, or only its unreaped entry."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"
