"""LM head and GRPO token loss, forward and backward: ours and peers on the same hidden states and targets."""
