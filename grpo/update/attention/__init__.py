"""Attention of packed streams: same group, and the prompt or the same completion, and causal."""

from grpo.update.attention.body import IMPLEMENTATIONS, body_hidden, require_supported
from grpo.update.attention.dense import additive, packed_mask

__all__ = ["IMPLEMENTATIONS", "additive", "body_hidden", "packed_mask", "require_supported"]
