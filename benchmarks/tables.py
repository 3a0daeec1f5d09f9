"""`python -m benchmarks.tables [--check]`: writes the tables of docs/performance.md from benchmarks/results/*.json.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; the prose around it is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning_tables import algorithms_table, race_table
from benchmarks.own_tables import estimate_table, optimizer_table, quality_table
from benchmarks.recipe_tables import improvement_table, language_table
from benchmarks.record import RESULTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MISSING = "*Not measured yet.*"
MEBI = 2**20
Table = Callable[[Mapping[str, Any]], Iterator[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the page, or with `--check` say whether it is up to date (1: it is not)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before, read_results(RESULTS))
    if before == after:
        return 0
    if options.check:
        print(f"{PAGE.name} is not what the results say: python -m benchmarks.tables", file=sys.stderr)
        return 1
    PAGE.write_text(after, encoding="utf-8")
    return 0


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Every result file by its name without the ending, sorted."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def filled(page: str, results: Mapping[str, dict[str, Any]]) -> str:
    """The page with every table as the results have it. Raises ValueError for a marker nobody fills."""

    def table(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise ValueError(f"docs/performance.md asks for table {match[2]!r}; known are {', '.join(TABLES)}")
        kind, make = TABLES[match[2]]
        records = [record for record in results.values() if record["benchmark"] == kind]
        text = "\n\n".join("\n".join(make(record)) for record in records) or MISSING
        return f"{match[1]}{text}\n{match[3]}"

    return MARKED.sub(table, page)


def source(record: Mapping[str, Any]) -> str:
    """Where and with what a table was measured."""
    machine, versions = record["machine"], record["versions"]
    place = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    wanted = ("python", "torch", "transformers", "triton", "trl", "liger-kernel", "cut-cross-entropy")
    named = ", ".join(f"{name} {versions[name]}" for name in wanted if name in versions)
    return (
        f"{place}, {machine['threads']} of {machine['cores']} cores; {named}; "
        f"commit `{str(record['commit'])[:12]}`, seed {record['seed']}."
    )


def head_table(record: Mapping[str, Any]) -> Iterator[str]:
    yield source(record)
    for case in record["cases"]:
        yield from _head_case(case)


def _head_case(case: Mapping[str, Any]) -> Iterator[str]:
    shape, bars, bare = case["shape"], case["bars"], case["bare_products"]["seconds"]
    yield f"\n**T {shape['tokens']:,}, H {shape['hidden']}, V {shape['vocab']:,}, {shape['dtype']}**\n"
    yield "| | seconds | × bare products | effective TFLOP/s | extra MiB | gradient error | rounds |"
    yield "|---|---|---|---|---|---|---|"
    products = 6.0 * shape["tokens"] * shape["hidden"] * shape["vocab"] / 1e12
    rate = _number(products / bare["median"])
    yield f"| three bare matrix products | {_number(bare['median'])} | 1 | {rate} | | | {bare['repeats']} |"
    for row in case["rows"].values():
        if "seconds" not in row:
            yield f"| {row['title']} | {row['status']}: {_cell(row['reason'])} | | | | | |"
            continue
        median = row["seconds"]["median"]
        memory = f"{row['memory']['extra_bytes'] / MEBI:,.0f}" if "extra_bytes" in row["memory"] else "failed"
        figures = [
            _number(median),
            f"{median / bare['median']:.2f}",
            _number(products / median),
            memory,
            f"{row['gate']['difference']:.1e}",
            str(row["seconds"]["repeats"]),
        ]
        yield f"| {row['title']} | {' | '.join(figures)} |"
    yield ""
    memory = _verdict("memory", bars.get("bytes"), bars["allowed_bytes"], "MiB", MEBI)
    yield f"Ours: {_speed(bars)}; {memory}."


def _speed(bars: Mapping[str, Any]) -> str:
    if "wanted_tera" not in bars:
        return _verdict("time", bars.get("time_over_bare"), bars["allowed_time"], "times the bare products")
    met = "at least" if bars["time_met"] else "**below**"
    return f"{_number(bars['tera'])} TFLOP/s, {met} the {bars['wanted_tera']} wanted"


def _verdict(name: str, found: float | None, allowed: float, unit: str, scale: float = 1.0) -> str:
    if found is None:
        return f"{name} not measured"
    met = "within" if found <= allowed else "**above**"
    return f"{name} {_number(found / scale)}, {met} the {_number(allowed / scale)} {unit}"


def update_table(record: Mapping[str, Any]) -> Iterator[str]:
    yield source(record)
    for name, case in record["cases"].items():
        yield from _update_case(record["model_name"], name, case)


def _update_case(model: str, name: str, case: Mapping[str, Any]) -> Iterator[str]:
    shared, lengths = case["shared"], case["lengths"]
    yield (
        f"\n**{name}: {model} shape ({case['model']['parameters'] / 1e6:,.0f} M parameters), {shared['dtype']}, "
        f"activations: {shared['activations']}; prompt {lengths['prompt']}, completions "
        f"{', '.join(map(str, lengths['completions']))}**\n"
    )
    yield "| | seconds | extra MiB | MiB over imports | gradient error | rounds |"
    yield "|---|---|---|---|---|---|"
    for row in case["rows"]:
        title = f"{SIDES[row['side']]}, {_setting(row.get('setting', {}))}"
        if row["status"] != "passed":
            yield f"| {title} | {row['status']}: {_cell(row['reason'])} | | | | |"
            continue
        times = row["seconds"] if "seconds" in row else row["trial_seconds"]
        mark = "" if "seconds" in row else " (trial)"
        memory = row["memory"]
        yield (
            f"| {title} | {_number(times['median'])}{mark} | {memory['extra_bytes'] / MEBI:,.0f} | "
            f"{memory['over_post_import_bytes'] / MEBI:,.0f} | {row['gate']['difference']:.1e} | {times['repeats']} |"
        )
    bars = case["bars"]
    yield ""
    if bars["time_met"] is None:
        yield "No ratio: one side has no figure."
        return
    time, memory = _ratio(bars, "time"), _ratio(bars, "memory_at_fastest")
    setting = _setting(_final(case["rows"], "ours")["setting"])
    yield (
        f"Ours at one setting, {setting}, against TRL at its fastest: {time} of the time, {memory} of the extra memory "
        f"({bars['memory_at_least']:.2f} of the least that any of TRL's settings needs)."
    )
    yield from _at_our_fastest(case["rows"])


def _at_our_fastest(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Our setting that needs least time, with the same optimizer, against TRL's fastest."""
    quick, fastest = min(_compared(rows, "ours"), key=_seconds), _final(rows, "trl")
    time = _seconds(quick) / _seconds(fastest)
    yield (
        f"\nOurs at its fastest, {_setting(quick['setting'])}: {time:.2f} of the time and "
        f"{_extra(quick) / _extra(fastest):.2f} of the extra memory of TRL's fastest."
    )


