"""Runs requests through vLLM's in-process engine until enough of them are complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grpo.rollouts.deadline import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What came of a list of requests."""

    first: list[Any]
    """vLLM's output of each request, in order; None: not among the first."""
    tokens_discarded: int
    """Tokens sampled for the others."""


def run_requests(
    engine: Any, requests: Sequence[tuple[tuple[int, ...], Any]], deadline: Deadline, count: int
) -> Outputs:
    """The outputs of the `count` requests that finish first, by engine step and then in order; aborts the others.

    A request is (prompt token ids, vLLM's parameters). Starts with an empty prefix cache.
    """
    engine.reset_prefix_cache()
    ids = [
        engine.add_request(str(place), {"prompt_token_ids": list(token_ids)}, params)
        for place, (token_ids, params) in enumerate(requests)
    ]
    finished: dict[int, Any] = {}
    while len(finished) < count and engine.has_unfinished_requests():
        deadline.check()
        step = {int(output.request_id): output for output in engine.step() if output.finished}
        finished |= dict(sorted(step.items()))
    first = dict(list(finished.items())[:count])
    discarded = sum(len(row.token_ids) for place in finished if place not in first for row in finished[place].outputs)
    left = [request for place, request in enumerate(ids) if place not in finished]
    if left:
        discarded += tokens_so_far(engine.output_processor)
        # By vLLM's own ids: by ours it forgets a request's completions one by one, and never the request.
        engine.abort_request(left, internal=True)
    return Outputs(first=[first.get(place) for place in range(len(requests))], tokens_discarded=discarded)


def tokens_so_far(processor: Any) -> int:
    """Tokens of the requests that vLLM has not handed out yet: of completions still open, and of ended ones."""
    still_open: int = sum(state.detokenizer.num_output_tokens() for state in processor.request_states.values())
    ended: int = sum(
        len(row.token_ids)
        for parent in processor.parent_requests.values()
        for row in parent.output_aggregator
        if row is not None
    )
    return still_open + ended
