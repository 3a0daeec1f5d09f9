"""The command line: arguments, help, sweeps and the dry run. `grpo.__main__` is the entry."""
