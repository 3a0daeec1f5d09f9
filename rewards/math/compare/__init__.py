"""Equality of two parsed answers, one file per type of answer."""

from .dispatch import equivalent

__all__ = ["equivalent"]
