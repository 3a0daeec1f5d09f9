"""Keeps what engine libraries print, and what they change in this process, away from the user and the trainer."""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHANGED_FOR_CHILDREN = ("LD_PRELOAD", "OMP_NUM_THREADS", "LOCAL_WORLD_SIZE", "PYTORCH_CUDA_ALLOC_CONF")
"""Environment variables that vLLM sets for processes it might start; ours must not inherit them."""


@contextmanager
def output_to(log_path: Path | None) -> Iterator[None]:
    """Standard output and error, native code's included, go to `log_path` (None: nowhere) until the block ends."""
    if log_path is not None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(log_path or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in (log, *saved):
            os.close(descriptor)


def log_to_file(logger_name: str, log_path: Path | None) -> None:
    """Records of the logger go to `log_path` alone, from now on."""
    logger = logging.getLogger(logger_name)
    handler: logging.Handler = logging.NullHandler() if log_path is None else logging.FileHandler(log_path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.propagate = False


@contextmanager
def process_state_kept() -> Iterator[None]:
    """Random states, thread count and inherited environment are as before when the block ends."""
    import numpy as np
    import torch

    environment = {name: os.environ.get(name) for name in CHANGED_FOR_CHILDREN}
    threads, set_threads = torch.get_num_threads(), torch.set_num_threads
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_num_threads = set_threads
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
