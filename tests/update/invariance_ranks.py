"""Every case of the step by several processes: `python -m tests.update.invariance_ranks FOLDER`.

Each process has some of the groups, the step's totals, and the others' tokens; gradients and losses are summed under
gloo. FOLDER gets `<processes>.safetensors` with `<case>` (flat gradient) and `<case>/loss`. The processes are forked
from one that has only loaded the libraries.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from grpo.algorithm.losses import LOSSES, OVER_STEP, StepTokens
from grpo.update.statistics import joined
from tests.update.invariance import CASES, PICKED, Learner, over_rank, picked_logprob

SHARES = {1: [[0, 1, 2, 3, 4, 5, 6]], 2: [[5, 1, 0, 6, 3], [2, 4]], 4: [[4], [], [6, 0, 2, 3], [1, 5]]}
"""Groups of each process, by how many there are: unequal, out of order, and none at all for one of them."""
DEADLINE_SECONDS = 300


def main(folder: Path) -> int:
    """0 when every process of every size ended well before the deadline."""
    context = multiprocessing.get_context("fork")
    ends = time.monotonic() + DEADLINE_SECONDS
    codes = []
    for count in SHARES:
        ranks = [context.Process(target=run, args=(folder, count, rank)) for rank in range(count)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join(max(0.0, ends - time.monotonic()))
            if rank.exitcode is None:
                rank.kill()
                rank.join()
            codes.append(rank.exitcode)
    return int(any(codes))


def run(folder: Path, count: int, rank: int) -> None:
    """One process."""
    torch.set_num_threads(1)
    LOSSES[PICKED.loss], OVER_STEP[PICKED.loss] = picked_logprob, over_rank
    meeting = f"file://{folder}/meeting_{count}"
    dist.init_process_group("gloo", meeting, timedelta(seconds=DEADLINE_SECONDS), world_size=count, rank=rank)
    learner, results = Learner(), {}
    trees = [learner.step.trees[number] for number in SHARES[count][rank]]
    for case in [*CASES, PICKED]:
        loss, gradient = learner.gradient(case, trees, micro_batch=20, join=exchange)
        total = torch.tensor(loss, dtype=torch.float64)
        dist.all_reduce(total)
        dist.all_reduce(gradient)
        results |= {case.name: gradient, f"{case.name}/loss": total}
    if rank == 0:
        save_file(results, folder / f"{count}.safetensors")
    dist.destroy_process_group()


def exchange(tokens: StepTokens) -> tuple[StepTokens, slice]:
    """All processes' tokens, and where this one's are."""
    columns = {name: gathered(getattr(tokens, name)) for name in StepTokens.__slots__}
    shares = [StepTokens(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    return joined(shares, dist.get_rank())


def gathered(values: torch.Tensor) -> list[torch.Tensor]:
    """Each process's tensor, of any length."""
    sizes = [torch.zeros((), dtype=torch.int64) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, torch.tensor(values.numel()))
    parts = []
    for rank, size in enumerate(sizes):
        part = values.clone() if rank == dist.get_rank() else torch.empty(int(size), dtype=values.dtype)
        dist.broadcast(part, rank)
        parts.append(part)
    return parts


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    sys.exit(main(Path(sys.argv[1])))
