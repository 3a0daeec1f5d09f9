"""Produces groups of completions from prompts; alone imports vLLM."""
