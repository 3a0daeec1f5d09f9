"""What several rooms' tests share: nothing reaches the network, and an unavailable device is said, not guessed."""

from __future__ import annotations

import os
import signal
from functools import cache

import pytest
from hypothesis import settings

# Before any library reads them: tests neither download nor upload.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts background jobs with Ctrl-C ignored, and every process a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure, and a gate must say the same of the same code each time.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate")


@cache
def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `gpu` where there is no device."""
    if item.get_closest_marker("gpu") is not None and not _cuda():
        pytest.skip("needs a CUDA device, torch sees none")
