"""What an alarm is: a pure function of what the run has measured so far, and what to tell the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grpo.track.alarms.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One way for a run to go wrong. Its thresholds are constants of its own file."""

    finds: Callable[[History], str | None]
    """What is wrong after the newest step, in words with numbers; None while nothing is."""
    when: str
    """When it rings, a sentence for the docs."""
    meaning: str
    """What that usually means, a sentence for the docs."""
    advice: str
    """What to do: continues a sentence, no capital and no full stop."""
    source: str
    """Where the threshold is from."""
