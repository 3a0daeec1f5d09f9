"""What the two learning benchmarks share: the task, its cold starts, a watched trainer, and files of finished work."""
