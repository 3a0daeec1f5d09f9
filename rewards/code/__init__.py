"""Rewards for answers that are programs: a sandbox that fails closed, and tests whose verdict is decided outside it."""
