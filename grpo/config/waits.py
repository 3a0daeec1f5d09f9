"""The wait of s1's budget forcing (arXiv 2501.19393), as a stage appends it and demonstrations may hold it."""

from __future__ import annotations

WAIT_TEXT = "Wait"
"""Stands where thinking would have ended."""
MOST_WAITS = 4
"""Of one demonstration of the embedded task."""
