"""Log-prob and entropy of sampled tokens from hidden states and the head's weight, and losses on them."""

from .api import token_logprob
from .chunks import HeadSettings
from .one_pass import HeadLoss, Objective, head_loss

__all__ = ["HeadLoss", "HeadSettings", "Objective", "head_loss", "token_logprob"]
