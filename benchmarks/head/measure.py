"""One case of the head benchmark: gate, then memory, then time."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from benchmarks.gate import HEAD_TOLERANCES, Verdict, judge
from benchmarks.head.problem import HeadOutput, HeadProblem, HeadShape, make_problem
from benchmarks.head.rivals import RIVALS, BareProducts, Rival
from benchmarks.memory import Peak, in_child
from benchmarks.timing import device_seconds_of, interleaved, seconds_of, summary

BARE = "bare_products"
WARM_UP_TOKENS = 16
ALLOWED_BYTES = 200 * 2**20
"""What our head may take beside a float32 dW and dX."""
ALLOWED_GPU_BYTES = 3 * 2**30 // 10
"""On a GPU, beside a float32 dW."""
ALLOWED_TIME = 1.3
"""Times the bare products."""
BASE = (
    "Extra resident memory of one forward and backward pass in a process of its own: the peak above what the process "
    "holds after imports, after reading hidden states, weight, targets, old log-probs and advantages into memory, and "
    f"after one call with {WARM_UP_TOKENS} tokens (compilers and thread pools are loaded then). The loss, dX and dW "
    "are part of the extra. extra_over_setup_bytes has the same peak above the base before that call."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long one case may take."""

    repeats: int = 7
    slow_seconds: float = 30.0
    """A rival whose first call takes longer gets `slow_repeats`."""
    slow_repeats: int = 2
    child_seconds: float = 1800.0
    deadline: float | None = None
    """Of `time.monotonic`: rivals whose turn comes later are skipped, and no further round begins."""


def measure_case(shape: HeadShape, seed: int, effort: Effort, names: Sequence[str]) -> dict[str, Any]:
    """Rows of all rivals in `names`, the yardstick, and the bars; CPU or GPU, whichever torch finds."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    problem, reference, scale = make_problem(shape, seed, device)
    rows: dict[str, dict[str, Any]] = {}
    rivals = [rival for rival in RIVALS if rival.name in names]
    for rival in rivals:
        if effort.deadline is not None and time.monotonic() > effort.deadline:
            rows[rival.name] = {"title": rival.title, "status": "skipped", "reason": "no time was left"}
            continue
        rows[rival.name] = gate_row(rival, problem, reference, scale, shape.dtype)
    case: dict[str, Any] = {
        "shape": asdict(shape),
        "device": device.type,
        "reference": {"loss": float(reference.loss), "gradient_norm": norm_of(reference), "mean_token_loss": scale},
        "rows": rows,
    }
    del reference
    gc.collect()
    passed = [rival for rival in rivals if rows[rival.name]["status"] == "passed"]
    add_memory(rows, passed, problem, effort)
    add_time(case, passed, problem, effort)
    case["bars"] = bars(case)
    return case


def norm_of(output: HeadOutput) -> float:
    """Of dX and dW together."""
    return float((output.d_hidden.double().square().sum() + output.d_weight.double().square().sum()).sqrt())


def gate_row(rival: Rival, problem: HeadProblem, reference: HeadOutput, scale: float, dtype: str) -> dict[str, Any]:
    """The rival's first call, judged. `status`: passed, failed, error or absent; only `passed` goes on."""
    row: dict[str, Any] = {"title": rival.title, "version": rival.version}
    reason = rival.absent(problem.weight.device.type)
    if reason is not None:
        return row | {"status": "absent", "reason": reason}
    held: list[HeadOutput] = []
    try:
        row["first_call_seconds"] = seconds_of(lambda: held.append(rival.run(problem)))
    except (RuntimeError, ValueError, TypeError, ImportError, AssertionError, AttributeError) as error:
        return row | {"status": "error", "reason": f"{type(error).__name__}: {str(error)[:300]}"}
    verdict = judge_output(held.pop(), reference, scale)
    reason = verdict.failure(HEAD_TOLERANCES[dtype])
    return row | {"status": "failed" if reason else "passed", "reason": reason, "gate": verdict.record()}


def judge_output(found: HeadOutput, reference: HeadOutput, scale: float) -> Verdict:
    """dX and dW together make the gradient."""
    return judge(
        (float(found.loss), float(reference.loss)),
        scale,
        ((found.d_hidden, reference.d_hidden), (found.d_weight, reference.d_weight)),
    )


