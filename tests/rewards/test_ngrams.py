from __future__ import annotations

from grpo.rewards.ngrams import repeats


def test_equals_a_set_of_tuples() -> None:
    ids = [(7 * i * i + i // 3) % 11 for i in range(2000)]
    for n in (1, 2, 3, 5, 20):
        seen: set[tuple[int, ...]] = set()
        expected = []
        for start in range(len(ids) - n + 1):
            gram = tuple(ids[start : start + n])
            expected.append(gram in seen)
            seen.add(gram)
        assert repeats(ids, n).tolist() == expected
