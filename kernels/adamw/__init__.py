"""AdamW whose states take 3 bytes an element instead of 8, and AdamW whose states live on the host."""

from .optimizer import CompactAdamW, PlainAdamW, StreamedAdamW

__all__ = ["CompactAdamW", "PlainAdamW", "StreamedAdamW"]
