"""Rewards that shape length and repetition, whatever the answer is worth."""
