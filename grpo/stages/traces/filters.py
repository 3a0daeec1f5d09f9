"""Which completions become demonstrations (DeepSeek-R1, arXiv 2501.12948, 2.3.3 and appendix B.3.3).

Kept are right ones; dropped are chains of thought with mixed languages, long paragraphs and code blocks. R1 gives no
limits: those here are ours. A completion is counted at the first filter it fails, in the order of `FILTERS`, then as
contaminated, then as a duplicate, then by the cap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from grpo.rewards.text import reasoning_text
from grpo.stages.sampled import PASSED
from grpo.stages.traces.sample import Sample

LANGUAGE_REWARD = "language_consistency"
"""Its settings name the language: one for all (`target`), of each row (`column`), or that of the question."""
LEAST_SHARE = 0.9
"""Reasoning with a smaller share of its words in the language is mixed. Not 1: a few words of ordinary text are tagged
with a neighbouring language."""
FORMAT_REWARDS = frozenset(
    {"think_answer_format", "think_answer_format_opened", "think_format", "tag_count", "boxed_answer"}
)
LONGEST_PARAGRAPH = 2000
"""Characters between blank lines; about 350 words of English."""
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


def failed(sample: Sample) -> bool:
    """Not written, or not scored."""
    return sample.failure is not None


def wrong(sample: Sample) -> bool:
    """The first reward function gave less than 1, or does not apply."""
    value = next(iter(sample.rewards.values()))
    return value is None or value < PASSED


def unfinished(sample: Sample) -> bool:
    """Cut at the token limit: as a demonstration it would get an end that was never written."""
    return sample.finish_reason != "stop"


def misformatted(sample: Sample) -> bool:
    """A format reward of the stage gave less than 1."""
    return any(sample.rewards.get(name, 1.0) != 1.0 for name in FORMAT_REWARDS)


def mixed_languages(sample: Sample) -> bool:
    """The stage's language reward, where it has one, is below the limit; where it does not apply, it drops nothing."""
    share = sample.rewards.get(LANGUAGE_REWARD)
    return share is not None and share < LEAST_SHARE


def long_paragraph(sample: Sample) -> bool:
    """A paragraph of the reasoning (of the whole text where none is marked) is longer than `LONGEST_PARAGRAPH`."""
    return any(len(part.strip()) > LONGEST_PARAGRAPH for part in _BLANK_LINE.split(_reasoning(sample)))


def code_block(sample: Sample) -> bool:
    """The reasoning has a fenced block; one in the answer is no fault."""
    return _FENCE.search(_reasoning(sample)) is not None


FILTERS: dict[str, Callable[[Sample], bool]] = {
    "failed": failed,
    "wrong": wrong,
    "unfinished": unfinished,
    "format": misformatted,
    "language": mixed_languages,
    "long_paragraph": long_paragraph,
    "code_block": code_block,
}
"""Name to whether a completion is dropped, in the order in which they are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """What is left, and what became of the rest."""

    kept: tuple[Sample, ...]
    dropped: dict[str, int]
    """Filter to completions, `contaminated`, `duplicate` and `cap` last; every one is there, with 0 too."""


def filtered(samples: Iterable[Sample], per_problem: int, contaminated: Container[str] = ()) -> Filtered:
    """The samples that pass, in their order, at most `per_problem` of a problem, none of the `contaminated` ones.

    The cap keeps the first ones by index. They are independent draws, so this is a random choice that leaves the
    lengths of right completions as the model has them; to keep the shortest would teach shorter reasoning.
    """
    dropped = dict.fromkeys([*FILTERS, "contaminated", "duplicate", "cap"], 0)
    texts: dict[str, set[str]] = {}
    kept = []
    for sample in samples:
        seen = texts.setdefault(sample.problem_id, set())
        plain = " ".join(sample.text.split())
        reason = next((name for name, drops in FILTERS.items() if drops(sample)), None)
        if reason is None and sample.problem_id in contaminated:
            reason = "contaminated"
        if reason is None and plain in seen:
            reason = "duplicate"
        if reason is None and len(seen) == per_problem:
            reason = "cap"
        if reason is None:
            seen.add(plain)
            kept.append(sample)
        else:
            dropped[reason] += 1
    return Filtered(kept=tuple(kept), dropped=dropped)


def _reasoning(sample: Sample) -> str:
    found = reasoning_text(sample.text)
    return sample.text if found is None else found
