"""Is a mathematical answer right? `verify_batch` decides for whole batches, with a deadline on each item.

`judge.py` decides about one; `pool/` runs it in processes that can be killed; `reward.py` is the reward function.
"""

from __future__ import annotations

from grpo.rewards.math.pool import PoolError
from grpo.rewards.math.result import Result, Verdict
from grpo.rewards.math.verifier import clear_caches, close, start, verify, verify_batch

__all__ = ["PoolError", "Result", "Verdict", "clear_caches", "close", "start", "verify", "verify_batch"]
