"""Chinese or Japanese: the language of runs of Han letters.

Both write Han, only Japanese writes kana. A clause that has kana is Japanese, except for runs with letters that
Japanese does not use; a clause without kana is Chinese, unless its neighbours are Japanese and nothing in it is
Chinese. A text of Han alone that could be either counts as Chinese.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from grpo.rewards.language.words import Gap, Word

CHINESE, JAPANESE = "zh", "ja"
_FUNCTION_LETTERS = frozenset("你您是吗呢吧把那哪它谁她没么很也从这个们我的了")
"""Grammar of Chinese; where Japanese has the letter, it stands inside compounds, beside kana."""


def han_languages(words: Sequence[Word], tags: list[str | None]) -> None:
    """Set the tags of the words in Han script."""
    if not any(word.script == "han" for word in words):
        return
    clauses = _clauses(words)
    kana = [sum(words[i].weight for i in clause if words[i].script == "kana") for clause in clauses]
    for number, clause in enumerate(clauses):
        nearby = kana[number] > 0 or any(kana[n] > 0 for n in (number - 1, number + 1) if 0 <= n < len(clauses))
        for index in clause:
            if words[index].script == "han":
                run = words[index].text
                tags[index] = JAPANESE if _japanese(run, kana[number] > 0, nearby) else CHINESE


def _japanese(run: str, with_kana: bool, nearby: bool) -> bool:
    if not _is_shared().issuperset(run):
        return False
    if with_kana:
        return True
    return nearby and _FUNCTION_LETTERS.isdisjoint(run)


def _clauses(words: Sequence[Word]) -> list[list[int]]:
    clauses: list[list[int]] = []
    for index, word in enumerate(words):
        if not clauses or word.gap is not Gap.NONE:
            clauses.append([])
        clauses[-1].append(index)
    return clauses


@functools.cache
def _is_shared() -> frozenset[str]:
    """Han letters that Japanese uses: those of the standard JIS X 0208."""
    return frozenset("々〇") | {chr(code) for code in range(0x4E00, 0xA000) if _encodable(chr(code), "euc_jp")}


def _encodable(letter: str, codec: str) -> bool:
    try:
        return len(letter.encode(codec)) == 2
    except UnicodeEncodeError:
        return False
