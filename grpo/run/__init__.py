"""A run's folder, its lock, checkpoints, seeds and interruption: what makes a killed run resume bit for bit."""
