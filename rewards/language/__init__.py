"""In which language a model thinks: the share of a text's words in one language, and the reward for it."""

from grpo.rewards.language.reward import LanguageConsistency
from grpo.rewards.language.share import target_share

__all__ = ["LanguageConsistency", "target_share"]
