"""Log-prob and entropy of sampled tokens from hidden states and the head's weight."""

from .api import token_logprob

__all__ = ["token_logprob"]
