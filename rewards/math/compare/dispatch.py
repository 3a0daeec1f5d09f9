"""Which comparison applies: the gold answer decides the type."""

from __future__ import annotations

from grpo.rewards.math.compare.ellipsis import written_out
from grpo.rewards.math.compare.ratios import is_ratio, same_ratio
from grpo.rewards.math.compare.realsets import ALL_REALS as ALL_REALS_SET
from grpo.rewards.math.compare.realsets import real_set, same_real_set
from grpo.rewards.math.compare.relations import gold_relation, is_equality, name_of, restated
from grpo.rewards.math.compare.values import Outcome, approximate, same_value
from grpo.rewards.math.limits import MAX_ITEMS, TooHardError
from grpo.rewards.math.tables import ALL_REALS, NO_SOLUTION, NUMBER_WORDS, UNIT_LETTERS
from grpo.rewards.math.tree import (
    EMPTY_SET,
    Apply,
    Group,
    Matrix,
    Node,
    Number,
    Relation,
    Symbol,
    Words,
    contains,
    replace_operation,
)


def equivalent(gold: Node, answer: Node) -> Outcome:
    """Whether an answer means what the gold means, and the stage that decided.

    Raises:
        TooHardError: an estimate says that a bound on the work would be exceeded.
    """
    gold, answer = settle(gold), settle(answer)
    if gold == answer:
        return True, "structure"
    if is_value(gold) and is_value(answer):
        if is_ratio(gold) or is_ratio(answer):
            return same_ratio(gold, answer), "structure"
        outcome = same_value(gold, answer)
        return outcome if outcome[0] else _without_unit(gold, answer, outcome)
    return _equal(gold, answer), "structure"


def _without_unit(gold: Node, answer: Node, outcome: Outcome) -> Outcome:
    """`10 m` against 10: letters after a number are its unit when the other side is a number without one."""
    for value, other in ((gold, answer), (answer, gold)):
        bare = _number_of(other) if isinstance(value, Number) else None
        if bare is not None:
            return same_value(value, bare)
    return outcome


def _number_of(node: Node) -> Node | None:
    """The number of a number times or over units written as plain letters, `9.8 m/s^2`; None for anything else."""
    if isinstance(node, Number):
        return node
    if not isinstance(node, Apply) or not node.args:
        return None
    if node.head == "negate":
        inner = _number_of(node.args[0])
        return None if inner is None else Apply("negate", (inner,))
    if node.head in ("multiply", "divide") and _is_unit(node.args[1]):
        return _number_of(node.args[0])
    return None


def _is_unit(node: Node) -> bool:
    if isinstance(node, Apply) and node.head == "power":
        return _is_unit(node.args[0])
    return isinstance(node, Symbol) and node.name in UNIT_LETTERS


def is_value(node: Node) -> bool:
    """Whether it is one number or expression."""
    if isinstance(node, (Number, Symbol)):
        return True
    return isinstance(node, Apply) and node.head not in ("union", "intersection", "difference", "such_that")


def settle(node: Node) -> Node:
    """Both signs of `±` written out as items, a one-item group as its item, and a unit set product flattened."""
    if contains(node, "pm") or contains(node, "mp"):
        node = _both_signs(node)
    if isinstance(node, Group):
        node = written_out(node)
    if isinstance(node, Group) and not node.opening and len(node.items) == 1:
        return node.items[0]
    return node


def _both_signs(node: Node) -> Node:
    if isinstance(node, Group) and node.opening in ("", "{"):
        items: list[Node] = []
        for item in node.items:
            expanded = _both_signs(item) if contains(item, "pm") or contains(item, "mp") else item
            items.extend(expanded.items if isinstance(expanded, Group) and not expanded.opening else (expanded,))
        return Group(node.opening, node.closing, tuple(items), node.joiner)
    upper = replace_operation(replace_operation(node, "pm", "add"), "mp", "subtract")
    lower = replace_operation(replace_operation(node, "pm", "subtract"), "mp", "add")
    return Group("", "", (upper, lower), "or")


