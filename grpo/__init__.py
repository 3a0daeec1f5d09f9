"""An open trainer that teaches language models to reason with reinforcement learning (GRPO, DeepSeek-R1's recipe)."""

__version__ = "0.1.0"
