"""The data sets that a run made: what was sampled, what each filter dropped, in order, and what the file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo.report.read import RunData, mapping, number, sequence, text
from grpo.report.text import count, esc, percent

SCROLL = '<div class="card scroll" role="region" aria-label="Data set" tabindex="0">'
FILTER_WORDS = {
    "failed": "not written, or not scored",
    "wrong": "the answer is not right",
    "unfinished": "cut at the token limit",
    "format": "not in the required format",
    "language": "reasoning in mixed languages",
    "long_paragraph": "a paragraph longer than 2,000 characters",
    "code_block": "a code block in the reasoning",
    "contaminated": "of a problem that an evaluation holds out",
    "duplicate": "equal to a kept one of the problem",
    "cap": "the problem has enough already",
    "solved": "of a problem that the student solves",
    "not_chosen": "of a problem that was not drawn",
}
"""Filter to what it drops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One entry of `data_sets` in `summary.json`; what it does not say is None or empty."""

    stage: str
    entry: Mapping[str, Any]
    users: tuple[str, ...]
    """Stages that train on it."""

    def figure(self, key: str) -> float | None:
        """A count of the entry."""
        return number(self.entry.get(key))

    @property
    def sampler(self) -> str:
        """A stage, a folder, a hub id, or `MODEL@URL`."""
        return text(self.entry.get("sampler"))

    @property
    def sha256(self) -> str:
        return text(self.entry.get("sha256"))

    @property
    def file(self) -> str:
        """Below the run folder."""
        return text(self.entry.get("file"))

    @property
    def rows_in_file(self) -> float | None:
        kept = self.figure("kept")
        return None if kept is None else kept + (self.figure("general") or 0.0)

    def rows(self) -> list[tuple[str, str, str]]:
        """(what, completions, share of those sampled): sampled, every filter in the order of asking, kept, the file."""
        found = [("sampled", count(self.figure("sampled")), percent(1.0))]
        for raw in sequence(self.entry.get("dropped")):
            one = mapping(raw)
            name, dropped = text(one.get("filter")), number(one.get("completions"))
            words = FILTER_WORDS.get(name)
            minus = "0" if not dropped else f"\u2212{count(dropped)}"
            found.append((f"{name}: {words}" if words else name, minus, self._share(dropped)))
        found.append(("kept", count(self.figure("kept")), self._share(self.figure("kept"))))
        if general := self.figure("general"):
            found.append(("general rows mixed in", f"+{count(general)}", ""))
            found.append(("rows in the file", count(self.rows_in_file), ""))
        return found

    def facts(self) -> list[tuple[str, str]]:
        """(what, in words) of where it comes from; the file and its hash are not among them."""
        sampling = mapping(self.entry.get("sampling"))
        k, weights = number(sampling.get("completions_per_prompt")), self.figure("weight_version")
        drawn = [f"{count(k)} completions a problem"] if k else []
        drawn += [f"{key} {value:g}" for key in ("temperature", "top_p", "top_k", "min_p", "max_tokens")
                  if (value := number(sampling.get(key)))]  # fmt: skip
        covered, problems = self.figure("problems_covered"), self.figure("problems")
        return [
            ("sampled from", self.sampler + (f", its weights after step {weights:g} of the run" if weights else "")),
            ("with", ", ".join(drawn)),
            ("problems", f"{count(covered)} of {count(problems)} have a demonstration" if problems else ""),
            ("tokens kept", count(self.figure("tokens_kept"))),
            ("trained on by", ", ".join(self.users) or "no stage of this run"),
        ]

    def _share(self, completions: float | None) -> str:
        sampled = self.figure("sampled")
        return "" if not sampled or completions is None else percent(completions / sampled)


def data_sets(run: RunData) -> list[DataSet]:
    """In the pipeline's order."""
    written, stages = mapping(run.summary.get("data_sets")), mapping(run.config.get("stages"))
    pipeline = [text(name) for name in sequence(run.config.get("pipeline"))]
    names = dict.fromkeys(name for name in (*pipeline, *written) if name in written)
    return [
        DataSet(
            stage=name,
            entry=mapping(written[name]),
            users=tuple(one for one in pipeline if mapping(stages.get(one)).get("data_from") == name),
        )
        for name in names
    ]


def data_set_tables(run: RunData) -> str:
    """A table for each; nothing for a run that made none."""
    return "".join(_table(one) for one in data_sets(run))


def _table(one: DataSet) -> str:
    rows = "".join(
        f'<tr><th scope="row">{esc(what)}</th><td class="num">{amount}</td><td class="num">{share}</td></tr>'
        for what, amount, share in one.rows()
    )
    facts = [*one.facts(), ("file", one.file), ("SHA-256", one.sha256)]
    listed = "".join(f"<div><dt>{what}</dt><dd>{esc(words)}</dd></div>" for what, words in facts if words)
    return (
        f'{SCROLL}<h3>{esc(one.stage)}</h3><dl class="facts">{listed}</dl><table><thead><tr>'
        '<th scope="col"></th><th scope="col" class="num">completions</th><th scope="col" class="num">share</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
        '<p class="caption">A completion is counted at the first filter that drops it, in this order.</p></div>'
    )
