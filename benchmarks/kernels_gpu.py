"""The Triton kernels of the head on a CUDA device: `python -m benchmarks.kernels_gpu [--out FILE.json]`.

Of one chunk in the order of training: the logits are written, `statistics` reads them, `gradient_` overwrites them.
Then the same with the three matrix products around it, because cache hints act on what comes after. With and without
PTX, in turns; beside a copy of the chunk, which is the most that memory gives.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from grpo.doctor import installed
from grpo.kernels.token_logprob.ops import RowOps, Rows, Upstream
from grpo.kernels.token_logprob.torch_ops import TorchOps
from grpo.run.commit import git_commit

T = TypeVar("T")
FORMS = ("triton", "ptx")
PEAKED_SHARE, PEAKED_RANGE = 0.8, (0.5, 0.999)
"""Of how many rows, and how probable their target is: most tokens of a trained model are certain."""
TOLERANCE = 2.0**-8
"""Largest error of a bfloat16 gradient against float64, in units of its largest entry: one rounding step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is measured; the defaults take well under a minute on an H200."""

    rows: tuple[int, ...] = (512, 1024, 2048)
    columns: int = 151_936
    hidden: int = 1536
    warmups: int = 3
    repeats: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("columns", "hidden", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.rows or min(self.rows) < 1:
            raise ValueError(f"rows must be numbers of at least 1, got {self.rows}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Operands of the head for one chunk."""

    logits: torch.Tensor
    """(n, V) bfloat16."""
    rows: Rows
    upstream: Upstream


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if one is named; 2 where there is no CUDA device."""
    sizes, out = parse(arguments)
    if not torch.cuda.is_available():
        print("benchmarks.kernels_gpu needs a CUDA device, torch sees none", file=sys.stderr)
        return 2
    record = measure(sizes)
    print("\n".join(table(record)))
    if out:
        out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def parse(arguments: Sequence[str] | None) -> tuple[Sizes, Path | None]:
    """Sizes and the file to write."""
    default = Sizes()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels_gpu", description="Kernels of the head.")
    parser.add_argument("--rows", type=int, nargs="+", default=list(default.rows), help="chunk sizes, tokens")
    parser.add_argument("--columns", type=int, default=default.columns, help="vocabulary")
    parser.add_argument("--hidden", type=int, default=default.hidden, help="width of the matrix products")
    parser.add_argument("--repeats", type=int, default=default.repeats, help="measured turns of each form")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    given = parser.parse_args(arguments)
    try:
        sizes = Sizes(rows=tuple(given.rows), columns=given.columns, hidden=given.hidden, repeats=given.repeats)
    except ValueError as error:
        parser.error(str(error))
    return sizes, given.out


def measure(sizes: Sizes, device: str = "cuda") -> dict[str, Any]:
    """Everything, as the JSON file has it. Raises RuntimeError when a result is wrong: then nothing is timed.

    `device="cpu"` is for Triton's interpreter, to try the code; its times mean nothing.
    """
    generator = torch.Generator(device).manual_seed(sizes.seed)
    record: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "versions": installed(),
        "commit": git_commit(),
        "sizes": asdict(sizes),
        "gate": gate(sizes, generator),
        "results": [],
    }
    for rows in sizes.rows:
        for kind in ("random", "peaked"):
            chunk = make_chunk(kind, rows, sizes.columns, generator)
            record["results"] += [{"rows": rows, "input": kind} | row for row in time_kernels(chunk, sizes)]
        record["results"] += [{"rows": rows, "input": "random"} | row for row in time_chain(rows, sizes, generator)]
    return record


def make_chunk(kind: str, rows: int, columns: int, generator: torch.Generator) -> Chunk:
    """Fresh operands on the generator's device; see `PEAKED_SHARE` for the second kind."""
    like: dict[str, Any] = {"generator": generator, "device": generator.device}
    logits = 2 * torch.randn(rows, columns, **like)
    targets = torch.randint(columns, (rows,), **like)
    if kind == "peaked":
        certain = torch.rand(rows, **like) < PEAKED_SHARE
        low, high = PEAKED_RANGE
        share = low + (high - low) * torch.rand(rows, **like)
        others = logits.scatter(1, targets.unsqueeze(1), -torch.inf).logsumexp(1)
        own = logits.gather(1, targets.unsqueeze(1)).squeeze(1)
        logits.scatter_(1, targets.unsqueeze(1), torch.where(certain, others + share.logit(), own).unsqueeze(1))
    coefficients = torch.randn(2, rows, **like)
    return Chunk(
        logits=logits.to(torch.bfloat16),
        rows=Rows(targets=targets, scale=1.0),
        upstream=Upstream(logprob=coefficients[0], entropy=coefficients[1]),
    )


