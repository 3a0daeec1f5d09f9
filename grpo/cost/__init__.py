"""What runs use (device-hours, tokens, energy, money) and what all runs of a folder used together."""
