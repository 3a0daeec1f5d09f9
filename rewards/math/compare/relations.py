"""Equations, assignments and inequalities."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from grpo.rewards.math.compare.realsets import same_real_set
from grpo.rewards.math.compare.values import approximate, proportional, same_value, zero_minus
from grpo.rewards.math.limits import UndefinedError
from grpo.rewards.math.tree import CONSTANTS, Apply, Group, Node, Number, Relation, Symbol, Words, free_symbols

Equivalence = Callable[[Node, Node], bool]
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NAMED_FUNCTIONS = frozenset(["sin", "cos", "tan", "cot", "sec", "csc", "abs"])


def is_name(node: Node) -> bool:
    """Whether the left side of `=` only names the value: `x`, `f(2)`, `AB`, `P(A)`, `|z|`, `\\text{area}`, `(x, y)`."""
    if isinstance(node, Symbol):
        return node.name not in CONSTANTS and node.name != "infinity" and not node.name.startswith("set ")
    if isinstance(node, Words):
        return True
    if isinstance(node, Group):
        return all(isinstance(item, Symbol) for item in node.items)
    if not isinstance(node, Apply):
        return False
    if node.head in _NAMED_FUNCTIONS:
        return is_name(node.args[0])
    if node.head in ("union", "intersection"):
        return all(is_name(part) for part in node.args)
    return _is_call(node) or (node.head == "multiply" and all(
        (isinstance(part, Symbol) and (part.name[0].isupper() or part.name.startswith("\\") or part.name == "m"))
        or (isinstance(part, Apply) and is_name(part))
        for part in node.args
    ))  # fmt: skip


def _is_call(node: Apply) -> bool:
    """`f'(1)` and `f^{-1}(x)`, which read as products."""
    if node.head != "multiply" or not isinstance(node.args[1], (Symbol, Number)):
        return False
    function = node.args[0]
    if isinstance(function, Apply) and function.head == "power":
        return isinstance(function.args[0], Symbol) and function.args[1] == Number(-1)
    return isinstance(function, Symbol) and function.name.endswith("'")


def is_equality(node: Node) -> bool:
    return isinstance(node, Relation) and all(operator in ("=", "~") for operator in node.operators)


def restated(node: Relation) -> list[Node] | None:
    """The spellings of one value in `x = 6/8 = 3/4` or `√2 ≈ 1.414`; None if the chain does not state a value.

    After the name, all terms must really be equal (across `≈`, to the places shown): a false chain has no value.
    """
    if not is_equality(node):
        return None
    terms, operators = list(node.terms), list(node.operators)
    if is_name(terms[0]):
        name = terms.pop(0)
        operators.pop(0)
        while len(terms) > 1 and is_name(terms[0]):  # a = b = 3
            terms.pop(0)
            operators.pop(0)
    elif len(terms) == 2 and is_name(terms[1]):
        name = terms.pop()
        operators.pop()
    else:
        name = None
    named = frozenset() if name is None or (isinstance(name, Apply) and _is_call(name)) else free_symbols(name)
    if any(named & free_symbols(term) for term in terms):
        return None
    for left, right, operator in zip(terms, terms[1:], operators, strict=False):
        if not (same_value(left, right)[0] if operator == "=" else _about(left, right)):
            return None
    return terms


def _about(left: Node, right: Node) -> bool:
    """Whether `left ≈ right` is a true rounding: they differ by at most one unit of the last decimal place shown."""
    first, second = approximate(left), approximate(right)
    if first is None or second is None:
        return False
    places = [decimal_places(node) for node in (left, right) if isinstance(node, Number)]
    return bool(abs(first - second) <= 10.0 ** -min(places, default=2))


def decimal_places(number: Number) -> int:
    """Digits after the decimal point that the value needs, at most 15; 15 for a value that no decimal spells."""
    value = Fraction(number.value)
    return next((places for places in range(15) if (value * 10**places).denominator == 1), 15)


def name_of(node: Relation) -> Node | None:
    """The name in an assignment, or None."""
    if is_name(node.terms[0]):
        return node.terms[0]
    return node.terms[1] if len(node.terms) == 2 and is_name(node.terms[1]) else None


def gold_relation(gold: Relation, answer: Node, equivalent: Equivalence) -> bool:
    """A relation gold against any answer: a relation, the value of an assignment, or the set of an inequality."""
    if gold.operators == ("in",):
        inner = answer.terms[1] if isinstance(answer, Relation) and answer.operators == ("in",) else answer
        if gold.operators != getattr(answer, "operators", gold.operators) and isinstance(answer, Relation):
            return same_real_set(gold, answer)
        return equivalent(gold.terms[1], inner)
    if is_equality(gold):
        if isinstance(answer, Relation):
            return _same_equation(gold, answer, equivalent)
        values = restated(gold)
        if values is None or (name_of(gold) is None and len(values) < 2):
            return False
        return any(equivalent(value, answer) for value in values)
    if isinstance(answer, Relation) and _same_chain(gold, answer):
        return True
    return same_real_set(gold, answer)


def _same_equation(gold: Relation, answer: Relation, equivalent: Equivalence) -> bool:
    if not is_equality(answer):
        return False
    if len(gold.terms) == len(answer.terms) == 2:
        left, right = zero_minus(*gold.terms), zero_minus(*answer.terms)
        try:
            if proportional(left, right):
                return True
        except UndefinedError:
            pass
    gold_values, answer_values = restated(gold), restated(answer)
    if gold_values is None or answer_values is None:
        return False
    names = name_of(gold), name_of(answer)
    if names[0] is not None and names[1] is not None and not _same_name(names[0], names[1]):
        return False
    return any(equivalent(left, right) for left in gold_values for right in answer_values)


def _same_name(gold: Node, answer: Node) -> bool:
    if isinstance(gold, Words) and isinstance(answer, Words):
        return gold.text.lower() == answer.text.lower()
    if isinstance(gold, Words) or isinstance(answer, Words):
        return True
    return gold == answer


def _same_chain(gold: Relation, answer: Relation) -> bool:
    """Inequality chains side by side, read from the left or from the right, each link up to a positive factor."""
    if len(gold.terms) != len(answer.terms):
        return False
    flipped = Relation(answer.terms[::-1], tuple(_FLIPPED.get(o, o) for o in answer.operators[::-1]))
    return any(_same_links(gold, chain) for chain in (answer, flipped)) or _negated_link(gold, answer)


def _same_links(gold: Relation, answer: Relation) -> bool:
    if gold.operators != answer.operators:
        return False
    if "in" in gold.operators:
        return False
    return all(
        proportional(zero_minus(*pair[0]), zero_minus(*pair[1]), positive=operator not in ("!=", "="))
        for operator, *pair in zip(
            gold.operators,
            zip(gold.terms, gold.terms[1:], strict=False),
            zip(answer.terms, answer.terms[1:], strict=False),
            strict=False,
        )
    )


def _negated_link(gold: Relation, answer: Relation) -> bool:
    """`-x < -2` is `x > 2`: one link, the operator turned around and a negative factor."""
    if len(gold.terms) != 2 or _FLIPPED.get(gold.operators[0]) != answer.operators[0]:
        return False
    turned = Apply("subtract", (answer.terms[1], answer.terms[0]))
    return proportional(zero_minus(*gold.terms), turned, positive=True)