def implementations() -> dict[str, RowOps]:
    """By name; imports Triton."""
    from grpo.kernels.token_logprob.triton_ops import TritonOps

    return {"triton": TritonOps(), "ptx": TritonOps(ptx=True)}


def gate(sizes: Sizes, generator: torch.Generator) -> dict[str, float]:
    """Largest error of the gradient against float64, in units of its largest entry.

    Raises RuntimeError when one is above `TOLERANCE`, when the gradients of both forms, from the same statistics,
    differ in any bit, or their log-probs by more than float32 rounds.
    """
    chunk = make_chunk("peaked", 16, sizes.columns, generator)
    exact = exact_gradient(chunk)
    errors, gradients, statistics_of = {}, {}, {}
    for name, ops in (implementations() | {"torch": TorchOps()}).items():
        logits = chunk.logits.clone()
        statistics_of[name] = ops.statistics(logits, chunk.rows)
        ops.gradient_(logits, chunk.rows, statistics_of["triton"], chunk.upstream)
        gradients[name] = logits
        errors[name] = float(((logits - exact).abs().max() / exact.abs().max()).item())
    distance = float((statistics_of["triton"].logprob - statistics_of["ptx"].logprob).abs().max())
    if not torch.equal(gradients["triton"], gradients["ptx"]) or distance > 1e-4:
        count = int((gradients["triton"] != gradients["ptx"]).sum())
        raise RuntimeError(f"PTX and its twin: {count} entries of the gradient differ, log-probs by up to {distance}")
    if max(errors.values()) > TOLERANCE:
        raise RuntimeError(f"errors of the gradient above {TOLERANCE}: {errors}")
    return errors


def exact_gradient(chunk: Chunk) -> torch.Tensor:
    """Of the chunk's logits, float64, at temperature 1."""
    logits = chunk.logits.double()
    share, log_share = torch.softmax(logits, 1), torch.log_softmax(logits, 1)
    entropy = -(share * log_share).sum(1, keepdim=True)
    assert chunk.upstream.entropy is not None
    of_logprob, of_entropy = chunk.upstream.logprob.unsqueeze(1), chunk.upstream.entropy.unsqueeze(1)
    gradient = -share * (of_logprob + of_entropy * (log_share + entropy))
    return gradient.scatter_add_(1, chunk.rows.targets.unsqueeze(1), of_logprob.double())


