"""Every metric with its unit and meaning, a file for each part of a run; `grpo/track/names.py` puts them in order."""
