"""Turns what Hydra and OmegaConf raise into one message: the key, the value, and what would be valid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hydra.errors import MissingConfigException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from grpo.config.errors import unknown, unknown_key
from grpo.config.overrides import GROUP_NAMES

TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "List[str]": "a list of texts, as [a,b]",
    "List[float]": "a list of numbers, as [1.0,0.5]",
    "group": "a mapping of further keys",
    "Dict[str, Any]": "a mapping, as {name: {key: value}}",
}
"""Schema types as people say them."""


def explain(
    error: Exception, overrides: Sequence[str], keys: Mapping[str, str], options: Mapping[str, list[str]]
) -> str:
    """One message for a failed composition.

    keys: every valid dotted key with its type; options: every config group with its options.
    """
    if isinstance(error, MissingConfigException):
        return missing_option(error, options)
    stray = next((name for name in map(key_of, overrides) if "@" not in name and is_stray(name, keys)), None)
    if stray is not None:
        return unknown_name(stray, overrides, keys)
    cause = root_cause(error)
    key = str(cause.full_key or "") if cause is not None else ""
    if isinstance(cause, (ConfigKeyError, ConfigAttributeError)) and key:
        return in_file(error) + unknown_name(key, overrides, keys)
    if isinstance(cause, ValidationError) and key:
        return in_file(error) + wrong_type(key, cause, overrides, keys)
    if isinstance(cause, MissingMandatoryValue):
        return f"{key}: no value is set; give it one"
    return plain(error, overrides)


def key_of(override: str) -> str:
    """The key an override as typed sets, without `+`, `++` and `~`."""
    return override.lstrip("+~").partition("=")[0]


def is_stray(name: str, keys: Mapping[str, str]) -> bool:
    """Whether no knob, slice or group has this name; Hydra's own settings are not ours to judge."""
    known = name in keys or name in GROUP_NAMES or below_open(name, keys)
    return not known and not name.startswith(("hydra.", "hydra/"))


def below_open(name: str, keys: Mapping[str, str]) -> bool:
    """Whether a key lies inside a knob that is a mapping of the user's own keys."""
    parts = name.split(".")
    return any(keys.get(".".join(parts[:end]), "").startswith("Dict[") for end in range(1, len(parts)))


def root_cause(error: BaseException | None) -> OmegaConfBaseException | None:
    """The deepest OmegaConf error behind another that knows its key, if there is one."""
    found = None
    while error is not None:
        if isinstance(error, OmegaConfBaseException) and error.full_key:
            found = error
        # Hydra wraps errors of files without `from`: they are in the context only.
        error = error.__cause__ or error.__context__
    return found


def in_file(error: Exception) -> str:
    """`In 'experiment/mine': ` when the mistake stands in a file and not on the command line."""
    first = str(error).splitlines()[0]
    return first.partition("': ")[0] + "': " if first.startswith("In '") else ""


def given(key: str, overrides: Iterable[str]) -> str | None:
    """The override as typed that sets this key, a parent of it or a child of it."""
    for text in overrides:
        name = key_of(text)
        if name == key or name.startswith(key + ".") or key.startswith(name + "."):
            return text
    return None


def unknown_name(key: str, overrides: Iterable[str], keys: Mapping[str, str]) -> str:
    """`unknown key a.b; did you mean a.c?`, or the same for a stage."""
    text = given(key, overrides)
    name = max(key, key_of(text), key=len) if text is not None else key
    stages = sorted({path.split(".")[1] for path in keys if path.startswith("stages.")})
    if name.startswith("stages.") and name.split(".")[1] not in stages:
        message = unknown("stage", name.split(".")[1], stages, stages)
        return f"{message}; add one with +stage@stages.{name.split('.')[1]}=reinforce" + (f" ({text})" if text else "")
    return unknown_key(name, keys, GROUP_NAMES)


def wrong_type(key: str, cause: OmegaConfBaseException, overrides: Iterable[str], keys: Mapping[str, str]) -> str:
    """`algorithm.lr='abc' (str): wanted is a number`."""
    whole = key.partition("[")[0]
    kind = keys.get(key, keys.get(whole, ""))
    optional = kind.startswith("Optional[")
    inner = kind[len("Optional[") : -1] if optional else kind
    wanted = TYPE_WORDS.get(inner, inner or "another type") + (" or null" if optional else "")
    value = cause.value
    text = given(key, overrides) or given(whole, overrides)
    shown = text if text is not None else f"{key}={value!r}"
    return f"{shown}: {key} wants {wanted}, got {value!r} ({type(value).__name__})"


def missing_option(error: MissingConfigException, options: Mapping[str, list[str]]) -> str:
    """`unknown option 'foo' of group model; options: hf, scratch`."""
    group, _, option = str(error.missing_cfg_file or "").rpartition("/")
    listed = options.get(group) or [name for name in (error.options or []) if not name.startswith("base_")]
    if group:
        return unknown(f"option of group {group}:", option, listed, listed)
    return str(error).splitlines()[0]


def plain(error: Exception, overrides: Iterable[str]) -> str:
    """The first lines of any other error, without hints that add dead keys."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("To append")]
    for text in overrides:
        group, _, package = key_of(text).partition("@")
        if package and group not in GROUP_NAMES:
            return unknown("group", group, GROUP_NAMES, GROUP_NAMES) + f" ({text})"
        if package and f"'{group}@{package}'" in lines[0] and not text.startswith("+"):
            return f"{text}: nothing is chosen at {package} yet; add it with +{text}"
    return "; ".join(lines[:2]) if lines else type(error).__name__
