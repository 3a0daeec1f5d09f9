"""`python -m grpo` and the console script `grpo`: compose the config, check it, run its pipeline."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from grpo.cli.arguments import Arguments, help_text, parse_arguments
from grpo.config.errors import ConfigError

EXIT_CONFIG_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of the run; 2 for any mistake in the config, with one message on stderr."""
    if os.getcwd() not in sys.path:
        # A console script does not see the current folder, where a user's reward functions are.
        sys.path.append(os.getcwd())
    try:
        return dispatch(parse_arguments(sys.argv[1:] if argv is None else argv))
    except ConfigError as error:
        print(f"grpo: {error}", file=sys.stderr)
        return EXIT_CONFIG_ERROR


def dispatch(arguments: Arguments) -> int:
    """Do what the flags ask for; raises ConfigError."""
    if arguments.help:
        print(help_text())
        return 0
    from grpo.config.load import ConfigSource, load_config, show_config

    source = ConfigSource(config_dirs=arguments.config_dirs, config_name=arguments.config_name)
    if arguments.show:
        print(show_config(arguments.overrides, source, resolve=arguments.resolve), end="")
        return 0
    if arguments.multirun:
        from grpo.cli.sweep import sweep

        return sweep(arguments, source)
    from grpo.cli.run import run_config

    return run_config(load_config(arguments.overrides, source))


if __name__ == "__main__":
    sys.exit(main())
