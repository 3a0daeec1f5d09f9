"""Speed and memory of sampling, the update and the weight sync: `python -m benchmarks`."""
