"""Command-line overrides in Hydra's grammar: parsed, vetted and expanded into the jobs of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from grpo.config.errors import ConfigError, nearest
from grpo.config.store import GROUPS

GROUP_NAMES = (*GROUPS, "stage", "logger", "experiment", "debug")
"""What can be chosen by name on the command line, as `group=option`."""
HYDRA_KEYS = ("hydra/launcher", "hydra.launcher", "hydra.sweep", "hydra.sweeper", "hydra/sweeper", "hydra.searchpath")
"""The settings of Hydra itself that have an effect here; the others would be dead keys."""


REMOVABLE = ("stages.", "experiment", "debug", "logger", "stage", "reward.settings.")
"""Where `~key` has a meaning: in lists of choices and in mappings of the user's own keys."""


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parsed overrides, in order; raises ConfigError naming the first that does not parse."""
    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        if "=" not in text and not text.startswith("~"):
            flags = ("--help", "--cfg", "--resolve", "--config-dir", "--config-name", "--multirun")
            close = nearest(text, flags) if text.startswith("-") else None
            hint = f"; did you mean {close}?" if close else "; wanted is key=value, for example seed=1 or model=hf"
            raise ConfigError(f"cannot read {text!r}{hint}")
        try:
            parsed.append(parser.parse_override(text))
        except HydraException as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f"cannot read {text!r}: {reason}; quote values that hold , = [ ] {{ }} or spaces"
            ) from None
    return parsed


def is_group_override(override: Override) -> bool:
    """Whether it picks a file of a group (`model=hf`, `+stage@stages.x=sft`) and not a value (`seed=1`)."""
    return override.package is not None or override.key_or_group in GROUP_NAMES


def check_overrides(overrides: Sequence[str]) -> None:
    """Raise ConfigError for overrides that would be accepted and do nothing, or not what they say."""
    for text, override in zip(overrides, parse(overrides), strict=True):
        problem = dead(override) or misplaced(override)
        if problem is not None:
            raise ConfigError(f"{text}: {problem}")


def dead(override: Override) -> str | None:
    """Why an override has no effect, or None."""
    key = override.key_or_group
    if key.startswith(("hydra.", "hydra/")) and not key.startswith(HYDRA_KEYS):
        return (
            "has no effect here; run folders are set by run_root and name. "
            f"Of Hydra's own settings these work: {', '.join(HYDRA_KEYS)}"
        )
    if override.is_delete() and not key.startswith(REMOVABLE):
        return f"a knob cannot be removed; set {key}=<value>, or leave it out for the default"
    return None


def misplaced(override: Override) -> str | None:
    """What to write instead of an override that means something else here, or None."""
    key = override.key_or_group
    if key.startswith("stages.") and key.endswith(".kind"):
        return f"the kind of a stage comes with its file; choose it with stage@{key[: -len('.kind')]}=<kind>"
    if override.is_sweep_override():
        return "several values need -m (one job each); a list is written [a,b]"
    if not override.is_delete() and override.package is None and override.value() is None:
        if key in GROUPS:
            return f"{key} wants the name of an option, not null; see --help for the options"
        if key == "logger":
            return "logger wants a list, as logger=[console,file]; none is logger=[]"
    return None


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """The jobs of a sweep: every combination of the swept values, the last one varying fastest."""
    choices: list[list[str]] = []
    for text, override in zip(overrides, parse(overrides), strict=True):
        if not override.is_sweep_override():
            choices.append([text])
            continue
        try:
            choices.append([f"{text.partition('=')[0]}={value}" for value in override.sweep_string_iterator()])
        except HydraException as error:
            raise ConfigError(f"cannot expand {text!r}: {error}") from None
    return [list(job) for job in product(*choices)]