def add_memory(rows: dict[str, dict[str, Any]], rivals: Sequence[Rival], problem: HeadProblem, effort: Effort) -> None:
    """On a CPU in a child each; on a GPU here, where the allocator counts exactly."""
    if problem.weight.is_cuda:
        for rival in rivals:
            rows[rival.name]["memory"] = memory_of(rival, problem)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.safetensors"
        save_file({one.name: getattr(problem, one.name) for one in fields(HeadProblem)}, path)
        for rival in rivals:
            request = {"rival": rival.name, "problem": str(path), "threads": torch.get_num_threads()}
            try:
                rows[rival.name]["memory"] = in_child("benchmarks.head.child", request, effort.child_seconds)
            except RuntimeError as error:
                rows[rival.name]["memory"] = {"error": str(error)}


def memory_of(rival: Rival, problem: HeadProblem) -> dict[str, Any]:
    """See `BASE`."""
    peak = Peak()
    setup = peak.start()
    rival.run(short(problem, WARM_UP_TOKENS))
    warm = peak.start()
    held = rival.run(problem)
    extra = peak.stop()
    assert held.d_weight.shape == problem.weight.shape
    return {
        "extra_bytes": extra,
        "extra_over_setup_bytes": warm + extra - setup,
        "setup_base_bytes": setup,
        "warm_base_bytes": warm,
        "method": peak.method,
    }


def short(problem: HeadProblem, tokens: int) -> HeadProblem:
    """The first tokens alone."""
    cut = {one.name: getattr(problem, one.name) for one in fields(HeadProblem)}
    return HeadProblem(**{name: value if name == "weight" else value[:tokens].clone() for name, value in cut.items()})


def load_problem(path: Path) -> HeadProblem:
    """Into memory of this process, so that none of the file's pages count later."""
    return HeadProblem(**{name: tensor.clone() for name, tensor in load_file(path).items()})


def add_time(case: dict[str, Any], rivals: Sequence[Rival], problem: HeadProblem, effort: Effort) -> None:
    """Interleaved in balanced order; the yardstick takes its turns like everyone else."""
    rows = case["rows"]
    bare = BareProducts(problem)
    device_seconds_of(lambda: bare(problem))
    calls: dict[str, Callable[[], float]] = {BARE: lambda: device_seconds_of(lambda: bare(problem))}
    repeats = {BARE: effort.repeats}
    for rival in rivals:
        calls[rival.name] = lambda rival=rival: device_seconds_of(lambda: rival.run(problem))  # type: ignore[misc]
        slow = rows[rival.name]["first_call_seconds"] > effort.slow_seconds
        repeats[rival.name] = min(effort.repeats, effort.slow_repeats) if slow else effort.repeats
        if slow:  # a first call may have been slow only because it compiled
            slow_again = calls[rival.name]() > effort.slow_seconds
            repeats[rival.name] = effort.slow_repeats if slow_again else effort.repeats
            rows[rival.name]["fewer_repeats"] = slow_again
    times = interleaved(calls, repeats, effort.deadline)
    case[BARE] = {"seconds": summary(times.pop(BARE))}
    for name, seconds in times.items():
        rows[name]["seconds"] = summary(seconds)


def bars(case: dict[str, Any]) -> dict[str, Any]:
    """What our row is held to; `met` is None where our row has no figure."""
    shape, ours, bare = case["shape"], case["rows"].get("ours", {}), case[BARE]["seconds"]["median"]
    on_gpu, weight_gradient = case["device"] == "cuda", 4 * shape["vocab"] * shape["hidden"]
    hidden_gradient = (2 if shape["dtype"] == "bfloat16" else 4) * shape["tokens"] * shape["hidden"]
    allowed = weight_gradient + (ALLOWED_GPU_BYTES if on_gpu else hidden_gradient + ALLOWED_BYTES)
    result: dict[str, Any] = {"allowed_bytes": allowed, "memory_met": None, "time_met": None}
    if not on_gpu:
        result["allowed_time"] = ALLOWED_TIME
    if "seconds" in ours:
        median = ours["seconds"]["median"]
        result["time_over_bare"] = median / bare
        result["tera"] = 6e-12 * shape["tokens"] * shape["hidden"] * shape["vocab"] / median
        result["time_met"] = result["time_over_bare"] <= ALLOWED_TIME
        if on_gpu:
            result["wanted_tera"] = 700 if shape["hidden"] >= 1536 else 600
            result["time_met"] = result["tera"] >= result["wanted_tera"]
            peers = {name: row["seconds"]["median"] for name, row in case["rows"].items() if "seconds" in row}
            result["faster_than"] = {name: other / median for name, other in peers.items() if name != "ours"}
    if "extra_bytes" in ours.get("memory", {}):
        memory = ours["memory"]
        result["bytes"] = max(memory["extra_bytes"], memory["extra_over_setup_bytes"])
        result["memory_met"] = result["bytes"] <= allowed
    return result
