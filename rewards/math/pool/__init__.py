"""Worker processes that judge answers: killable, limited in CPU, memory and rights, shared by a process's threads.

A *template* process imports the verifier once and forks the *workers* (`template.py`, `worker.py`): a fork of the warm
template takes milliseconds, and the trainer, with its threads and its GPU, must never be forked. The host's side:
`control.py` talks to the template, `slots.py` shares the workers between calls, `batch.py` is one call, `host.py` ties
them together. Frames of JSON go both ways; nothing is pickled.
"""

from __future__ import annotations

from grpo.rewards.math.pool.batch import Work
from grpo.rewards.math.pool.control import PoolError
from grpo.rewards.math.pool.host import Pool

__all__ = ["Pool", "PoolError", "Work"]
