"""Do held-out problems occur in the training set? By n-grams of words, and exactly.

Words are runs of letters and digits, case aside; a Chinese or Japanese character is a word of its own. A problem with
fewer than n words can only match exactly. Time is linear in both sets, memory in the held-out one: training problems
stream past an index of the held-out n-grams, compared as text and not by hashes, so that nothing matches by accident.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from grpo.config.slices import DataConfig
from grpo.data.load import is_generated, path_of
from grpo.types import Problem

NGRAM_WORDS = 10
"""n, as DeepSeek-R1's decontamination (Guo et al. 2025, arXiv 2501.12948); s1 takes 8."""
BOILERPLATE_SHARE, BOILERPLATE_PROBLEMS = 0.1, 10
"""An n-gram in more than this share of the held-out problems, and in more than so many, is their common wording, such
as a line that asks for a box; it says nothing about a problem and is not counted."""
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """Which held-out problems were found among the training problems."""

    exact: tuple[bool, ...]
    """(problems,): the same text, case and whitespace aside."""
    overlapping: tuple[bool, ...]
    """(problems,): n words in a row in common."""
    ngram_words: int | None = NGRAM_WORDS
    """n; None: only whole texts were compared."""

    @property
    def contaminated(self) -> tuple[bool, ...]:
        """(problems,): either."""
        return tuple(one or other for one, other in zip(self.exact, self.overlapping, strict=True))

    def summary(self, correct: Sequence[float]) -> dict[str, object]:
        """Shares, and the accuracy with and without what was found; `correct` is (problems,)."""
        found = self.contaminated
        parts = {flag: [value for value, hit in zip(correct, found, strict=True) if hit == flag] for flag in (0, 1)}
        return {
            "ngram_words": self.ngram_words,
            "exact": _mean(self.exact),
            "ngram": _mean(self.overlapping),
            "share": _mean(found),
            "accuracy_clean": _mean(parts[0]),
            "accuracy_contaminated": _mean(parts[1]),
        }


class HeldOut:
    """Held-out problems, indexed by their text and by its n-grams; prompts alone, system messages and answers aside."""

    def __init__(self, problems: Sequence[Problem], ngram_words: int | None = NGRAM_WORDS) -> None:
        """`ngram_words` of None: only whole texts are compared, as is right for generated problems: they share one
        wording and differ in single numbers, so that n words in a row are found in other problems too."""
        self._words = ngram_words
        self._by_text: dict[str, list[int]] = defaultdict(list)
        by_ngram: dict[str, list[int]] = defaultdict(list)
        for place, problem in enumerate(problems):
            text = _text(problem)
            self._by_text[_plain(text)].append(place)
            for ngram in set(self._ngrams(text)):
                by_ngram[ngram].append(place)
        most = max(BOILERPLATE_PROBLEMS, BOILERPLATE_SHARE * len(problems))
        self._by_ngram = {ngram: places for ngram, places in by_ngram.items() if len(places) <= most}

    def __contains__(self, problem: Problem) -> bool:
        """Whether a problem is one of them, or has n words in a row in common with one."""
        return bool(self.exact(problem)) or any(True for _ in self.overlapping(problem))

    def exact(self, problem: Problem) -> Sequence[int]:
        """Places of the held-out problems with the same text, case and whitespace aside."""
        return self._by_text.get(_plain(_text(problem)), ())

    def overlapping(self, problem: Problem) -> Iterator[int]:
        """Places of those with an n-gram in common, once for each n-gram."""
        if self._by_ngram:
            for ngram in self._ngrams(_text(problem)):
                yield from self._by_ngram.get(ngram, ())

    def _ngrams(self, text: str) -> Iterator[str]:
        size = self._words
        if size is None:
            return iter(())
        words = _WORD.findall(text.casefold())
        return (" ".join(words[start : start + size]) for start in range(len(words) - size + 1))


def compared_words(data: DataConfig, data_from: str, words: int = NGRAM_WORDS) -> int | None:
    """n for the held-out problems of a stage with this `data` and `data_from`: None where they are generated."""
    return None if is_generated(data, path_of(data_from)) else words


def contamination(
    held_out: Sequence[Problem], training: Iterable[Problem], ngram_words: int | None = NGRAM_WORDS
) -> Contamination:
    """Compare prompts, system messages aside; answers play no part. `ngram_words`: see `HeldOut`."""
    index = HeldOut(held_out, ngram_words)
    exact, overlapping = [False] * len(held_out), [False] * len(held_out)
    for problem in training:
        for place in index.exact(problem):
            exact[place] = True
        for place in index.overlapping(problem):
            overlapping[place] = True
    return Contamination(exact=tuple(exact), overlapping=tuple(overlapping), ngram_words=ngram_words)


def _text(problem: Problem) -> str:
    if isinstance(problem.prompt, str):
        return problem.prompt
    return "\n".join(message["content"] for message in problem.prompt if message["role"] != "system")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
