"""Trees → packed micro-batches: one stream of tokens each, every prompt once, nothing padded.

A tree too long for a micro-batch is cut between its completions and its prompt repeated in each.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from grpo.types import PackedBatch, Span
from grpo.update.experience import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingLimits:
    """Sizes in tokens; they change memory and speed, never the loss."""

    micro_batch: int
    """Most tokens of a stream; a prompt with one completion that is longer gets a stream of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A prompt and some of its completions, with each completion's index within the optimizer step."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(len(ids) - 1 for _, ids in self.completions)


def pack(trees: Sequence[Tree], limits: PackingLimits) -> list[PackedBatch]:
    """Every completion of `trees` exactly once; completion_index counts them in order over all trees."""
    return [_to_batch(blocks) for blocks in _fill(list(_blocks(trees, limits.micro_batch)), limits.micro_batch)]


def _blocks(trees: Sequence[Tree], limit: int) -> Iterator[_Block]:
    index = 0
    for tree in trees:
        held: list[tuple[int, tuple[int, ...]]] = []
        length = len(tree.prompt_ids)
        for branch in tree.branches:
            added = len(branch.token_ids) - 1
            if held and length + added > limit:
                yield _Block(prompt=tree.prompt_ids, completions=tuple(held))
                held, length = [], len(tree.prompt_ids)
            held.append((index, branch.token_ids))
            length += added
            index += 1
        yield _Block(prompt=tree.prompt_ids, completions=tuple(held))


def _fill(blocks: list[_Block], limit: int) -> list[list[_Block]]:
    """Best fit, longest first: each block goes where it leaves the least room."""
    streams: list[list[_Block]] = []
    free: list[tuple[int, int]] = []  # (room left, stream number), sorted
    for block in sorted(blocks, key=lambda block: -block.length):
        place = bisect_left(free, (block.length, -1))
        if place < len(free):
            room, number = free.pop(place)
        else:
            room, number = max(limit, block.length), len(streams)
            streams.append([])
        streams[number].append(block)
        insort(free, (room - block.length, number))
    return streams


def _to_batch(blocks: Sequence[_Block]) -> PackedBatch:
    columns = [column for segment, block in enumerate(blocks, 1) for column in _stream(block, segment)]
    tokens = torch.tensor(columns, dtype=torch.int64).T.contiguous()  # ids, positions, segments, branches
    targets = torch.tensor(list(_targets(blocks)), dtype=torch.int64).T.contiguous()
    assert tokens.shape == (4, sum(block.length for block in blocks)), tokens.shape
    source, target, completion, offset = targets
    return PackedBatch(
        input_ids=tokens[:1],
        position_ids=tokens[1:2],
        segment_ids=tokens[2:3],
        branch_ids=tokens[3:],
        source_index=source,
        target_ids=target,
        completion_index=completion,
        token_offset=offset,
        spans=tuple(_spans(blocks)),
    )


def _stream(block: _Block, segment: int) -> Iterator[tuple[int, int, int, int]]:
    for position, token in enumerate(block.prompt):
        yield token, position, segment, 0
    for branch, (_, ids) in enumerate(block.completions, 1):
        for offset, token in enumerate(ids[:-1]):
            yield token, len(block.prompt) + offset, segment, branch


def _targets(blocks: Sequence[_Block]) -> Iterator[tuple[int, int, int, int]]:
    start = 0
    for block in blocks:
        prompt_end = start + len(block.prompt) - 1
        place = prompt_end + 1
        for completion, ids in block.completions:
            for offset, token in enumerate(ids):
                yield (prompt_end if offset == 0 else place + offset - 1), token, completion, offset
            place += len(ids) - 1
        start = place


def _spans(blocks: Sequence[_Block]) -> Iterator[Span]:
    """Prompts and completions in the stream's order; a completion of one token has no place in it."""
    start = 0
    for block in blocks:
        prompt = len(block.prompt)
        yield Span(start=start, length=prompt, prefix_start=start, prefix_length=0)
        place = start + prompt
        for _, ids in block.completions:
            if len(ids) > 1:
                yield Span(start=place, length=len(ids) - 1, prefix_start=start, prefix_length=prompt)
            place += len(ids) - 1
        start = place