def _final(rows: Sequence[Mapping[str, Any]], side: str) -> Mapping[str, Any]:
    return next(row for row in _compared(rows, side) if "seconds" in row)


def _compared(rows: Sequence[Mapping[str, Any]], side: str) -> list[Mapping[str, Any]]:
    passed = [row for row in rows if row["side"] == side and row["status"] == "passed"]
    return [row for row in passed if "optimizer" not in row["setting"]]


def _extra(row: Mapping[str, Any]) -> float:
    return float(row["memory"]["extra_bytes"])


def _seconds(row: Mapping[str, Any]) -> float:
    return float((row["seconds"] if "seconds" in row else row["trial_seconds"])["median"])


SIDES = {"ours": "ours", "trl": "TRL GRPOTrainer"}


def _ratio(bars: Mapping[str, Any], name: str) -> str:
    return f"{bars[name]:.2f}" if bars[name] <= bars["allowed"] else f"**{bars[name]:.2f}** (wanted {bars['allowed']})"


def _setting(setting: Mapping[str, Any]) -> str:
    """Micro-batches are ours by tokens, TRL's by completions."""
    unit = "tokens" if "attention" in setting else "completions"
    words = {"micro_batch": f"micro-batches of {{:,}} {unit}", "attention": "{}", "optimizer": "{}"}
    return ", ".join(words[key].format(value) for key, value in setting.items())


def gpu_table(record: Mapping[str, Any]) -> Iterator[str]:
    yield source(record)
    for name, section in record["sections"].items():
        if section["status"] != "measured":
            yield f"\n**{name}**: {section['status']}, {_cell(section['reason'])}"
            continue
        for case in section.get("head_cases", ()):
            yield from _head_case(case)
        for title, case in section.get("update_cases", {}).items():
            yield from _update_case(section["model_name"], title, case)
        if "lines" in section:
            yield "\n".join((f"\n**{name}**\n", "```text", *section["lines"], "```"))


def with_source(make: Table) -> Table:
    """The same table below the line that says where it was measured."""

    def table(record: Mapping[str, Any]) -> Iterator[str]:
        yield source(record)
        yield from make(record)

    return table


TABLES: dict[str, tuple[str, Table]] = {
    "head": ("head", head_table),
    "update": ("update", update_table),
    "optimizer": ("optimizer", with_source(optimizer_table)),
    "quality": ("optimizer_quality", with_source(quality_table)),
    "estimate": ("memory_estimate", with_source(estimate_table)),
    "algorithms": ("algorithms", with_source(algorithms_table)),
    "race": ("race", with_source(race_table)),
    "language": ("language", with_source(language_table)),
    "improvement": ("improvement", with_source(improvement_table)),
    "gpu": ("gpu", gpu_table),
}
"""Name of a marker → the kind of record it shows, and how."""


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "/").split())[:160]


if __name__ == "__main__":
    sys.exit(main())
