"""The immutable expression tree that the parser builds and everything else reads. Plain data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Number:
    """A rational literal. `decimal`: written with a decimal point, so it is compared with a tolerance."""

    value: int | Fraction
    decimal: bool = False


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable, a named point or a constant: `x`, `x_{1}`, `pi`, `e`, `i`, `infinity`."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on arguments: `add`, `multiply`, `power`, `sin`, `union`, …"""

    head: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Text inside maths; a unit of measure when it follows a value."""

    text: str
    is_text: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain such as `1 < x <= 5`: terms, and one operator fewer (`=`, `<`, `<=`, `>`, `>=`, `!=`, `~`, `in`)."""

    terms: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Several items. `opening` is `(`, `[`, `{`, `<`, or empty for a bare list; `joiner` is `,`, `and` or `or`."""

    opening: str
    closing: str
    items: tuple[Node, ...]
    joiner: str = ","


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length. `kind` is the delimiter: `matrix` for any bracket, `vmatrix` for a determinant."""

    rows: tuple[tuple[Node, ...], ...]
    kind: str = "matrix"


Node: TypeAlias = Number | Symbol | Apply | Words | Relation | Group | Matrix

PI, EULER, IMAGINARY, INFINITY = Symbol("pi"), Symbol("e"), Symbol("i"), Symbol("infinity")
EMPTY_SET = Group("{", "}", ())
CONSTANTS = frozenset({"pi", "e", "i"})


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node."""
    if isinstance(node, Apply):
        return node.args
    if isinstance(node, Relation):
        return node.terms
    if isinstance(node, Group):
        return node.items
    if isinstance(node, Matrix):
        return tuple(cell for row in node.rows for cell in row)
    return ()


def depth_exceeds(node: Node, most: int) -> bool:
    """Whether a tree has more than this many levels; level by level, so without recursion."""
    level: tuple[Node, ...] = (node,)
    for _ in range(most):
        level = tuple(child for parent in level for child in children(parent))
        if not level:
            return False
    return True


def free_symbols(node: Node) -> frozenset[str]:
    """Names of the variables in a tree; bound indices of sums are none."""
    if isinstance(node, Symbol):
        return frozenset() if node.name in CONSTANTS else frozenset({node.name})
    found: frozenset[str] = frozenset()
    for child in children(node):
        found |= free_symbols(child)
    if isinstance(node, Apply) and node.head in ("sum", "product") and isinstance(node.args[0], Symbol):
        found -= {node.args[0].name}
    return found


def has_decimal(node: Node) -> bool:
    """Whether any literal in the tree was written with a decimal point."""
    return node.decimal if isinstance(node, Number) else any(has_decimal(child) for child in children(node))


def contains(node: Node, head: str) -> bool:
    """Whether an operation occurs anywhere in the tree."""
    return (isinstance(node, Apply) and node.head == head) or any(contains(child, head) for child in children(node))


def replace_operation(node: Node, head: str, substitute: str) -> Node:
    """The tree with every `head` operation renamed; with an empty name it is replaced by its first argument."""
    if isinstance(node, Apply):
        args = tuple(replace_operation(child, head, substitute) for child in node.args)
        if node.head != head:
            return Apply(node.head, args)
        return Apply(substitute, args) if substitute else args[0]
    if isinstance(node, Relation):
        return Relation(tuple(replace_operation(child, head, substitute) for child in node.terms), node.operators)
    if isinstance(node, Group):
        items = tuple(replace_operation(child, head, substitute) for child in node.items)
        return Group(node.opening, node.closing, items, node.joiner)
    if isinstance(node, Matrix):
        rows = tuple(tuple(replace_operation(cell, head, substitute) for cell in row) for row in node.rows)
        return Matrix(rows, node.kind)
    return node
