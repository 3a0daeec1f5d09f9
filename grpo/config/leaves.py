"""The schema flattened: dotted path of every knob with its type, default and explanation."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any

from grpo.config import algorithm, schema, slices, stages_data
from grpo.config.store import GROUPS, STAGE_KINDS

MODULES = (algorithm, slices, schema, stages_data)
"""Where the schema is written."""

SLICES: dict[str, type] = {
    **GROUPS,
    "logger": slices.LoggerConfig,
    "checkpoint": slices.CheckpointConfig,
    "cost": slices.CostConfig,
    "alarms": slices.AlarmsConfig,
}
"""Top-level keys of the run that are slices of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One knob."""

    path: str
    """Dotted, from the run's root; stage knobs as `stages.<name>.<knob>`."""
    type: str
    """As written in the schema."""
    default: Any
    explanation: str


@cache
def explanations() -> dict[tuple[str, str], str]:
    """(class, field) to the string written below the field."""
    found: dict[tuple[str, str], str] = {}
    for node in [node for module in MODULES for node in ast.parse(inspect.getsource(module)).body]:
        if not isinstance(node, ast.ClassDef):
            continue
        for item, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                text = (
                    after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
                )
                found[node.name, item.target.id] = " ".join(str(text).split())
    return found


def explanation(texts: Mapping[tuple[str, str], str], cls: type, name: str) -> str:
    """The explanation of a field, looked up through the class's bases; empty where there is none."""
    return next((texts[base.__name__, name] for base in cls.__mro__ if texts.get((base.__name__, name))), "")


def leaves_of(cls: type, prefix: str, skip: frozenset[str] = frozenset()) -> Iterator[Leaf]:
    """Every leaf below a schema class, depth first, without the fields named in `skip`."""
    texts = explanations()
    for item in fields(cls):
        if item.name in skip:
            continue
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        path = f"{prefix}{item.name}"
        if is_dataclass(default):
            yield from leaves_of(type(default), f"{path}.")
        else:
            kind = item.type if isinstance(item.type, str) else item.type.__name__
            yield Leaf(path=path, type=kind, default=default, explanation=explanation(texts, cls, item.name))


def all_leaves() -> list[Leaf]:
    """Every knob once: top level, then what a stage adds of its own (its slices repeat the top level's)."""
    own: dict[tuple[str, str], tuple[Leaf, list[str]]] = {}
    for kind, cls in STAGE_KINDS.items():
        for leaf in leaves_of(cls, "stages.<name>.", frozenset(GROUPS) | {"kind"}):
            own.setdefault((leaf.path, leaf.explanation), (leaf, []))[1].append(kind)
    return [
        *leaves_of(schema.RunConfig, "", frozenset({"stages"})),
        *(
            leaf if len(kinds) == len(STAGE_KINDS) else replace(leaf, explanation=f"({', '.join(kinds)}) {text}")
            for (_, text), (leaf, kinds) in own.items()
        ),
    ]


def key_tree(stages: Mapping[str, str]) -> dict[str, str]:
    """Every valid dotted key to its type (`group` for a slice), given stage names and kinds."""
    tree = {leaf.path: leaf.type for leaf in leaves_of(schema.RunConfig, "", frozenset({"stages"}))}
    for name, kind in stages.items():
        cls = STAGE_KINDS.get(kind, schema.StageConfig)
        tree |= {leaf.path: leaf.type for leaf in leaves_of(cls, f"stages.{name}.")}
    for path in list(tree):
        while "." in path:
            path = path.rpartition(".")[0]
            tree.setdefault(path, "group")
    return tree
