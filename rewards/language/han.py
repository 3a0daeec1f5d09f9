"""Chinese or Japanese: the language of runs of Han letters.

Both write Han, only Japanese writes kana, so the kana nearby decide. A run in one clause with kana is Japanese, and so
is a clause of Han alone beside a clause with kana; unless the run has letters that Japanese does not use, or the model
finds it much more Chinese than a Japanese compound can be. Han far from any kana counts as Chinese: a Japanese text
without kana is not told from a Chinese one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from grpo.rewards.language.model import word_scorer
from grpo.rewards.language.words import Gap, Word

CHINESE, JAPANESE = "zh", "ja"

_GRAMMAR = frozenset("你您吗呢吧把那哪它谁她没么很这个们嗎沒們這說還讓咱啊嗯")
"""Letters of Chinese grammar that Japanese does not write in Han, traditional forms too."""
NATS_PER_LETTER = 2.6
NATS_PER_LETTER_BESIDE_KANA = 4.0
NATS = 4.0
"""A run of n letters is Chinese where the model prefers that by more than `NATS + n * NATS_PER_LETTER`; Japanese runs,
of which it expects kana, come close to that. Beside kana it must be surer."""
SHORTEST_BESIDE_KANA = 5
"""Letters; a shorter run beside kana is a Japanese word or number."""


def han_languages(words: Sequence[Word], tags: list[str | None]) -> None:
    """Set the tags of the words in Han script."""
    if not any(word.script == "han" for word in words):
        return
    clauses = _clauses(words)
    with_kana = [any(words[index].script == "kana" for index in clause) for clause in clauses]
    for number, clause in enumerate(clauses):
        runs = [index for index in clause if words[index].script == "han"]
        near = any(with_kana[max(0, number - 1) : number + 2])
        if not near:
            chinese = dict.fromkeys(runs, True)
        else:
            chinese = _chinese([words[index].text for index in runs], runs, with_kana[number])
        for index in runs:
            if with_kana[number]:
                japanese = not chinese[index] and (not any(chinese.values()) or _touches_kana(words, index))
            else:
                japanese = not any(chinese.values())
            tags[index] = JAPANESE if japanese else CHINESE


def _chinese(runs: Sequence[str], places: Sequence[int], beside_kana: bool) -> dict[int, bool]:
    """Place to whether the run there cannot be Japanese."""
    scores = word_scorer((CHINESE, JAPANESE)).scores(runs)
    per_letter = NATS_PER_LETTER_BESIDE_KANA if beside_kana else NATS_PER_LETTER
    shortest = SHORTEST_BESIDE_KANA if beside_kana else 1
    return {
        place: not _japanese_letters().issuperset(run)
        or not _GRAMMAR.isdisjoint(run)
        or (len(run) >= shortest and float(score[0] - score[1]) > NATS + per_letter * len(run))
        for place, run, score in zip(places, runs, scores, strict=True)
    }


def _touches_kana(words: Sequence[Word], index: int) -> bool:
    before = words[index].touches and words[index - 1].script == "kana"
    after = index + 1 < len(words) and words[index + 1].touches and words[index + 1].script == "kana"
    return before or after


def _clauses(words: Sequence[Word]) -> list[list[int]]:
    clauses: list[list[int]] = []
    for index, word in enumerate(words):
        if not clauses or word.gap is not Gap.NONE:
            clauses.append([])
        clauses[-1].append(index)
    return clauses


@functools.cache
def _japanese_letters() -> frozenset[str]:
    """The Han letters of the Japanese standard JIS X 0208."""
    return frozenset("々〇") | {chr(code) for code in range(0x4E00, 0xA000) if _encodable(chr(code), "euc_jp")}


def _encodable(letter: str, codec: str) -> bool:
    try:
        return len(letter.encode(codec)) == 2
    except UnicodeEncodeError:
        return False
