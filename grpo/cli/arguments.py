"""The flags of `grpo` and its help. Everything else on the line is a Hydra override."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from grpo.config.errors import ConfigError

SUMMARY = "Teaches a language model to reason with reinforcement learning, from a config."
EXAMPLES = (
    ("grpo", "the embedded example: cold start, GRPO, evaluation, report"),
    ("grpo dry_run=true", "what would happen: config, batch arithmetic, estimates, checks"),
    ("grpo seed=1 stages.rl.steps=200 logger=[console,file,wandb]", "change values, log to a dashboard"),
    (
        "grpo experiment=gsm8k_small data.path=train.jsonl data.eval_path=test.jsonl",
        "an experiment on your own rows",
    ),
    ("grpo experiment=dapo model=hf model.name=Qwen/Qwen2.5-1.5B data=gsm8k", "a published recipe on your model"),
    ("grpo experiment=dapo debug=tiny rollout=transformers", "any experiment, shrunk to seconds"),
    ("grpo reward.functions=[my_rewards.py:length] reward.weights=[1.0]", "your own reward function"),
    ("grpo -m seed=1,2,3", "three runs, one after the other, each in its own process"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """A parsed command line."""

    overrides: tuple[str, ...]
    config_dirs: tuple[str, ...]
    config_name: str
    help: bool
    multirun: bool
    show: bool
    """`--cfg job`: print the config and exit."""
    resolve: bool
    """With `--cfg job`: interpolations replaced by their values."""

    def source_flags(self) -> list[str]:
        """The flags another process needs to find the same configs."""
        flags = [flag for folder in self.config_dirs for flag in ("--config-dir", folder)]
        return [*flags, "--config-name", self.config_name]


class Parser(argparse.ArgumentParser):
    """Reports a wrong flag as any other config error: one message, exit code 2."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ConfigError(f"{message}; see grpo --help")


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Raises ConfigError for a flag or flag value that does not exist."""
    parser = Parser(prog="grpo", add_help=False, allow_abbrev=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--cfg", "-c", choices=["job"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--config-dir", "-cd", action="append", default=[])
    parser.add_argument("--config-name", "-cn", default="config")
    known, overrides = parser.parse_known_args(list(argv))
    if known.resolve and known.cfg is None:
        raise ConfigError("--resolve has no effect without --cfg job")
    return Arguments(
        overrides=tuple(overrides),
        config_dirs=tuple(known.config_dir),
        config_name=known.config_name,
        help=known.help,
        multirun=known.multirun,
        show=known.cfg is not None,
        resolve=known.resolve,
    )


def help_text() -> str:
    """What `grpo --help` prints."""
    from grpo.config.leaves import all_leaves
    from grpo.config.load import shipped_options
    from grpo.config.overrides import GROUP_NAMES

    lines = [SUMMARY, "", "Usage: grpo [flags] [key=value ...]      (the same: python -m grpo)", "", "Examples"]
    lines += [f"  {command}\n      {what}" for command, what in EXAMPLES]
    lines += ["", "Groups, chosen as group=option"]
    options = shipped_options()
    lines += [f"  {group:<12}{', '.join(options.get(group, []))}" for group in GROUP_NAMES]
    lines += [
        "  A stage is placed by name: +stage@stages.rl2=reinforce pipeline=[cold_start,rl,rl2,export]",
        "",
        "Flags",
        "  -m, --multirun        comma-separated values make one run each: seed=1,2,3",
        "  --cfg job [--resolve] print the config and exit; --resolve fills in what refers to other keys",
        "  --config-dir DIR      more groups and experiments of your own (may be repeated)",
        "  --config-name NAME    another primary config from those folders",
        "  -h, --help            this text",
        "",
        "Tools",
        "  python -m grpo.doctor                    versions, devices, known conflicts",
        "  grpo dry_run=true                        try the data and the reward functions on a few rows",
        "  python -m grpo.report RUN_DIR            the report of a run, or several overlaid",
        "",
        f"All {len(all_leaves())} keys with types and defaults: docs/configuration.md, or grpo --cfg job.",
    ]
    return "\n".join(lines)
