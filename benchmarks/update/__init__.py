"""A whole optimizer step on a group of completions: ours and TRL's trainer on the same tokens."""
