"""Every algorithm on the same task, from the same cold starts, at equal sampled tokens."""
