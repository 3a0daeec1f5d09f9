import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.track.cut import Cut, cut_after, rollout_name, rollout_step


def write(folder, steps, tail=b""):
    data = b"".join(json.dumps({"step": step}).encode() + b"\n" for step in steps)
    (folder / "metrics.jsonl").write_bytes(data + tail)


def steps_of(folder):
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_bytes().splitlines()]


def test_cuts_lines_and_rollouts_past_the_checkpoint(tmp_path):
    write(tmp_path, [1, 2, 3, 4], b'{"step": 5, "rew')
    rollouts = tmp_path / "rollouts"
    rollouts.mkdir()
    for name in ("step_000002.jsonl", "step_000003.jsonl", "step_1000000.jsonl", "step_000002.jsonl.tmp", "notes.txt"):
        (rollouts / name).write_text("x")
    assert cut_after(tmp_path, 2) == Cut(metric_lines=2, torn_lines=1, rollout_files=3)
    assert steps_of(tmp_path) == [1, 2]
    assert sorted(path.name for path in rollouts.iterdir()) == ["notes.txt", "step_000002.jsonl"]


def test_a_second_cut_changes_nothing(tmp_path):
    write(tmp_path, [1, 2, 3])
    cut_after(tmp_path, 2)
    before = (tmp_path / "metrics.jsonl").stat().st_mtime_ns
    assert cut_after(tmp_path, 2) == Cut(0, 0, 0)
    assert (tmp_path / "metrics.jsonl").stat().st_mtime_ns == before


def test_whole_last_line_without_newline_counts_as_torn(tmp_path):
    write(tmp_path, [1], b'{"step": 2}')
    assert cut_after(tmp_path, 5).torn_lines == 1
    assert steps_of(tmp_path) == [1]


def test_empty_folder_and_bad_step(tmp_path):
    assert cut_after(tmp_path, 0) == Cut(0, 0, 0)
    with pytest.raises(ValueError, match="resume step is -1"):
        cut_after(tmp_path, -1)


@given(total=st.integers(0, 12), keep=st.integers(0, 14), torn_at=st.integers(0, 400))
def test_killed_anywhere_in_a_write_the_whole_steps_up_to_the_checkpoint_stay(tmp_path_factory, total, keep, torn_at):
    folder = tmp_path_factory.mktemp("run")
    write(folder, range(1, total + 1))
    data = (folder / "metrics.jsonl").read_bytes()[:torn_at]
    (folder / "metrics.jsonl").write_bytes(data)
    cut_after(folder, keep)
    assert steps_of(folder) == list(range(1, min(data.count(b"\n"), keep) + 1))


def test_file_names_round_trip():
    assert rollout_name(10) == "step_000010.jsonl"
    assert rollout_step(rollout_name(12_345_678)) == 12_345_678
    assert rollout_step("step_000010.jsonl.tmp") is None
    assert rollout_step("other.jsonl") is None
