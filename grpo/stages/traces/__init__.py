"""From a model's completions to a data set: sample, verify, filter, choose, write."""