def _same(gold: Node, answer: Node) -> bool:
    return equivalent(gold, answer)[0]


def _equal(gold: Node, answer: Node) -> bool:
    if isinstance(gold, Words) or isinstance(answer, Words):
        return _words(gold, answer)
    if isinstance(gold, Relation):
        return gold_relation(gold, answer, _same)
    if isinstance(answer, Relation):
        conditions = isinstance(gold, Group) and not gold.opening and _all_relations(gold)
        return (conditions and same_real_set(gold, answer)) or _stated(gold, answer)
    if isinstance(gold, Matrix) or isinstance(answer, Matrix):
        return _matrices(gold, answer)
    if isinstance(gold, Group) and isinstance(answer, Group):
        return _groups(gold, answer)
    if isinstance(gold, Group) and gold.opening == "{" and len(gold.items) == 1 and is_value(answer):
        return _same(gold.items[0], answer)
    if isinstance(answer, Group) and answer.opening == "{" and len(answer.items) == 1 and is_value(gold):
        return _same(gold, answer.items[0])
    if isinstance(answer, Group) and answer.joiner == "or" and not answer.opening and is_value(gold):
        return all(_same(gold, item) for item in answer.items)  # one value in two spellings
    return _sets(gold, answer)


def _words(gold: Node, answer: Node) -> bool:
    if isinstance(gold, Words) and isinstance(answer, Words):
        return gold.text.lower() == answer.text.lower()
    for words, other in ((gold, answer), (answer, gold)):
        if isinstance(words, Words) and words.text.lower() in ALL_REALS:
            return real_set(other) == ALL_REALS_SET
    if gold == EMPTY_SET or answer == EMPTY_SET:
        words = answer if gold == EMPTY_SET else gold
        return isinstance(words, Words) and words.text.lower() in NO_SOLUTION
    if isinstance(answer, Symbol) or isinstance(gold, Symbol):
        names = {node.text if isinstance(node, Words) else getattr(node, "name", "") for node in (gold, answer)}
        return len(names) == 1
    if isinstance(answer, Words) and isinstance(gold, Number):
        return NUMBER_WORDS.get(answer.text.lower()) == gold.value
    if isinstance(gold, Words) and isinstance(answer, Number):
        return NUMBER_WORDS.get(gold.text.lower()) == answer.value
    if isinstance(answer, Relation) and isinstance(gold, Words) and is_equality(answer):
        return any(_same(gold, value) for value in answer.terms[1:])
    return False


def _stated(gold: Node, answer: Relation) -> bool:
    """An answer that states a value or a set: `y = 7`, `x ∈ [1, 2)`. An inequality meets no gold but a relation."""
    if answer.operators == ("in",):
        return _same(gold, answer.terms[1])
    values = restated(answer)
    if values is None or (name_of(answer) is None and len(values) < 2):
        return False
    return any(_same(gold, value) for value in values)


def _matrices(gold: Node, answer: Node) -> bool:
    left, right = _rows(gold), _rows(answer)
    if left is None or right is None:
        return False
    if not (isinstance(gold, Matrix) and isinstance(answer, Matrix)):
        # A vector may be written as a tuple, whichever way the matrix stands.
        if isinstance(gold, Matrix) and len(right) == 1 and len(left[0]) == 1:
            left = (tuple(row[0] for row in left),)
        if isinstance(answer, Matrix) and len(left) == 1 and len(right[0]) == 1:
            right = (tuple(row[0] for row in right),)
    elif gold.kind != answer.kind:
        return False
    if len(left) != len(right) or any(len(a) != len(b) for a, b in zip(left, right, strict=True)):
        return False
    return all(_same(a, b) for row in zip(left, right, strict=True) for a, b in zip(*row, strict=True))


