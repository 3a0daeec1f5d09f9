"""Every random choice of a run is keyed, never drawn from a shared stream.

A choice keyed on (run seed, stage, step, prompt id, completion index) comes out the same after a resume,
on another number of ranks, or in another order.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SEED_BITS = 31
"""Engines take 31-bit seeds; generators of this process are seeded with 63 bits, where collisions are out of reach."""


def derive_seed(*keys: int | str) -> int:
    """A seed in [0, 2**31) that depends on every key, its type and its place.

    The low 31 bits of the 8-byte BLAKE2b digest (big-endian) of the keys, each written as its type (`i` or `s`),
    its length in bytes as 8 big-endian bytes, and its decimal or UTF-8 spelling.

    Raises:
        ValueError: no keys, or a key that is neither int nor str (bool is refused: it would equal 0 or 1).
    """
    return _digest(keys) % (1 << SEED_BITS)


def generator(*keys: int | str) -> torch.Generator:
    """A CPU `torch.Generator` seeded from the keys."""
    import torch

    made = torch.Generator(device="cpu")
    made.manual_seed(_digest(keys) % (1 << 63))
    return made


def python_random(*keys: int | str) -> random.Random:
    """A `random.Random` seeded from the keys."""
    return random.Random(_digest(keys) % (1 << 63))


def _digest(keys: tuple[int | str, ...]) -> int:
    if not keys:
        raise ValueError("a seed needs at least one key, such as derive_seed(run_seed, stage, step)")
    hasher = hashlib.blake2b(digest_size=8)
    for key in keys:
        if isinstance(key, bool) or not isinstance(key, (int, str)):
            raise ValueError(f"seed key {key!r} is a {type(key).__name__}; valid are int and str")
        spelling = str(key).encode("utf-8")
        kind = b"s" if isinstance(key, str) else b"i"
        hasher.update(kind + len(spelling).to_bytes(8, "big") + spelling)
    return int.from_bytes(hasher.digest(), "big")
