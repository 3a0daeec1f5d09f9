"""The body's forward and backward pass: packed streams against one padded row per completion, sorted by length.

`python -m benchmarks.attention --cases embedded,long,equal,prompt --dtypes float32,bfloat16 --repeats 5` prints JSON:
seconds by path, medians of interleaved runs, the gradient's difference first. The head is left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from benchmarks.timing import seconds_of
from grpo.update.attention import IMPLEMENTATIONS, body_hidden
from grpo.update.experience import Branch, Tree
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import to_device

VOCABULARY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Lengths in tokens and the shape of a Qwen2 body."""

    prompts: int
    prompt: int
    completions: tuple[int, ...]
    """Lengths of each group's; empty: eight of 22 to 40, drawn evenly."""
    shape: tuple[int, int, int, int, int]
    """Hidden size, layers, heads, key-value heads, intermediate size."""
    micro_batches: tuple[int, ...]
    """Of the packed stream, tokens."""
    padded_rows: tuple[int, ...]
    """Rows of a padded micro-batch; the best one counts."""


SMALL, LARGER = (128, 3, 4, 2, 384), (512, 12, 8, 2, 1536)
RAGGED = (448, 387, 325, 262, 212, 162, 112, 60)
CASES = {
    "embedded": Case(
        prompts=32, prompt=8, completions=(), shape=SMALL, micro_batches=(1024, 2048, 8192), padded_rows=(16, 32, 256)
    ),
    "long": Case(
        prompts=1, prompt=64, completions=RAGGED, shape=LARGER, micro_batches=(2048,), padded_rows=(1, 2, 4, 8)
    ),
    "equal": Case(
        prompts=1, prompt=16, completions=(246,) * 8, shape=LARGER, micro_batches=(2048,), padded_rows=(1, 2, 8)
    ),
    "prompt": Case(
        prompts=1, prompt=512, completions=(64,) * 8, shape=LARGER, micro_batches=(2048,), padded_rows=(1, 2, 8)
    ),
}  # fmt: skip
DENSE_LIMIT = 4096
"""Streams longer than this are not tried with a dense mask."""


def body(shape: tuple[int, int, int, int, int], dtype: torch.dtype) -> PreTrainedModel:
    """A random Qwen2 model in evaluation mode, as the policy is trained."""
    hidden, layers, heads, groups, inner = shape
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        intermediate_size=inner,
        max_position_embeddings=8192,
        attn_implementation=IMPLEMENTATIONS["shared_prompt"],
    )
    return Qwen2ForCausalLM(config).to(dtype).eval().to("cuda" if torch.cuda.is_available() else "cpu")


def made_up(case: Case) -> list[Tree]:
    """Random tokens; a completion's last one is a target only, so it has one less in the stream."""
    rng = random.Random(0)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(VOCABULARY) for _ in range(count))

    trees = []
    for _ in range(case.prompts):
        lengths = case.completions or tuple(rng.randint(22, 40) for _ in range(8))
        branches = tuple(Branch(token_ids=tokens(n), sampler_logprobs=(), advantage=1.0) for n in lengths)
        trees.append(Tree(prompt_ids=tokens(case.prompt), branches=branches))
    return trees


def readout(hidden: torch.Tensor) -> torch.Tensor:
    """A scalar of (N, H) hidden states whose gradient is neither zero nor the same everywhere."""
    wave = torch.linspace(-1, 1, hidden.shape[1], device=hidden.device)
    return (hidden.float() * wave).sum()


def packed(model: PreTrainedModel, trees: list[Tree], micro_batch: int, attention: str) -> None:
    """As the trainer does it; the scored places are those that predict a completion's tokens."""
    model.config._attn_implementation = IMPLEMENTATIONS[attention]
    for batch in pack(trees, PackingLimits(micro_batch=micro_batch)):
        moved = to_device(batch, model.device)
        readout(body_hidden(model, moved).flatten(0, 1)[moved.source_index]).backward()  # type: ignore[no-untyped-call]


