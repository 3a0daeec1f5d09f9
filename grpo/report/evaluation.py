"""Every evaluation in full: avg@k, pass@k, maj@k, the other rewards, and which held-out problems were trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.report.cost import SCROLL
from grpo.report.read import RunData, interval, mapping, number, sequence, text
from grpo.report.text import MISSING, count, esc, percent, reward

HEADS = ("problems × samples", "avg@k", "pass@k", "maj@k", "std between samples", "trained on", "accuracy without")


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardMean:
    """A reward function's mean over the problems of an evaluation."""

    mean: float
    low: float | None
    high: float | None
    problems: float | None
    """Those to which it gave a value."""

    @property
    def interval(self) -> str:
        """`0.559 to 0.629`, or nothing."""
        return f"{reward(self.low)} to {reward(self.high)}" if self.low is not None and self.high is not None else ""


def reward_of(entry: Mapping[str, Any], name: str) -> RewardMean | None:
    """What an entry of `eval` says of a reward function; None when it says nothing."""
    found = mapping(mapping(entry.get("rewards")).get(name))
    mean, (low, high) = number(found.get("mean")), interval(found.get("ci95"))
    if mean is None:
        return None
    return RewardMean(mean=mean, low=low, high=high, problems=number(found.get("n")))


def reward_names(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Reward functions of which some entry has a mean; the first function is not among them, it is the accuracy."""
    names = dict.fromkeys(name for entry in entries for name in mapping(entry.get("rewards")))
    return [name for name in names if any(reward_of(entry, name) for entry in entries)]


def evaluation_table(run: RunData) -> str:
    """A row per evaluation and mode; nothing where the summary has none with these figures."""
    entries = [mapping(raw) for raw in sequence(run.summary.get("eval"))]
    entries = [one for one in entries if any(key in one for key in ("maj_at_k", "contamination", "rewards"))]
    if not entries:
        return ""
    names = reward_names(entries)
    table = [(_name(entry), _cells(entry, names)) for entry in entries]
    heads = (*HEADS, *names)
    shown = [place for place in range(len(heads)) if any(cells[place] != MISSING for _, cells in table)]
    head = "".join(f'<th scope="col" class="num">{esc(heads[place])}</th>' for place in shown)
    rows = "".join(_row(name, [cells[place] for place in shown]) for name, cells in table)
    rewards = " The last columns are means of the other reward functions." if names else ""
    return (
        f"{SCROLL}<table><caption>All evaluations, with 95 % intervals</caption>"
        f'<thead><tr><th scope="col">stage</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        '<p class="hint">avg@k is the mean over k samples of each problem, pass@k the share of problems of which at '
        "least one of k samples is right, maj@k that of which the most common answer is. Each sample has a seed of its "
        "own, so the deviation between samples is that between seeds. Trained on: problems that share 10 words in a "
        f"row (generated ones: the whole text) with training problems.{rewards}</p>"
    )


def _name(entry: Mapping[str, Any]) -> str:
    return esc(f"{text(entry.get('stage'))}, {text(entry.get('mode'))}")


def _row(name: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{name}</th>' + "".join(f'<td class="num">{cell}</td>' for cell in cells) + "</tr>"


def _cells(entry: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """One for each of `HEADS`, and of the rewards' names."""
    samples = number(entry.get("samples_per_problem"))
    size = f"{count(number(entry.get('n')))} × {count(samples)}"
    seen = mapping(entry.get("contamination"))
    average = f"{percent(number(entry.get('accuracy')))}<small>{_interval(entry.get('ci95'))}</small>"
    spread = number(entry.get("std_between_samples"))
    return [
        size,
        average,
        _at_k(entry, "pass_at_k"),
        _at_k(entry, "maj_at_k"),
        MISSING if spread is None else f"{100 * spread:.1f} points",
        _share(number(seen.get("share")), number(entry.get("n"))),
        percent(number(seen.get("accuracy_clean"))),
        *(_reward(entry, name) for name in names),
    ]


def _share(share: float | None, problems: float | None) -> str:
    """`1.5 %`, and of how many."""
    if share is None or problems is None:
        return MISSING
    return f"{percent(share)}<small>{count(share * problems)} of {count(problems)}</small>"


def _reward(entry: Mapping[str, Any], name: str) -> str:
    found = reward_of(entry, name)
    if found is None:
        return MISSING
    fewer = f"<small>{count(found.problems)} problems</small>" if found.problems != number(entry.get("n")) else ""
    return f"{reward(found.mean)}<small>{found.interval}</small>{fewer}"


def _at_k(entry: Mapping[str, Any], name: str) -> str:
    """Every k from 2 on, the largest with its interval."""
    values = {k: number(value) for k, value in mapping(entry.get(name)).items() if k != "1"}
    if not values:
        return MISSING
    shown = "".join(f"<div>@{esc(k)} {percent(value)}</div>" for k, value in values.items())
    last = list(values)[-1]
    return f"{shown}<small>{_interval(mapping(entry.get(name + '_ci95')).get(last))}</small>"


def _interval(raw: object) -> str:
    ends = [number(end) for end in sequence(raw)]
    return f"{percent(ends[0])} to {percent(ends[1])}" if len(ends) == 2 else ""
