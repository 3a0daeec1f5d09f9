"""`grpo -m hydra/launcher=...`: hands a sweep to one of Hydra's launchers, such as submitit for Slurm."""

from __future__ import annotations

from typing import Any

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grpo.cli.arguments import Arguments
from grpo.cli.run import run_config
from grpo.config.errors import ConfigError
from grpo.config.load import ConfigSource, plain_values, search_path, typed
from grpo.config.store import register


def run_composed(composed: DictConfig) -> int:
    """One job, called by the launcher, wherever it runs it; raises RuntimeError for a run that failed."""
    code = run_config(typed(plain_values(OmegaConf.to_container(composed, resolve=True))))
    if code:
        raise RuntimeError(f"the run ended with exit code {code}")
    return code


def launch(arguments: Arguments, source: ConfigSource) -> int:
    """Run the sweep; 0 when every job succeeded, else 1. Raises ConfigError when it cannot be composed."""
    register()
    with initialize_config_module("grpo.conf", version_base="1.3", job_name="grpo"):
        hydra: Any = GlobalHydra.instance().hydra
        overrides = [*search_path(source), *arguments.overrides]
        try:
            batches = hydra.multirun(source.config_name, run_composed, overrides, with_log_configuration=False)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(str(error).splitlines()[0]) from error
    failed = [job for batch in batches for job in batch if job.status is not JobStatus.COMPLETED]
    for job in failed:
        print(f"failed: {' '.join(job.overrides or [])}: {job._return_value!r}")
    return 1 if failed else 0
