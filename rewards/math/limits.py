"""Bounds on the work one verdict may cost, counted in characters, nodes, bits and steps; never in time."""

from __future__ import annotations

MAX_TEXT = 100_000
"""Characters of a completion that are read: its tail, where the answer stands."""
MAX_ANSWER = 3_000
"""Characters of an answer that is parsed. Plain integers of any length are compared as text before."""
MAX_TOKENS = 1_200
MAX_DEPTH = 100
"""Levels of the grammar that are open at once: about four for each pair of brackets."""
MAX_TREE_DEPTH = 90
"""Of the tree; longer products and unions, which are left-deep, stop here."""
MAX_BITS = 50_000
"""Bits of an exact integer that may arise while a value is computed."""
MAX_PRECISION = 6_000
"""Bits of a floating-point evaluation."""
MAX_EXPONENT = 1_000_000
"""Binary exponent of a floating-point value."""
MAX_STEPS = 12_000
"""Nodes visited in one evaluation, loops of sums and products included."""
MAX_ITEMS = 60
"""Items of an unordered list that are matched in any order; each pair may cost a comparison."""


class NotMathsError(Exception):
    """The text is not an expression this parser knows; it may still be an answer in words."""


class TooHardError(Exception):
    """An estimate made before the work says that it would exceed a bound."""


class UndefinedError(Exception):
    """The expression has no (real) value at this point: division by zero, log of zero, root of a negative number."""
