"""Workers answer, and one that ends or hangs is an error with its last words."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.update import processes
from benchmarks.update.processes import Worker

WORKER = """
import json, sys, time
request = json.loads(sys.argv[1])
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    if request["behaviour"] == "hang":
        time.sleep(60)
    if request["behaviour"] == "end":
        sys.exit("out of luck")
    print(json.dumps({"seconds": 1.5, "order": json.loads(line)}), flush=True)
"""


@pytest.fixture(autouse=True)
def worker_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "benchmarks" / "update"
    folder.mkdir(parents=True)
    (folder / "worker.py").write_text(WORKER)
    monkeypatch.setattr(processes, "ROOT", tmp_path)


def test_steps_are_orders_and_answers() -> None:
    with Worker({"behaviour": "well"}, for_memory=True, seconds=30) as worker:
        worker.wait_until_ready()
        answer = worker.step(peak=True)
    assert answer == {"seconds": 1.5, "order": {"do": "step", "peak": True}}


def test_an_end_and_a_hang_are_errors() -> None:
    with Worker({"behaviour": "end"}, for_memory=False, seconds=30) as worker:
        worker.wait_until_ready()
        with pytest.raises(RuntimeError, match=r"exit code 1\): out of luck"):
            worker.step()
    with Worker({"behaviour": "hang"}, for_memory=False, seconds=1) as worker:
        worker.wait_until_ready()
        with pytest.raises(RuntimeError, match="no answer within 1 s"):
            worker.step()
