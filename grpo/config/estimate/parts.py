"""The physics: bytes of each thing a run holds, a function each. N tokens of a micro-batch, V vocabulary, H hidden."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grpo.config.estimate.shape import BYTES, Shape
from grpo.config.schema import ReinforceConfig, SFTConfig
from grpo.config.slices import DataConfig, ModelConfig, OptimizerConfig, RolloutConfig
from grpo.config.waits import MOST_WAITS, WAIT_TEXT

CHUNK_ENTRIES = {"cpu": 80 * 10**6, "cuda": 156 * 10**6}
NARROWER = {"cpu": 4, "cuda": 2}
"""Both as in `grpo.kernels.token_logprob.chunks`, which imports torch; a test holds them equal."""
ASSUMED_PROMPT = 64
"""Tokens of a prompt, where only the data would tell."""
FLOAT = 4
MAPPED_BYTES = 32 * 2**20
"""glibc takes freed tensors below this into its heap; larger ones leave memory at once (mallopt(3))."""
HOLES = 1.3
"""Bytes the heap takes for a byte of tensors that come and go in changing order: a freed place is no more aligned for
the next tensor of the same size. Measured; on a CPU only."""

HEAP_LAYERS = 3
"""Layers' worth of places a CPU's heap ends up with when one layer at a time is computed again: those of its forward
pass, of its recomputation and of its gradients do not fit each other. Measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The largest micro-batch of a stage."""

    tokens: int
    """N, each prompt once."""
    targets: int
    """Of them predicting a completion's token."""
    several: bool
    """Whether an optimizer step has more than one, so that gradients are there when the next begins."""
    key_share: float
    """Keys gathered for attention per token: each completion takes its prompt's along."""


def batch_of(stage: SFTConfig | ReinforceConfig, demonstration: int) -> Batch:
    """Completions at their limit; lengths that differ fill a micro-batch to its cap."""
    prompt = prompt_tokens(stage.data)
    if isinstance(stage, ReinforceConfig):
        group, length = stage.rollout.completions_per_prompt, stage.rollout.max_tokens
        trees = math.ceil(stage.prompts_per_step / stage.optimizer_steps_per_rollout)
    else:
        group, length, trees = 1, demonstration, stage.demonstrations_per_step
    cap = max(stage.optimizer.max_tokens_per_micro_batch, prompt + length - 1)
    block = prompt + group * (length - 1)
    tokens = min(cap, trees * block)
    return Batch(
        tokens=tokens,
        targets=min(tokens, round(tokens * group * length / block)),
        several=trees * block > cap,
        key_share=(prompt + group * (prompt + length - 1)) / block,
    )


WORDS_OF_A_QUESTION = 4
"""Beside numbers and operators, a token each: `What is`, the question mark and the roles of the chat template."""
TOKENS_OF_A_STEP_IN_WORDS = 5
"""English or Chinese with a tokenizer trained on the task; bytes make three times as many."""


def prompt_tokens(data: DataConfig) -> int:
    """`7+5-3=`: an operand's digits and an operator each, in bytes; in words a token each, and the question around."""
    if data.source != "arithmetic":
        return ASSUMED_PROMPT
    if data.arithmetic.languages:
        return 2 * data.arithmetic.operands + WORDS_OF_A_QUESTION
    return data.arithmetic.operands * (len(str(data.arithmetic.largest_operand)) + 1)


def demonstration_tokens(data: DataConfig, rollout: RolloutConfig) -> int:
    """`<think>7+5=12;12-3=9;…</think><answer>9</answer>`, its four tags a token each; else as long as a completion."""
    if data.source != "arithmetic":
        return rollout.max_tokens
    if data.arithmetic.languages:
        return TOKENS_OF_A_STEP_IN_WORDS * (data.arithmetic.operands - 1) + 7
    digits = len(str(data.arithmetic.largest_operand))
    calculation = (data.arithmetic.operands - 1) * (3 * digits + 3.5)
    waits = sum(data.arithmetic.reconsidered**number for number in range(1, MOST_WAITS + 1))
    return round(calculation + 5.5 + waits * (calculation - 1 + len(WAIT_TEXT)))


def states(parameters: int, dtype: str, optimizer: OptimizerConfig) -> int:
    """Two moments in the weights' dtype; or two of a byte, two float32 scales for 256 elements, and a residual of a
    byte under bfloat16."""
    if optimizer.name != "compact_adamw":
        return 2 * parameters * BYTES[dtype]
    return parameters * (2 + (dtype == "bfloat16")) + parameters // 32


