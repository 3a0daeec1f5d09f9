"""The slices of a run: each part of the trainer gets its own and no other. `conf/` holds values for these classes.

The string below each field is its one explanation; `docs/configuration.md` is generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from grpo.config.algorithm import AlgorithmConfig, SelectionConfig

__all__ = ["AlgorithmConfig", "SelectionConfig"]


@dataclass
class ScratchConfig:
    """Shape of the small Qwen2 policy and its tokenizer, used when `model.name` is `scratch`."""

    tokenizer: str = "bytes"
    """`bytes` (each byte a token, and the template's tags) or `bpe` (byte-level, trained on the run's data)."""
    vocab_size: int = 1024
    """Tokens of the `bpe` tokenizer; `bytes` has 262."""
    hidden_size: int = 128
    """H, the width of the residual stream."""
    layers: int = 3
    """Decoder layers."""
    attention_heads: int = 4
    """Query heads; must divide `hidden_size`."""
    key_value_heads: int = 2
    """Key and value heads; must divide `attention_heads`."""
    intermediate_size: int = 384
    """Width of the gated feed-forward layer."""
    context: int = 128
    """Longest prompt plus completion, in tokens."""
    rope_theta: float = 10000.0
    """Base of the rotary positions; smaller ones tell near positions apart better."""
    tie_embeddings: bool = False
    """Share the input embedding with the output head."""


@dataclass
class LoraConfig:
    """Low-rank adapters, trained in the place of the weights by every stage that trains."""

    rank: int = 0
    """Rank of the adapters, which then are all that is trained, checkpointed and sent to the sampler; 0 trains every
    weight. Needs peft."""
    alpha: float = 32.0
    """The adapters' product is scaled by alpha / rank, so that a learning rate serves all ranks."""
    targets: List[str] = field(default_factory=list)
    """Linear layers to adapt, by the end of their name (`q_proj`, `mlp.up_proj`); empty: all but the output head."""


@dataclass
class ModelConfig:
    """The policy every stage with `model_from: base` starts from."""

    name: str = "scratch"
    """`scratch`, a local Hugging Face folder, or a hub id of any causal language model."""
    revision: Optional[str] = None
    """Commit, tag or branch of a hub model."""
    dtype: str = "float32"
    """Weights and compute: `float32` or `bfloat16`."""
    attention: str = "shared_prompt"
    """Attention of the update, all exact: `shared_prompt` (each completion over its prompt and itself), `flex` (block
    masks; trains on GPUs only), or with a mask the square of a micro-batch, to compare with, `sdpa` and `eager`."""
    activations: str = "keep"
    """`keep` what the backward pass needs of every layer, `recompute` it from the layer's input (less memory, about a
    third more time), or `offload` that input to the host's memory too."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    scratch: ScratchConfig = field(default_factory=ScratchConfig)


@dataclass
class ArithmeticConfig:
    """The embedded task: integer arithmetic with a written chain of thought."""

    operands: int = 4
    """Numbers in a problem, at least 2; the chain of thought has one step fewer."""
    operators: str = "+-"
    """Which of `+`, `-` and `*` may occur, evaluated from left to right."""
    largest_operand: int = 7
    """Operands are drawn from 0 to this."""
    problems: int = 24576
    """Distinct problems to train on."""
    held_out: int = 512
    """Distinct problems that occur in no training stage."""
    wrong_steps: float = 0.3
    """Share of the steps in demonstrations whose result is wrong; the following steps go on from it. A step such as
    `12-3` misses by the same number each time; its own share lies between a quarter and 1.75 times this one."""
    languages: List[str] = field(default_factory=list)
    """Ask and reason in words, each problem in one of these (its column `language`); empty: in digits."""
    mixed_steps: float = 0.0
    """Share of the steps in demonstrations that are in another of the `languages` than their problem."""
    reconsidered: float = 0.0
    """Chance that a calculation in a demonstration, right or wrong, is followed by `Wait` and by the same calculation
    with every step right; at most 4 times. The last calculation gives the answer. In digits only."""
    seed: int = 0
    """Seed of the task itself, apart from the run's seed, so that seeds of a run share their held-out problems."""


@dataclass
class DataConfig:
    """Where problems come from and how a row becomes a prompt."""

    source: str = "arithmetic"
    """`arithmetic` (generated) or `files` (`data.path`)."""
    path: Optional[str] = None
    """A .jsonl or .parquet file, or a hub data set id, with the training rows."""
    split: str = "train"
    """Split of a hub data set to train on."""
    subset: Optional[str] = None
    """Subset (configuration) of a hub data set."""
    eval_path: Optional[str] = None
    """Held-out rows, as `path`; unset: the last `eval_rows` rows of `path`, which are then not trained on."""
    eval_split: str = "test"
    """Split of a hub data set to evaluate on, when `eval_path` names one."""
    eval_rows: int = 512
    """Most held-out rows to evaluate on."""
    rows: Optional[int] = None
    """Most training rows to use; unset: all."""
    prompt_column: str = "question"
    """Column with the problem: text, or a list of chat messages."""
    answer_column: str = "answer"
    """Column with the gold answer."""
    gold_after: Optional[str] = None
    """The gold answer is what follows the last occurrence of this marker (GSM8K: `#### `); where the marker ends with
    an opening brace (MATH), what those braces hold."""
    demonstration_column: Optional[str] = None
    """Column with a worked solution for supervised stages; without the part that
    `gold_after` names it is the reasoning."""
    system_prompt: Optional[str] = None
    """First chat turn of every prompt; unset: none."""
    prompt_template: Optional[str] = None
    """Plain text with `{prompt}` in the place of the problem, instead of the model's chat template; unset: that one."""
    on_bad_row: str = "fail"
    """`fail`: any bad row stops the run, naming row and reason; `skip`: bad rows are listed and left out."""
    arithmetic: ArithmeticConfig = field(default_factory=ArithmeticConfig)


