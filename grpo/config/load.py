"""From command-line overrides to a `RunConfig`. Nothing of Hydra or OmegaConf leaves this module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grpo.config.errors import ConfigError, unknown_key
from grpo.config.explain import below_open, explain, is_stray
from grpo.config.leaves import key_tree
from grpo.config.overrides import GROUP_NAMES, check_overrides, is_group_override, parse
from grpo.config.schema import RunConfig
from grpo.config.store import STAGE_KINDS, register


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """Where configs are looked up besides the ones that ship with the package."""

    config_dirs: tuple[str, ...] = ()
    """Folders with further groups and experiments, searched after the shipped ones."""
    config_name: str = "config"
    """The primary config."""


SHIPPED = ConfigSource()
OPEN_KEY = "reward.settings."
"""Inside it, keys are the user's own; at the top level and in every stage."""
COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, AssertionError)
"""What composing raises on bad input: Hydra's own checks are partly plain ValueError and assert."""


def load_config(overrides: Sequence[str] = (), source: ConfigSource = SHIPPED) -> RunConfig:
    """Compose, reject every unknown key and wrong type, and return plain dataclasses.

    Raises ConfigError with one message for whatever is wrong. Values are checked by `grpo.config.check`.
    """
    return composed(overrides, source)[0]


def show_config(overrides: Sequence[str], source: ConfigSource, *, resolve: bool) -> str:
    """The config as YAML, as `--cfg job` prints it; unresolved, it shows which keys follow which."""
    config, unresolved = composed(overrides, source)
    return to_yaml(config) if resolve else unresolved


def composed(overrides: Sequence[str], source: ConfigSource) -> tuple[RunConfig, str]:
    """The config, and the YAML it comes from with its interpolations."""
    check_overrides(overrides)
    check_keys(overrides)
    overrides = [addable(text) for text in overrides]
    register()
    with initialize_config_module("grpo.conf", version_base="1.3"):
        try:
            node = compose(source.config_name, overrides=[*search_path(source), *overrides])
            check_known(plain_values(OmegaConf.to_container(node)))
            if OmegaConf.get_type(node) is RunConfig:
                config = OmegaConf.to_object(node)
            else:  # a primary config of the user without `base_run`
                config = typed(plain_values(OmegaConf.to_container(node, resolve=True)))
        except ConfigError:
            raise
        except COMPOSITION_ERRORS as error:
            stages = stages_without_values(overrides, source)
            raise ConfigError(explain(error, overrides, key_tree(stages), group_options())) from None
    assert isinstance(config, RunConfig), type(config)
    return config, OmegaConf.to_yaml(node)


def plain_values(container: object) -> dict[str, Any]:
    """A composed mapping with text keys."""
    assert isinstance(container, dict), f"a config is a mapping, not a {type(container).__name__}"
    return {str(key): value for key, value in container.items()}


def check_known(values: Mapping[str, Any]) -> dict[str, str]:
    """Raise ConfigError for the first key that is not in the schema; returns name and kind of every stage."""
    kinds = stage_kinds(values)
    tree = key_tree(kinds)
    for path, value in dotted(values):
        if path not in tree and not below_open(path, tree):
            raise ConfigError(unknown_key(path, tree) + f" (value {value!r})")
    return kinds


def check_keys(overrides: Sequence[str]) -> None:
    """Raise ConfigError for a key that no config could have; what is inside stages only a composition can tell."""
    keys = key_tree({})
    for override in parse(overrides):
        name = override.key_or_group
        if override.package is None and is_stray(name, keys) and not name.startswith("stages"):
            raise ConfigError(unknown_key(name, keys, GROUP_NAMES))


def addable(override: str) -> str:
    """An override of an open mapping, or of a key inside it, in the spelling with which Hydra also adds.

    A stage's mapping follows the run's as a whole: setting one key in place would set it for the run.
    """
    [one] = parse([override])
    if one.package is not None or one.is_delete() or not f"{one.key_or_group}.".partition(OPEN_KEY)[1]:
        return override
    key, _, value = override.lstrip("+").partition("=")
    outer, _, inner = key.partition(OPEN_KEY)
    if not outer or not inner:
        return f"++{key}={value}"
    for name in reversed(inner.split(".")):
        value = f"{{{name}: {value}}}"
    return f"++{outer}{OPEN_KEY.rstrip('.')}={value}"


