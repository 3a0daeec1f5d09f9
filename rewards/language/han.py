"""Chinese or Japanese: the language of runs of Han letters.

Both write Han, only Japanese writes kana, so the kana nearby decide. A run that touches kana, or stands in one clause
with them, is Japanese, and so is a short clause of Han alone beside a clause with kana; unless the run has letters that
Japanese does not use or words of Chinese grammar. Han far from any kana counts as Chinese: a Japanese text without kana
cannot be told from a Chinese one that avoids all simplified letters.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from grpo.rewards.language.words import Gap, Word

CHINESE, JAPANESE = "zh", "ja"
LONGEST_KANALESS = 9
"""Letters; Japanese seldom writes more Han than this without a kana."""

_CHINESE_LETTERS = frozenset("你您吗呢吧把那哪它谁她没么很这个们從嗎沒們這說還讓咱啊哦嗯")
"""Grammar of Chinese that Japanese does not write in Han, traditional forms too."""
_LETTERS_OF_CLAUSES = frozenset("我是也就從后")
"""Grammar of Chinese that Japanese writes inside compounds: it decides only where there is no kana beside it."""
_CHINESE_WORDS = (
    *("所以", "因为", "因為", "然后", "然後", "最后", "但是", "如果", "首先", "其中", "可以", "需要", "不是", "就是"),
    *("等于", "等於", "根据", "因此", "于是", "於是", "而且", "或者", "虽然", "雖然", "已经", "已經", "一共", "应该"),
    *("應該", "得到", "知道", "我是", "我在", "我要", "我想", "不能", "不会", "不會", "这样", "那么", "多少", "问题"),
)


def han_languages(words: Sequence[Word], tags: list[str | None]) -> None:
    """Set the tags of the words in Han script."""
    if not any(word.script == "han" for word in words):
        return
    clauses = _clauses(words)
    with_kana = [any(words[index].script == "kana" for index in clause) for clause in clauses]
    for number, clause in enumerate(clauses):
        runs = [index for index in clause if words[index].script == "han"]
        chinese = {index: _is_chinese(words[index].text, with_kana[number]) for index in runs}
        near = any(with_kana[n] for n in (number - 1, number + 1) if 0 <= n < len(clauses))
        for index in runs:
            if with_kana[number]:
                japanese = not chinese[index] and (not any(chinese.values()) or _touches_kana(words, index))
            else:
                japanese = near and not any(chinese.values())
            tags[index] = JAPANESE if japanese else CHINESE


def _is_chinese(run: str, kana_in_clause: bool) -> bool:
    if not _japanese_letters().issuperset(run) or not _CHINESE_LETTERS.isdisjoint(run):
        return True
    if len(run) >= 4 and any(word in run for word in _CHINESE_WORDS):
        return True
    if kana_in_clause:
        return False
    return len(run) > LONGEST_KANALESS or not _LETTERS_OF_CLAUSES.isdisjoint(run) or run in _CHINESE_WORDS


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
