"""Runs one composed config: the dry run, or its pipeline."""

from __future__ import annotations

import os

from grpo.config.check import check
from grpo.config.errors import ConfigError
from grpo.config.schema import RunConfig


def run_config(config: RunConfig) -> int:
    """Exit code of the run; raises ConfigError for values that cannot work and for a folder another run holds."""
    check(config)
    if config.dry_run:
        from grpo.cli.dry_run import dry_run

        return dry_run(config)
    # Read once, when torch loads: threads that spin while they wait make a run on a busy machine 20 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from grpo.run.lock import RunLockedError
    from grpo.run.pipeline import run_pipeline

    try:
        return run_pipeline(config)
    except (ValueError, RunLockedError) as error:  # both are raised before anything starts
        raise ConfigError(str(error)) from error
