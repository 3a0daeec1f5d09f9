"""Whether the answer in a model's text equals the gold answer: extraction, parsing, exact and numeric comparison."""
