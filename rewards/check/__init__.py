"""`python -m grpo.rewards.check`: tries a reward function on rows before a run depends on it."""
