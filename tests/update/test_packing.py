from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grpo.types import PackedBatch
from grpo.update.experience import Branch, Tree
from grpo.update.packing import PackingLimits, pack


def tree(prompt: tuple[int, ...], *completions: tuple[int, ...]) -> Tree:
    branches = tuple(Branch(token_ids=ids, sampler_logprobs=(0.0,) * len(ids), advantage=1.0) for ids in completions)
    return Tree(prompt_ids=prompt, branches=branches)


def test_worked_example_of_the_types() -> None:
    [batch] = pack([tree((5, 6), (7, 8), (9, 4))], PackingLimits(micro_batch=16))
    assert batch.input_ids.tolist() == [[5, 6, 7, 9]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 2]]
    assert batch.segment_ids.tolist() == [[1, 1, 1, 1]]
    assert batch.branch_ids.tolist() == [[0, 0, 1, 2]]
    assert batch.source_index.tolist() == [1, 2, 1, 3]
    assert batch.target_ids.tolist() == [7, 8, 9, 4]
    assert batch.completion_index.tolist() == [0, 0, 1, 1]
    assert batch.token_offset.tolist() == [0, 1, 0, 1]


def test_long_group_is_cut_between_completions_and_repeats_its_prompt() -> None:
    batches = pack([tree((1, 2, 3), (4, 5, 6), (7, 8, 9))], PackingLimits(micro_batch=6))
    assert sorted(batch.input_ids.tolist() for batch in batches) == [[[1, 2, 3, 4, 5]], [[1, 2, 3, 7, 8]]]


def test_completion_longer_than_a_micro_batch_gets_its_own() -> None:
    [batch] = pack([tree((1,), tuple(range(2, 12)))], PackingLimits(micro_batch=4))
    assert batch.input_ids.shape == (1, 10)


def test_spans_by_hand() -> None:
    """Prompts 5 6 and 1; the completion 3 is one token, which is a target only."""
    [batch] = pack([tree((5, 6), (7, 8), (9, 4, 2)), tree((1,), (3,), (2, 2))], PackingLimits(micro_batch=16))
    assert batch.input_ids.tolist() == [[5, 6, 7, 9, 4, 1, 2]]
    found = [(span.start, span.length, span.prefix_start, span.prefix_length) for span in batch.spans]
    assert found == [(0, 2, 0, 0), (2, 1, 0, 2), (3, 2, 0, 2), (5, 1, 5, 0), (6, 1, 5, 1)]


ids = st.integers(1, 9)
trees = st.lists(
    st.tuples(
        st.lists(ids, min_size=1, max_size=6), st.lists(st.lists(ids, min_size=1, max_size=9), min_size=1, max_size=5)
    ),
    min_size=1,
    max_size=6,
)


@given(shapes=trees, micro=st.integers(4, 120))
def test_every_token_is_a_target_once_with_its_own_past(
    shapes: list[tuple[list[int], list[list[int]]]], micro: int
) -> None:
    wanted = [(tuple(prompt), tuple(completion)) for prompt, completions in shapes for completion in completions]
    built = [tree(tuple(p), *(tuple(c) for c in cs)) for p, cs in shapes]
    found: dict[int, dict[int, tuple[tuple[int, ...], int]]] = {}
    batches = pack(built, PackingLimits(micro_batch=micro))
    for batch in batches:
        assert batch.segment_ids.min() > 0, "nothing is padded"
        if batch.completion_index.unique().numel() > 1:
            assert batch.input_ids.numel() <= micro
        for n in range(len(batch.target_ids)):
            completion, offset = int(batch.completion_index[n]), int(batch.token_offset[n])
            past = visible_past(batch, int(batch.source_index[n]))
            assert offset not in found.setdefault(completion, {})
            found[completion][offset] = (past, int(batch.target_ids[n]))
    assert sorted(found) == list(range(len(wanted)))
    for completion, (prompt, tokens) in enumerate(wanted):
        assert sorted(found[completion]) == list(range(len(tokens)))
        for offset, token in enumerate(tokens):
            assert found[completion][offset] == (prompt + tokens[:offset], token)


def visible_past(batch: PackedBatch, source: int) -> tuple[int, ...]:
    """The tokens a source position may look at, in order of position, itself included: read off the ids alone."""
    length = batch.input_ids.shape[1]
    row, column = divmod(source, length)
    segment, branch = batch.segment_ids[row], batch.branch_ids[row]
    seen = [
        (int(batch.position_ids[row, j]), int(batch.input_ids[row, j]))
        for j in range(column + 1)
        if segment[j] == segment[column] and branch[j] in (0, branch[column])
    ]
    assert [position for position, _ in seen] == list(range(len(seen)))
    return tuple(token for _, token in seen)