def padded(model: PreTrainedModel, trees: list[Tree], rows: int) -> None:
    """The same sum, every completion in a row of its own with its prompt, in batches of like length."""
    model.config._attn_implementation = "sdpa"
    items = sorted(((len(t.prompt_ids), t.prompt_ids + b.token_ids[:-1]) for t in trees for b in t.branches),
                   key=lambda item: len(item[1]))  # fmt: skip
    for start in range(0, len(items), rows):
        part = items[start : start + rows]
        ids = pad_sequence([torch.tensor(row) for _, row in part], batch_first=True)
        attended = pad_sequence([torch.ones(len(row), dtype=torch.int64) for _, row in part], batch_first=True)
        scored = attended.bool()
        for mask, (prompt, _) in zip(scored, part, strict=True):
            mask[: prompt - 1] = False
        device = model.device
        # A batch without padding needs no mask: SDPA then takes its causal kernel.
        mask = None if attended.all() else attended.to(device)
        hidden = model.base_model(input_ids=ids.to(device), attention_mask=mask, use_cache=False).last_hidden_state
        readout(hidden[scored.to(device)]).backward()  # type: ignore[no-untyped-call]


def paths(case: Case) -> Iterator[tuple[str, Callable[[PreTrainedModel, list[Tree]], None]]]:
    for micro in case.micro_batches:
        yield f"shared_prompt_{micro}", partial(packed, micro_batch=micro, attention="shared_prompt")
    for micro in case.micro_batches:
        if micro <= DENSE_LIMIT:
            yield f"dense_{micro}", partial(packed, micro_batch=micro, attention="sdpa")
    if torch.cuda.is_available():
        yield "flex", partial(packed, micro_batch=max(case.micro_batches), attention="flex")
    for rows in case.padded_rows:
        yield f"padded_{rows}", partial(padded, rows=rows)


def gradient(model: PreTrainedModel, action: Callable[[], None]) -> torch.Tensor:
    """All gradients of the body in one float32 vector."""
    model.zero_grad()
    action()
    found = [parameter.grad for parameter in model.base_model.parameters() if parameter.grad is not None]
    return torch.cat([tensor.float().flatten() for tensor in found])


def compare(name: str, dtype: str, repeats: int, layers: int | None) -> dict[str, Any]:
    """Seconds of each path, and how far its gradient is from the first padded one, relative to that one's norm."""
    case = CASES[name]
    shape = (case.shape[0], layers or case.shape[1], *case.shape[2:])
    model, trees = body(shape, getattr(torch, dtype)), made_up(case)
    actions = {key: partial(path, model, trees) for key, path in paths(case)}
    wanted = gradient(model, actions[f"padded_{case.padded_rows[0]}"])
    errors = {key: float((gradient(model, act) - wanted).norm() / wanted.norm()) for key, act in actions.items()}
    seconds: dict[str, list[float]] = {key: [] for key in actions}
    work: dict[str, list[float]] = {key: [] for key in actions}
    for _ in range(repeats):
        for key, act in actions.items():
            model.zero_grad()
            busy = time.process_time()
            seconds[key].append(seconds_of(act))
            work[key].append(time.process_time() - busy)
    medians = {key: round(statistics.median(times), 4) for key, times in seconds.items()}
    best = {kind: min((value, key) for key, value in medians.items() if key.startswith(kind))
            for kind in ("shared_prompt", "padded")}  # fmt: skip
    return {
        "case": name,
        "dtype": dtype,
        "shape": shape,
        "seconds": medians,
        "least_seconds": {key: round(min(times), 4) for key, times in seconds.items()},
        "cpu_seconds": {key: round(statistics.median(times), 4) for key, times in work.items()},
        "gradient_error": {key: float(f"{error:.2e}") for key, error in errors.items()},
        "best": {kind: key for kind, (_, key) in best.items()},
        "shared_prompt_over_padded": round(best["shared_prompt"][0] / best["padded"][0], 3),
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attention", description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--layers", type=int, help="instead of each case's own; the ratio hardly depends on it")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    rows = []
    for case in chosen.cases.split(","):
        for dtype in chosen.dtypes.split(","):
            rows.append(compare(case, dtype, chosen.repeats, chosen.layers))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    print(
        json.dumps({"device": device, "threads": chosen.threads, "torch": torch.__version__, "results": rows}, indent=1)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
