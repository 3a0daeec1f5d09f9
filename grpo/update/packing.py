"""Trees → packed micro-batches: each prompt once per row, rows filled best-fit, rows of like length batched.

Dense attention costs the square of a row, so rows stay short and are batched; a tree too long for one row is cut
between its completions and its prompt repeated in each row.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from grpo.types import PackedBatch
from grpo.update.experience import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingLimits:
    """Sizes in tokens; they change memory and speed, never the loss."""

    row: int
    micro_batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A prompt and some of its completions, with each completion's index within the optimizer step."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(len(ids) - 1 for _, ids in self.completions)


@dataclass(slots=True)
class _Row:
    blocks: list[_Block] = field(default_factory=list)
    length: int = 0


def pack(trees: Sequence[Tree], limits: PackingLimits) -> list[PackedBatch]:
    """Every completion of `trees` exactly once; completion_index counts them in order over all trees."""
    rows = sorted(_fill_rows(list(_blocks(trees, limits.row)), limits.row), key=lambda row: row.length)
    batches: list[list[_Row]] = []
    for row in rows:
        if not batches or (len(batches[-1]) + 1) * row.length > limits.micro_batch:
            batches.append([])
        batches[-1].append(row)
    return [_to_batch(batch) for batch in batches]


def _blocks(trees: Sequence[Tree], row_limit: int) -> Iterator[_Block]:
    index = 0
    for tree in trees:
        held: list[tuple[int, tuple[int, ...]]] = []
        length = len(tree.prompt_ids)
        for branch in tree.branches:
            added = len(branch.token_ids) - 1
            if held and length + added > row_limit:
                yield _Block(prompt=tree.prompt_ids, completions=tuple(held))
                held, length = [], len(tree.prompt_ids)
            held.append((index, branch.token_ids))
            length += added
            index += 1
        yield _Block(prompt=tree.prompt_ids, completions=tuple(held))


def _fill_rows(blocks: list[_Block], row_limit: int) -> list[_Row]:
    """Best fit, longest first: each block goes where it leaves the least room."""
    rows: list[_Row] = []
    free: list[tuple[int, int]] = []  # (room left, row number), sorted
    for block in sorted(blocks, key=lambda block: -block.length):
        place = bisect_left(free, (block.length, -1))
        if place < len(free):
            room, number = free.pop(place)
        else:
            room, number = max(row_limit, block.length), len(rows)
            rows.append(_Row())
        rows[number].blocks.append(block)
        rows[number].length += block.length
        insort(free, (room - block.length, number))
    return rows


def _to_batch(rows: Sequence[_Row]) -> PackedBatch:
    length = max(row.length for row in rows)
    tokens = torch.zeros(4, len(rows), length, dtype=torch.int64)  # ids, positions, segments, branches
    targets: list[tuple[int, int, int, int]] = []  # source index, target id, completion, offset
    for number, row in enumerate(rows):
        columns = [column for s, block in enumerate(row.blocks, 1) for column in _stream(block, s)]
        tokens[:, number, : row.length] = torch.tensor(columns, dtype=torch.int64).T
        targets.extend(_targets(row, number * length))
    source, target, completion, offset = torch.tensor(targets, dtype=torch.int64).T.contiguous()
    assert tokens.shape == (4, len(rows), length), tokens.shape
    return PackedBatch(
        input_ids=tokens[0],
        position_ids=tokens[1],
        segment_ids=tokens[2],
        branch_ids=tokens[3],
        source_index=source,
        target_ids=target,
        completion_index=completion,
        token_offset=offset,
    )


def _stream(block: _Block, segment: int) -> Iterator[tuple[int, int, int, int]]:
    for position, token in enumerate(block.prompt):
        yield token, position, segment, 0
    for branch, (_, ids) in enumerate(block.completions, 1):
        for offset, token in enumerate(ids[:-1]):
            yield token, len(block.prompt) + offset, segment, branch


def _targets(row: _Row, start: int) -> Iterator[tuple[int, int, int, int]]:
    for block in row.blocks:
        prompt_end = start + len(block.prompt) - 1
        place = prompt_end + 1
        for completion, ids in block.completions:
            for offset, token in enumerate(ids):
                yield (prompt_end if offset == 0 else place + offset - 1), token, completion, offset
            place += len(ids) - 1
        start = place
