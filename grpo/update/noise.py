"""Random numbers for selections among tokens, the same in any order, packing or split of the step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from grpo.run.random import derive_seed
from grpo.update.experience import Tree


def token_noise(trees: Sequence[Tree], keys: Sequence[int | str]) -> torch.Tensor:
    """(S,) float64 in [0, 1) for the completions' tokens: functions of (keys, prompt, completion, position) alone."""
    rows = [
        np.random.Generator(np.random.PCG64(derive_seed(*keys, tree.prompt_id, branch.index))).random(
            len(branch.token_ids)
        )
        for tree in trees
        for branch in tree.branches
    ]
    return torch.from_numpy(np.concatenate(rows)) if rows else torch.empty(0, dtype=torch.float64)