@dataclass
class RewardConfig:
    """How completions are scored: the weighted sum of reward functions."""

    functions: List[str] = field(default_factory=lambda: ["exact_integer", "think_answer_format"])
    """Registered names, `pkg.module.fn`, or `path/file.py:fn`."""
    weights: List[float] = field(default_factory=lambda: [1.0, 0.1])
    """One weight per function."""
    settings: Dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of a reward by its own name: `reward.settings.language_consistency.target=en`.
    A stage that sets any has only its own."""
    deadline_seconds: float = 60.0
    """Most time for one batch of a user's function, after which its worker process is killed."""
    in_process: bool = False
    """Run user functions in this process (closures, models on the GPU); an overrun then ends the run."""
    max_error_share: float = 0.05
    """A step in which more completions than this share could not be scored stops the run."""


@dataclass
class RolloutConfig:
    """How completions are sampled."""

    engine: str = "vllm"
    """`vllm` (in this process), `transformers`, or `scripted` (a fake for tests)."""
    completions_per_prompt: int = 8
    """G, the group size."""
    max_tokens: int = 48
    """Most tokens of a completion."""
    temperature: float = 1.0
    """Sampling temperature; the trainer divides its logits by it too."""
    top_p: float = 1.0
    """Nucleus sampling; 1 is off."""
    top_k: int = 0
    """Sample among the k likeliest tokens; 0 is off."""
    min_p: float = 0.0
    """Sample among the tokens at least this share as likely as the likeliest; 0 is off."""
    deadline_seconds: float = 600.0
    """Most time for one engine call (start, sampling, weight update) before the run stops with its name."""
    cpu_kv_cache_gib: float = 1.0
    """vLLM's key-value cache on CPU, GiB."""
    gpu_memory_utilization: float = 0.4
    """Share of the GPU's memory vLLM may take."""
    sleep_between_phases: bool = True
    """On a GPU, release vLLM's memory while the policy is updated."""
    max_logprob_diff: Optional[float] = None
    """Stop when trainer and sampler log-probs differ by more than this (nats): the largest difference in
    float32 (unset: 1e-4), the mean one in bfloat16 or on rollouts under `top_p`, `top_k` or `min_p` (unset: 0.02)."""


@dataclass
class OptimizerConfig:
    """AdamW, its schedule and the size of a micro-batch."""

    name: str = "adamw"
    """`adamw` (moments in the weights' precision: 8 bytes a float32 parameter, 4 a bfloat16 one, which loses small
    steps) or `compact_adamw` (8-bit moments, and 24-bit master weights under bfloat16: 3 bytes a parameter)."""
    states: str = "device"
    """Where moments and residuals live: `device`, or `host` (pinned memory, streamed through the device each step)."""
    lr: float = 1e-6
    """Peak learning rate."""
    beta1: float = 0.9
    """Decay of the first moment."""
    beta2: float = 0.95
    """Decay of the second moment."""
    eps: float = 1e-8
    """Added to the root of the second moment."""
    weight_decay: float = 0.0
    """Decoupled weight decay, on matrices only."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this global norm."""
    schedule: str = "constant"
    """`constant`, `linear` or `cosine` decay to 0 over the stage's steps."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises linearly from 0."""
    max_tokens_per_micro_batch: int = 8192
    """Tokens of one forward and backward pass, prompts counted once; changes memory, never the gradient. A prompt
    with one completion that is longer gets a pass of its own."""


@dataclass
class FileLoggerConfig:
    """`metrics.jsonl` is always written; this sets what goes beside it."""

    rollouts_every: int = 1
    """Write the groups of every n-th step to `rollouts/`; 0: never."""


@dataclass
class WandbConfig:
    enabled: bool = False
    """Send metrics to Weights & Biases; offline when no key is in the environment."""
    project: str = "grpo"
    """Project the run is filed under."""


@dataclass
class LoggerConfig:
    """Where metrics go. `logger=[console,file,wandb,tensorboard]` picks several."""

    console: bool = False
    """Progress bar and one line a step."""
    tensorboard: bool = False
    """Event files in the run folder."""
    file: FileLoggerConfig = field(default_factory=FileLoggerConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)


@dataclass
class CheckpointConfig:
    """Checkpoints inside a stage; the end of a stage is always saved."""

    every: int = 25
    """Steps between checkpoints."""
    keep: int = 2
    """Newest checkpoints kept."""


@dataclass
class CostConfig:
    """What a device-hour costs, for `summary.json` and the report."""

    price_per_device_hour: float = 0.0
    """Price of one device (GPU, or this whole machine on CPU) for an hour."""
    currency: str = "USD"
    """Printed beside amounts."""


@dataclass
class AlarmsConfig:
    """Warnings about runs that go wrong: a line, a metric `alarm/<name>` and a mark in the report."""

    stop: List[str] = field(default_factory=list)
    """Names from `grpo/track/alarms/` that end the run when they ring, with a checkpoint and exit code 3; `resume=auto`
    goes on, with these or other alarms."""
    off: List[str] = field(default_factory=list)
    """Names that stay silent."""
