"""One side of the update benchmark in a process of its own: `python -m benchmarks.update.worker REQUEST`.

It sets up, says so, and then makes one optimizer step per line on stdin. A line is a JSON object: `peak` asks for the
memory of the step, `gradients` names a file for what the optimizer is about to apply. Answers are lines on stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.memory import Peak, now, settle
from benchmarks.timing import synchronize

SIDES = {"ours": "benchmarks.update.ours", "trl": "benchmarks.update.trl_side"}


class Clerk:
    """Takes orders, keeps the clock and the memory, and answers; both sides call it around their step."""

    def __init__(self, answers: int) -> None:
        self._answers = os.fdopen(answers, "w", encoding="utf-8", buffering=1)
        self._order: dict[str, Any] = {}
        self._peak = Peak()
        self._started = 0.0
        self.post_import_bytes = 0

    def answer(self, **values: Any) -> None:
        self._answers.write(json.dumps(values) + "\n")

    def begin(self) -> bool:
        """Wait for an order and start the clock; False: there are no more."""
        line = sys.stdin.readline()
        if not line.strip():
            return False
        self._order = json.loads(line)
        if self._order.get("peak"):
            self._peak.start()
        synchronize()
        self._started = time.perf_counter()
        return True

    def end(self, loss: float, gradient_norm: float) -> None:
        """Stop the clock after a step with this loss and norm (before clipping), and answer."""
        synchronize()
        seconds = time.perf_counter() - self._started
        values: dict[str, Any] = {"seconds": seconds, "loss": loss, "gradient_norm": gradient_norm}
        if self._order.get("peak"):
            extra = self._peak.stop()
            values |= {
                "extra_bytes": extra,
                "base_bytes": self._peak.base,
                "over_post_import_bytes": self._peak.base + extra - self.post_import_bytes,
                "method": self._peak.method,
            }
        self.answer(**values)

    def watch(self, optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> None:
        """Write gradients when an order names a file; the step's time is meaningless then."""

        def write(*_: object) -> None:
            if self._order.get("gradients"):
                found = {n: p.grad.float().cpu() for n, p in model.named_parameters() if p.grad is not None}
                save_file(found, Path(self._order["gradients"]))

        optimizer.register_step_pre_hook(write)


def main(request: dict[str, Any]) -> None:
    clerk = Clerk(os.dup(1))
    os.dup2(2, 1)  # libraries print where they like; answers have a way of their own
    torch.set_num_threads(request["shared"]["threads"])
    run: Callable[[dict[str, Any], Clerk], None] = importlib.import_module(SIDES[request["side"]]).run
    settle()
    clerk.post_import_bytes = now()
    run(request, clerk)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