def time_kernels(chunk: Chunk, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Seconds and bandwidth of both kernels in both forms, in turns, and of a copy of the chunk."""
    logits = torch.empty_like(chunk.logits)
    seconds: dict[tuple[str, str], list[float]] = {}
    for measured, form, ops in turns(sizes, logits.is_cuda):
        copied, _ = stopwatch(partial(logits.copy_, chunk.logits))
        read, result = stopwatch(partial(ops.statistics, logits, chunk.rows))
        written, _ = stopwatch(partial(ops.gradient_, logits, chunk.rows, result, chunk.upstream))
        for operation, taken in (("copy", copied), ("statistics", read), ("gradient_", written)):
            values = seconds.setdefault((operation, "torch" if operation == "copy" else form), [])
            values += [taken()] if measured else []
    volume = chunk.logits.numel() * chunk.logits.element_size()
    for (operation, form), values in seconds.items():
        figures = spread(values)
        moved = volume if operation == "statistics" else 2 * volume
        bandwidth = moved / figures["seconds"] / 1e9
        yield {"operation": operation, "form": form} | figures | {"gigabytes_per_second": bandwidth}


def time_chain(rows: int, sizes: Sizes, generator: torch.Generator) -> Iterator[dict[str, Any]]:
    """A chunk of the one-pass head: logits, statistics, gradient, and both products of the gradient."""
    chunk = make_chunk("random", rows, sizes.columns, generator)
    like: dict[str, Any] = {"generator": generator, "device": generator.device, "dtype": torch.bfloat16}
    hidden = torch.randn(rows, sizes.hidden, **like)
    weight = torch.randn(sizes.columns, sizes.hidden, **like).mul_(sizes.hidden**-0.5)
    total = torch.zeros(sizes.columns, sizes.hidden, device=generator.device)
    logits, of_hidden = torch.empty_like(chunk.logits), torch.empty_like(hidden)

    def step(ops: RowOps) -> None:
        torch.mm(hidden, weight.T, out=logits)
        ops.gradient_(logits, chunk.rows, ops.statistics(logits, chunk.rows), chunk.upstream)
        torch.mm(logits, weight, out=of_hidden)
        ops.add_outer_(total, logits, hidden)

    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for measured, form, ops in turns(sizes, logits.is_cuda):
        taken, _ = stopwatch(partial(step, ops))
        seconds[form] += [taken()] if measured else []
    work = 6 * rows * sizes.columns * sizes.hidden
    for form, values in seconds.items():
        figures = spread(values)
        yield {"operation": "chain", "form": form} | figures | {"teraflops": work / figures["seconds"] / 1e12}


def turns(sizes: Sizes, cuda: bool) -> Iterator[tuple[bool, str, RowOps]]:
    """Each form once a round, in an order that turns over every round; False while the first rounds warm up.

    The device sleeps for about a millisecond first, so that everything is queued before it starts: launching from
    Python takes longer than such a kernel.
    """
    forms = implementations()
    for turn in range(sizes.warmups + sizes.repeats):
        for form in FORMS if turn % 2 == 0 else reversed(FORMS):
            if cuda:
                torch.cuda.synchronize()
                torch.cuda._sleep(2_000_000)
            yield turn >= sizes.warmups, form, forms[form]


def stopwatch(action: Callable[[], T]) -> tuple[Callable[[], float], T]:
    """Queue it on the device; the first result waits and gives seconds."""
    if not torch.cuda.is_available():
        started = time.perf_counter()
        result = action()
        seconds = time.perf_counter() - started
        return lambda: seconds, result
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    result = action()
    end.record()

    def taken() -> float:
        end.synchronize()
        return begin.elapsed_time(end) / 1000

    return taken, result


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles, seconds."""
    ordered = sorted(values)
    return {
        "seconds": statistics.median(ordered),
        "quartile_low": ordered[len(ordered) // 4],
        "quartile_high": ordered[(3 * len(ordered)) // 4],
    }


def table(record: dict[str, Any]) -> Iterator[str]:
    """The figures a person looks for first."""
    yield f"{record['device']}, commit {record['commit']}, V {record['sizes']['columns']:,}"
    yield f"{'rows':>6} {'input':<8}{'operation':<12}{'form':<8}{'µs':>10}{'GB/s':>10}{'TFLOP/s':>10}"
    for row in record["results"]:
        rate, work = row.get("gigabytes_per_second"), row.get("teraflops")
        columns = "".join(f"{value:>10,.0f}" if value is not None else f"{'':>10}" for value in (rate, work))
        yield (
            f"{row['rows']:>6} {row['input']:<8}{row['operation']:<12}{row['form']:<8}{1e6 * row['seconds']:>10,.1f}"
            f"{columns}"
        )


if __name__ == "__main__":
    sys.exit(main())
