"""One case of the update benchmark: reference, gate and memory of every setting, then the best of each side in turn."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from benchmarks.gate import UPDATE_TOLERANCES, judge
from benchmarks.memory import ON_DEVICE, in_child
from benchmarks.timing import interleaved, summary
from benchmarks.update.processes import Setting, Worker, request_for
from benchmarks.update.workload import Lengths, ModelShape, Shared, make_rollout, write_model
from grpo.config.slices import ModelConfig, OptimizerConfig

BASE = (
    "Each setting has a process of its own. extra_bytes: the peak of the second optimizer step above what the process "
    "holds before it, with weights loaded and the moments allocated by the first step; gradients, activations and "
    "whatever else the step needs are the extra. over_post_import_bytes: the same peak above the process after its "
    "imports and before the model is loaded, so weights and moments count too."
)
ALLOWED = 0.5
"""Of TRL's time, and of its extra memory."""
TRL_SETTINGS: tuple[Setting, ...] = tuple({"micro_batch": count} for count in (1, 2, 4, 8))
SLACK = {"ours": 1.15}
"""Time and memory are judged at one setting: ours is the leanest that takes at most so many times our fastest."""
UNCLIPPED = 1e9
DEFAULT_MICRO_BATCH = OptimizerConfig().max_tokens_per_micro_batch
ATTENTION = ModelConfig().attention


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long one case may take."""

    repeats: int = 7
    trial_repeats: int = 1
    """Steps, after a first one, by which each side's finalist is found."""
    step_seconds: float = 1800.0
    together: bool = True
    """Both finalists alive at once and in turn; False where they do not fit: one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Model, group and settings of one case."""

    shape: ModelShape
    lengths: Lengths
    shared: Shared
    seed: int
    settings: dict[str, Sequence[Setting]]
    """Of each side."""


def our_settings(lengths: Lengths, attention: str = ATTENTION) -> list[Setting]:
    """The default micro-batch, which holds the whole group in one stream, shorter ones that cut it, and our compact
    optimizer, which TRL has nothing to compare with."""
    whole = lengths.prompt + sum(lengths.completions)
    sizes = [DEFAULT_MICRO_BATCH, *(size for size in (1024, 512) if size < whole)]
    settings: list[Setting] = [{"micro_batch": size, "attention": attention} for size in sizes]
    return [*settings, settings[0] | {"optimizer": "compact_adamw"}]


