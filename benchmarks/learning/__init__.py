"""What the learning benchmarks share: the task, its cold starts, requests and their runner, a watched trainer."""