def _rows(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    if isinstance(node, Matrix):
        return node.rows
    if not isinstance(node, Group) or node.opening not in ("(", "[", "<"):
        return None
    if all(isinstance(item, Group) and item.opening in ("(", "[") for item in node.items):
        return tuple(item.items for item in node.items if isinstance(item, Group))
    return (node.items,)


def _groups(gold: Group, answer: Group) -> bool:
    ordered = ("(", "[", "<")
    if gold.opening in ordered and answer.opening in ordered:
        if len(gold.items) == 2 and not _same_brackets(gold, answer) and not _is_descending(gold):
            return False
        return _in_order(gold.items, answer.items)
    if gold.opening in ordered:
        return gold.opening != "[" and gold.closing != "]" and not answer.opening and _coordinates(gold, answer)
    if answer.opening in ordered:
        if gold.opening or (answer.opening, answer.closing) != ("(", ")"):
            return False
        return _coordinates(answer, gold) if _all_relations(gold) else _any_order(gold.items, answer.items)
    if not _other_condition(gold, answer) and _any_order(gold.items, answer.items):
        return True
    if _all_relations(gold) or not (_plain_items(gold) and _plain_items(answer)):
        return not (_all_relations(answer) and not _all_relations(gold)) and _sets(gold, answer)
    return False


def _other_condition(gold: Group, answer: Group) -> bool:
    """Whether one list of inequalities says "or" and the other does not."""
    conditions = any(isinstance(item, Relation) and not is_equality(item) for item in gold.items)
    return conditions and (gold.joiner == "or") != (answer.joiner == "or")


def _plain_items(group: Group) -> bool:
    return all(is_value(item) for item in group.items)


def _all_relations(group: Group) -> bool:
    return all(isinstance(item, Relation) for item in group.items)


def _is_descending(pair: Group) -> bool:
    """Whether a pair cannot be an interval, so that its brackets do not matter."""
    low, high = approximate(pair.items[0]), approximate(pair.items[1])
    return low is not None and high is not None and bool(low > high)


def _same_brackets(gold: Group, answer: Group) -> bool:
    pairs = {("<", ">"): ("(", ")")}
    left, right = (gold.opening, gold.closing), (answer.opening, answer.closing)
    return pairs.get(left, left) == pairs.get(right, right)


def _coordinates(gold: Group, answer: Group) -> bool:
    """A bare list for a tuple: the same order; or an assignment for each coordinate, `x = 1, y = 2`."""
    if not _all_relations(answer):
        return _in_order(gold.items, answer.items)
    names = [name_of(item) for item in answer.items if isinstance(item, Relation) and is_equality(item)]
    if any(not isinstance(name, Symbol) for name in names) or len(set(names)) != len(gold.items):
        return False
    ranked = sorted(answer.items, key=lambda item: str(name_of(item)) if isinstance(item, Relation) else "")
    return _in_order(gold.items, tuple(ranked))


def _in_order(gold: tuple[Node, ...], answer: tuple[Node, ...]) -> bool:
    return len(gold) == len(answer) and all(_same(a, b) for a, b in zip(gold, answer, strict=True))


def _any_order(gold: tuple[Node, ...], answer: tuple[Node, ...]) -> bool:
    """Each item of one matched with one of the other. Equality is transitive, so taking the first match is enough."""
    if len(gold) != len(answer):
        return False
    if len(gold) > MAX_ITEMS:
        if _in_order(gold, answer):
            return True
        raise TooHardError("too many items")
    left = list(answer)
    for item in gold:
        found = next((index for index, other in enumerate(left) if _same(item, other)), None)
        if found is None:
            return False
        del left[found]
    return True


def _sets(gold: Node, answer: Node) -> bool:
    if is_value(gold) and not _set_like(gold):
        return False
    if same_real_set(gold, answer):
        return True
    if isinstance(gold, Apply) and isinstance(answer, Apply) and gold.head == answer.head == "union":
        return _any_order(gold.args, answer.args)
    return False


def _set_like(node: Node) -> bool:
    return node == Symbol("set R") or real_set(node) is not None