def absent(side: str) -> str | None:
    """Why a side cannot take part."""
    missing = [name for name in ("trl", "datasets") if side == "trl" and importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else None


def measure_case(contest: Contest, effort: Effort) -> dict[str, Any]:
    """Rows of every setting, the finalists' times, and the bars."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        parameters, reference = prepare(contest, folder, effort)
        rows = []
        for side, settings in contest.settings.items():
            reason = absent(side)
            if reason:
                rows.append({"side": side, "status": "absent", "reason": reason})
                continue
            rows += [one_setting(side, setting, contest.shared, folder, reference, effort) for setting in settings]
        finalists = {side: fastest(rows, side, SLACK.get(side, 1.0)) for side in contest.settings}
        add_final_times([row for row in finalists.values() if row], contest.shared, folder, effort)
    return {
        "model": asdict(contest.shape) | {"parameters": parameters},
        "lengths": asdict(contest.lengths),
        "shared": asdict(contest.shared),
        "reference": reference,
        "rows": rows,
        "bars": bars(rows),
    }


def prepare(contest: Contest, folder: Path, effort: Effort) -> tuple[int, dict[str, float]]:
    """Model, rollout, and the float64 reference with its gradients, all in `folder`."""
    parameters = write_model(
        contest.shape, contest.lengths.context, contest.shared.dtype, contest.seed, folder / "model"
    )
    make_rollout(contest.lengths, contest.shape.vocab, contest.seed).save(folder / "rollout.json")
    request = request_for("reference", {}, contest.shared, folder) | {
        "threads": contest.shared.threads,
        "gradients": str(folder / "reference.safetensors"),
    }
    return parameters, in_child("benchmarks.update.reference", request, effort.step_seconds)


def one_setting(
    side: str, setting: Setting, shared: Shared, folder: Path, reference: dict[str, float], effort: Effort
) -> dict[str, Any]:
    """Gate and memory in one process, unclipped; a few seconds of time in another. Failures become the row's reason."""
    row: dict[str, Any] = {"side": side, "setting": setting}
    gradients = folder / f"{side}.safetensors"
    try:
        unclipped = request_for(side, setting, replace(shared, max_grad_norm=UNCLIPPED), folder)
        with Worker(unclipped, for_memory=True, seconds=effort.step_seconds) as worker:
            worker.wait_until_ready()
            first = worker.step(gradients=str(gradients))
            row |= gate(first, gradients, folder / "reference.safetensors", reference, shared.dtype)
            if row["status"] != "passed":
                return row
            memory = worker.step(peak=True)
            row["memory"] = {name: value for name, value in memory.items() if name.endswith("bytes")}
            row["memory"]["method"] = memory["method"]
            if memory["method"] == ON_DEVICE:  # memory is counted apart from time there: one process does both
                row["trial_seconds"] = summary([_seconds(worker) for _ in range(effort.trial_repeats)])
                return row
        clipped = request_for(side, setting, shared, folder)
        with Worker(clipped, for_memory=False, seconds=effort.step_seconds) as worker:
            worker.wait_until_ready()
            worker.step()
            row["trial_seconds"] = summary([_seconds(worker) for _ in range(effort.trial_repeats)])
    except RuntimeError as error:
        return row | {"status": "error", "reason": str(error)}
    finally:
        gradients.unlink(missing_ok=True)
    return row


def gate(step: dict[str, Any], found: Path, expected: Path, reference: dict[str, float], dtype: str) -> dict[str, Any]:
    """Status, reason and figures of the first step against float64."""
    pairs = (step["loss"], reference["loss"])
    verdict = judge(pairs, reference["mean_token_loss"], _paired(found, expected))
    reason = verdict.failure(UPDATE_TOLERANCES[dtype])
    told = abs(step["gradient_norm"] - verdict.gradient_norm) / verdict.gradient_norm
    if reason is None and not told <= 1e-2:
        reason = f"says its gradient norm is {step['gradient_norm']:.6g}, but it is {verdict.gradient_norm:.6g}"
    return {"status": "failed" if reason else "passed", "reason": reason, "gate": verdict.record()}


def _paired(found: Path, expected: Path) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """Each parameter's gradients; raises RuntimeError when the names differ."""
    with safe_open(found, "pt") as ours, safe_open(expected, "pt") as theirs:
        if set(ours.keys()) != set(theirs.keys()):
            odd = sorted(set(ours.keys()) ^ set(theirs.keys()))
            raise RuntimeError(f"gradients of other parameters than the reference's: {odd[:4]}")
        for name in theirs.keys():  # noqa: SIM118  not a dict
            yield ours.get_tensor(name), theirs.get_tensor(name)


def fastest(rows: Sequence[dict[str, Any]], side: str, slack: float = 1.0) -> dict[str, Any] | None:
    """The side's row with the shortest trial, of those with the optimizer both sides have; or with slack the leanest
    whose trial is at most so many times longer."""
    timed = [row for row in rows if row["side"] == side and "trial_seconds" in row]
    timed = [row for row in timed if "optimizer" not in row.get("setting", {})]
    longest = slack * min((row["trial_seconds"]["median"] for row in timed), default=0.0)
    near = [row for row in timed if row["trial_seconds"]["median"] <= longest]
    return min(near, key=lambda row: row["memory"]["extra_bytes"], default=None)


def add_final_times(finalists: Sequence[dict[str, Any]], shared: Shared, folder: Path, effort: Effort) -> None:
    """`seconds` of the finalists, interleaved in balanced order, each warmed up by one step."""
    if len(finalists) == 1 and finalists[0]["memory"]["method"] == ON_DEVICE:  # nobody to take turns with
        finalists[0]["seconds"] = finalists[0]["trial_seconds"]
        return
    groups = [list(finalists)] if effort.together else [[row] for row in finalists]
    for group in groups:
        with ExitStack() as stack:
            workers = {}
            for row in group:
                request = request_for(row["side"], row["setting"], shared, folder)
                worker = stack.enter_context(Worker(request, for_memory=False, seconds=effort.step_seconds))
                worker.wait_until_ready()
                worker.step()
                workers[row["side"]] = worker
            calls = {side: partial(_seconds, worker) for side, worker in workers.items()}
            times = interleaved(calls, dict.fromkeys(calls, effort.repeats))
        for row in group:
            row["seconds"] = summary(times[row["side"]])


def _seconds(worker: Worker) -> float:
    return float(worker.step()["seconds"])


def bars(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Our finalist against TRL's fastest, and its memory also against the least that any of TRL's needs."""
    ours, trl = (
        next((row for row in rows if row["side"] == side and "seconds" in row), None) for side in ("ours", "trl")
    )
    result: dict[str, Any] = {"allowed": ALLOWED, "time_met": None, "memory_met": None}
    if ours is None or trl is None:
        return result
    least = min(row["memory"]["extra_bytes"] for row in rows if row["side"] == "trl" and "memory" in row)
    result["time"] = ours["seconds"]["median"] / trl["seconds"]["median"]
    result["memory_at_fastest"] = ours["memory"]["extra_bytes"] / trl["memory"]["extra_bytes"]
    result["memory_at_least"] = ours["memory"]["extra_bytes"] / least
    return result | {"time_met": result["time"] <= ALLOWED, "memory_met": result["memory_at_fastest"] <= ALLOWED}