def stages_without_values(overrides: Sequence[str], source: ConfigSource) -> dict[str, str]:
    """Stage names and kinds of the config with only its group choices applied: what keys exist to suggest."""
    groups = [text for text, one in zip(overrides, parse(overrides), strict=True) if is_group_override(one)]
    for attempt in (groups, []):
        try:
            composed = compose(source.config_name, overrides=[*search_path(source), *attempt])
        except COMPOSITION_ERRORS:
            continue
        stages = composed.get("stages") or DictConfig({})
        return {str(name): str(stage.get("kind")) for name, stage in stages.items()}
    return {}


def search_path(source: ConfigSource) -> list[str]:
    """The override that adds the user's config folders; raises ConfigError for a folder that is not there."""
    if not source.config_dirs:
        return []
    folders = []
    for text in source.config_dirs:
        folder = Path(text).expanduser().resolve()
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {text}: no such folder; wanted is a folder with config groups in it")
        folders.append("'file://{}'".format(str(folder).replace("'", r"\'")))
    return [f"hydra.searchpath=[{','.join(folders)}]"]


def group_options() -> dict[str, list[str]]:
    """Every config group that ships, with its options, schemas left out."""
    loader = GlobalHydra.instance().config_loader()
    return {
        group: [name for name in loader.get_group_options(group) if not name.startswith("base_")]
        for group in loader.list_groups("")
        if group != "hydra"
    }


def shipped_options() -> dict[str, list[str]]:
    """`group_options` for callers outside a composition: `--help` and the tests."""
    register()
    with initialize_config_module("grpo.conf", version_base="1.3"):
        return group_options()


def typed(values: Mapping[str, Any]) -> RunConfig:
    """Plain nested values to a `RunConfig`; raises ConfigError on unknown keys, wrong types and missing values."""
    kinds = check_known(values)
    base = OmegaConf.structured(RunConfig)
    try:
        for name, kind in kinds.items():
            base.stages[name] = OmegaConf.structured(STAGE_KINDS[kind])
            if "settings" in (values["stages"][name].get("reward") or {}):
                base.stages[name].reward.settings = {}  # else a merge would add to what the stage follows
        config = OmegaConf.to_object(OmegaConf.merge(base, dict(values)))
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error, (), key_tree(kinds), {})) from None
    assert isinstance(config, RunConfig), type(config)
    return config


def stage_kinds(values: Mapping[str, Any]) -> dict[str, str]:
    """Name and kind of every stage; raises ConfigError for a kind that does not exist."""
    kinds = {}
    stages = values.get("stages") or {}
    if not isinstance(stages, Mapping):
        raise ConfigError(f"stages={stages!r}: wanted is a mapping from stage name to stage")
    for name, stage in stages.items():
        kind = stage.get("kind") if isinstance(stage, Mapping) else stage
        if kind not in STAGE_KINDS:
            hint = f"give it one with +stage@stages.{name}=sft" if kind in (None, "???") else ""
            raise ConfigError(f"stages.{name}.kind={kind!r}: valid are {', '.join(STAGE_KINDS)} {hint}".rstrip())
        kinds[str(name)] = str(kind)
    return kinds


def dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of nested values with its dotted path, leaves and empty mappings."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from dotted(value, f"{path}.")
        elif path != "stages":
            yield path, value


def resolved(config: RunConfig) -> dict[str, Any]:
    """The whole config as nested dicts and lists, for JSON, hashing and dashboards."""
    return asdict(config)


def to_yaml(config: RunConfig) -> str:
    """The resolved config as YAML, in schema order; `from_yaml` reads it back."""
    return OmegaConf.to_yaml(OmegaConf.create(resolved(config)))


def from_yaml(text: str) -> RunConfig:
    """The config a run was started with, from its `config.yaml`; as strict as the command line."""
    try:
        values = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"not a config: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"not a config: wanted is a mapping, got {type(values).__name__}")
    return typed(plain_values(values))


__all__ = ["ConfigSource", "from_yaml", "load_config", "resolved", "shipped_options", "show_config", "to_yaml", "typed"]