def kept_layer(shape: Shape, batch: Batch, dtype: str, *, cpu: bool) -> float:
    """What autograd keeps of one layer for its backward pass; the tensors are listed beside their bytes a token."""
    b = BYTES[dtype]
    a = FLOAT if cpu else b  # attention is computed in float32 on a CPU
    norm = shape.hidden * (FLOAT + 2 * b)  # its input in float32, the normalised rows, their product with the weight
    query_norms = (shape.queries + shape.keys) * (FLOAT + b) * shape.query_norms  # the same, the product not kept
    attention = 2 * shape.queries * a + 2 * shape.keys * a * batch.key_share  # q, its result; k and v gathered
    output = shape.queries * b  # the result in the stream's order, which o_proj multiplies
    feed_forward = 4 * shape.inner * b  # gate, silu(gate), up, their product
    return batch.tokens * holes_of(
        {shape.hidden * b: 2 * norm + query_norms + attention + output, shape.inner * b: feed_forward},
        batch.tokens,
        cpu=cpu,
    )


def holes_of(kept: dict[int, float], tokens: int, *, cpu: bool) -> float:
    """Bytes a token with what the heap adds, given bytes by the width (bytes a token) of the tensors they are in."""
    return sum(size * (HOLES if cpu and width * tokens < MAPPED_BYTES else 1.0) for width, size in kept.items())


def activations(shape: Shape, batch: Batch, model: ModelConfig, *, cpu: bool) -> int:
    """Of all layers; or the input of each and one layer's; or on a GPU that of two in flight and one layer's."""
    layer = kept_layer(shape, batch, model.dtype, cpu=cpu)
    border = shape.hidden * BYTES[model.dtype] * batch.tokens
    ends = shape.hidden * (FLOAT + 2 * BYTES[model.dtype]) * batch.tokens  # the last norm's
    if model.activations == "keep":
        return round(shape.layers * layer + ends)
    borders = 2 if model.activations == "offload" and not cpu else shape.layers
    at_once = min(shape.layers, HEAP_LAYERS) if cpu and border < MAPPED_BYTES else 1
    return round(at_once * layer + borders * border + ends)


def backward_spare(shape: Shape, batch: Batch, dtype: str) -> int:
    """Gradients of a layer's feed-forward part while it is computed: of the product, of both factors, and of silu."""
    return round(batch.tokens * BYTES[dtype] * (3 * shape.inner + 2 * shape.hidden))


def head_buffer(shape: Shape, batch: Batch, dtype: str, *, cpu: bool) -> int:
    """A chunk of logits, which become their own gradient, and the targets' hidden states with their gradient."""
    device = "cpu" if cpu else "cuda"
    row = shape.vocabulary * BYTES[dtype]
    rows = max(1, CHUNK_ENTRIES[device] // (1 if BYTES[dtype] == 2 else NARROWER[device]) // shape.vocabulary)
    return min(rows, batch.targets) * row + 2 * batch.targets * shape.hidden * BYTES[dtype]


def head_gradient(shape: Shape) -> int:
    """(V, H) in float32 whatever the weights' dtype."""
    return shape.head_parameters * FLOAT


def gradients(shape: Shape, dtype: str) -> int:
    """Of every weight in its own dtype, the head's in float32."""
    return (shape.parameters - shape.head_parameters) * BYTES[dtype] + head_gradient(shape)


def key_value_cache(shape: Shape, rows: int, tokens: int, dtype: str, *, cpu: bool) -> int:
    """Of `rows` sequences of `tokens`, for every layer; with each token every tensor grows, so that in a CPU's heap the
    places freed before are too small: twice the bytes."""
    tensor = shape.keys * rows * tokens * BYTES[dtype]
    return 2 * shape.layers * tensor * (2 if cpu and tensor < MAPPED_BYTES else 1)


def sampling_spare(shape: Shape, rows: int, tokens: int, dtype: str) -> int:
    """Beside the cache: a step's logits, the same by temperature and their log-probs; one layer's cache while a token
    is appended, with its keys and values repeated for every query head."""
    logits = rows * shape.vocabulary * (BYTES[dtype] + 2 * FLOAT)
    repeated = shape.queries if shape.queries != shape.keys else 0
    return logits + 2 * rows * tokens * BYTES[dtype] * (shape.keys + repeated)
