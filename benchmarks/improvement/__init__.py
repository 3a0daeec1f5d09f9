"""Rounds of rejection sampling, fine-tuning and reinforcement against reinforcement alone; distillation against it."""
