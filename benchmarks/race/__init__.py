"""Our whole training loop against TRL's: same start, prompts, rewards and budget; accuracy over seconds and samples."""
