"""The part of a model card on data: what stages were given, what the run made, and what it had seen of the problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grpo.publish.facts import CardFacts
from grpo.publish.markdown import code, settings, table
from grpo.publish.public import public
from grpo.report.data_sets import DataSet, data_sets
from grpo.report.read import mapping, number, sequence, text
from grpo.report.text import MISSING, count, percent

PROMPT_KEYS = frozenset({"system_prompt", "prompt_template"})
SOURCE_KEYS = frozenset({"source", "arithmetic", "on_bad_row"})


def data_section(facts: CardFacts) -> str:
    """Source, rows and seeds of every stage that trains or evaluates; data sets made; contamination where measured."""
    users: dict[str, list[str]] = {}
    for name, stage in facts.stages.items():
        if text(stage.get("kind")) != "export":
            origin = text(stage.get("data_from"))
            before = f"rows from {code(origin)}; " if origin not in ("", "base") else ""
            users.setdefault(before + _data(mapping(stage.get("data"))), []).append(code(name))
    lines = [f"- {', '.join(names)}: {what}\n" for what, names in users.items()]
    seeds = f"\nSeed of the run: {text(facts.run.summary.get('seed', facts.config.get('seed')))}.\n"
    made = "".join(_data_set(one) for one in data_sets(facts.run))
    return "".join(["## Data\n\n", *lines, seeds, made, _contamination(facts)])


def _data(data: Mapping[str, Any]) -> str:
    if data.get("source") == "files":
        kept = {key: value for key, value in data.items() if key not in SOURCE_KEYS | PROMPT_KEYS}
        return settings(kept)
    source = text(data.get("source"))
    return f"generated, {code(source)}: {settings(mapping(data.get(source)))}, {settings(_most(data))}"


def _most(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in ("rows", "eval_rows") if key in data}


def _data_set(one: DataSet) -> str:
    rows = table(("completions", "number", "share of sampled"), one.rows())
    facts = "".join(f"- {what}: {public(words)}\n" for what, words in one.facts() if words)
    where = f"- file: {code(one.file)} in the run's folder, not in this one\n" if one.file else ""
    digest = f"- SHA-256 of the file: {code(one.sha256)}\n" if one.sha256 else ""
    return f"\n### Data set {code(one.stage)}\n\n{rows}\n{facts}{where}{digest}"


def _contamination(facts: CardFacts) -> str:
    """How many held-out problems each evaluation's model may have seen in training; nothing where none was checked."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for raw in sequence(facts.run.summary.get("eval")):
        entry = mapping(raw)
        if number(mapping(entry.get("contamination")).get("share")) is not None:
            found.setdefault(text(entry.get("stage")), []).append(entry)
    if not found:
        return ""
    words = number(mapping(next(iter(found.values()))[0].get("contamination")).get("ngram_words"))
    in_a_row = (f"{count(words)} words in a row",) if words else ()  # None: generated problems are compared whole
    rule = ", or ".join(("the same text", *in_a_row))
    title = "\n### Training problems among the held-out ones\n\n"
    sizes = {stage: _seen(entries[0], "share") for stage, entries in found.items()}
    if all(seen == 0 for seen, _ in sizes.values()):
        by_size: dict[str, list[str]] = {}
        for stage, (_, problems) in sizes.items():
            by_size.setdefault(f"0 of {count(problems)} in", []).append(code(stage))
        each = "; ".join(f"{size} {', '.join(stages)}" for size, stages in by_size.items())
        return f"{title}None was found ({rule}): {each}.\n"
    head = ("evaluation", "mode", "found in training", "same text", *in_a_row, "accuracy without them")
    rows = [_row(stage, entry, bool(words)) for stage, entries in found.items() for entry in entries]
    return f"{title}Found: {rule}, in what earlier stages were trained on.\n\n{table(head, rows)}"


def _seen(entry: Mapping[str, Any], key: str) -> tuple[int, float | None]:
    """How many problems, and of how many."""
    share, problems = number(mapping(entry.get("contamination")).get(key)), number(entry.get("n"))
    return round((share or 0.0) * (problems or 0.0)), problems


def _row(stage: str, entry: Mapping[str, Any], in_a_row: bool) -> tuple[str, ...]:
    (seen, problems), (exact, _), (ngram, _) = (_seen(entry, key) for key in ("share", "exact", "ngram"))
    found = mapping(entry.get("contamination"))
    share = f"{seen} of {count(problems)} ({percent(number(found.get('share')))})"
    clean = number(found.get("accuracy_clean"))
    without = MISSING if clean is None else f"{percent(clean)}, with them {percent(number(entry.get('accuracy')))}"
    return code(stage), text(entry.get("mode")), share, str(exact), *([str(ngram)] if in_a_row else []), without
