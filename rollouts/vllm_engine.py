"""The `vllm` engine: vLLM in this process, beside the trainer."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

import torch

from grpo.rollouts.checkpoint import Checkpoint
from grpo.rollouts.deadline import Deadline
from grpo.rollouts.engine import (
    EngineError,
    EngineSettings,
    FirstGroups,
    check_count,
    check_request,
    check_sequences,
    completion,
)
from grpo.rollouts.quiet import log_to_file, output_to, process_state_kept
from grpo.rollouts.vllm_requests import Outputs, run_requests
from grpo.types import Group, Prompt, SamplingSettings

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
)
"""Read by vLLM when it is imported; what the user has set stays."""

SEED_STRIDE = 0x9E3779B1
"""Odd, so multiplying by it permutes the seeds below 2**31 and moves neighbours far apart."""
SEEDS = 2**31
PREFILL_TOKENS_ON_CPU = 8192
"""Most prompt tokens computed at once, unless one prompt alone is longer."""


class VllmEngine:
    """A `RolloutEngine` on vLLM.

    A group is one request with n = G, so its prompt is computed once. Every call starts with an empty prefix cache:
    its result is a function of its arguments and the weights, and nothing of older weights can be left.
    """

    name = "vllm"

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._checkpoint = Checkpoint.read(settings.model_folder)
        self._version: int | None = 0
        self._asleep = False
        _set_environment()
        with self._deadline("start"), output_to(settings.log_path), process_state_kept():
            import vllm
            from vllm.platforms import current_platform

            self.library_version: str = vllm.__version__
            self._on_cpu = current_platform.is_cpu()
            if self._on_cpu:
                _check_head_size(settings)
            try:
                self._engine: Any = _start(settings, on_cpu=self._on_cpu)
            except (RuntimeError, ValueError, OSError) as error:
                memory = f"cpu_kv_cache_gib={settings.cpu_kv_cache_gib:g}" if self._on_cpu else "gpu_memory_utilization"
                hint = f"its memory is set by rollout.{memory}; {settings.log_path} has more"
                raise EngineError(f"the vllm engine did not start: {error} ({hint})") from error
            log_to_file("vllm", settings.log_path)

    def sample(self, prompts: Sequence[Prompt], settings: SamplingSettings) -> list[Group]:
        return [group for group in self._sample(prompts, settings, len(prompts)).groups if group is not None]

    def sample_first(self, prompts: Sequence[Prompt], settings: SamplingSettings, count: int) -> FirstGroups:
        """On a GPU a smaller key-value cache can change what comes first: preempted completions start again."""
        check_count(count, prompts)
        return self._sample(prompts, settings, count)

    def _sample(self, prompts: Sequence[Prompt], settings: SamplingSettings, count: int) -> FirstGroups:
        check_request(prompts, settings, self._settings.context)
        version = self._usable()
        requests = [(prompt.token_ids, self._params(settings, prompt.seed)) for prompt in prompts]
        with self._call("sampling") as deadline:
            outputs = self._run(requests, deadline, count)
        found = [one and self._group(prompt, one, version) for prompt, one in zip(prompts, outputs.first, strict=True)]
        return FirstGroups(groups=tuple(found), tokens_discarded=outputs.tokens_discarded)

    def score(self, sequences: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
        check_sequences(sequences, self._settings.context)
        self._usable()
        longer = [sequence for sequence in sequences if len(sequence) > 1]
        # The last token is asked for as an output: a full context leaves no room to sample after it.
        requests = [(sequence[:-1], self._score_params(sequence[-1])) for sequence in longer]
        with self._call("scoring") as deadline:
            outputs = self._run(requests, deadline, len(requests)).first
        found = iter([_scores(sequence, output) for sequence, output in zip(longer, outputs, strict=True)])
        return [next(found) if len(sequence) > 1 else () for sequence in sequences]

    def update_weights(
        self, named_tensors: Iterable[tuple[str, torch.Tensor]], version: int, *, partial: bool = False
    ) -> None:
        """vLLM puts back what a reload leaves out, layer by layer; a layer given in part would keep no old values."""
        self._usable()
        self._version = None
        with self._call("weight update"), torch.no_grad(), _unloaded_layers_unsaid(partial):
            weights = self._checkpoint.checked(named_tensors, partial=partial)
            self._engine.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
            if self._on_cpu:
                self._engine.collective_rpc(_repack_embeddings)
            self._engine.reset_prefix_cache()
        self._version = version

    def sleep(self) -> None:
        """On a GPU, moves the weights to host memory and drops the key-value cache (vLLM's level 1)."""
        if self._can_sleep and not self._asleep:
            with self._call("sleep"):
                self._engine.sleep(level=1)
            self._asleep = True

    def wake(self) -> None:
        if self._asleep:
            with self._call("wake-up"):
                self._engine.wake_up()
            self._asleep = False

    def close(self) -> None:
        if self._engine is None:
            return
        engine, self._engine = self._engine, None
        from vllm.distributed import cleanup_dist_env_and_memory

        with self._deadline("close"), output_to(self._settings.log_path):
            engine.engine_core.shutdown()
            del engine
            cleanup_dist_env_and_memory()

    def _run(self, requests: Sequence[tuple[tuple[int, ...], Any]], deadline: Deadline, count: int) -> Outputs:
        try:
            return run_requests(self._engine, requests, deadline, count)
        except BaseException as error:
            self._version = None  # requests may be left in the scheduler
            if isinstance(error, RuntimeError) and not isinstance(error, EngineError):
                raise EngineError(f"vLLM failed while sampling or scoring: {error}") from error
            raise

    def _params(self, settings: SamplingSettings, seed: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            n=settings.completions_per_prompt,
            seed=seed * SEED_STRIDE % SEEDS,
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            min_p=settings.min_p,
            max_tokens=settings.max_tokens,
            stop_token_ids=list(self._checkpoint.eos_token_ids),
            logprobs=0,
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _score_params(self, last_token: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=0,
            max_tokens=1,
            prompt_logprobs=0,
            logprob_token_ids=[last_token],
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _group(self, prompt: Prompt, output: Any, version: int) -> Group:
        eos = self._checkpoint.eos_token_ids
        rows = [completion(row.token_ids, row.logprobs.logprobs, eos, version) for row in output.outputs]
        return Group(prompt=prompt, completions=tuple(rows))

    @property
    def _can_sleep(self) -> bool:
        return self._settings.sleep_between_phases and not self._on_cpu

    def _usable(self) -> int:
        if self._engine is None:
            raise EngineError("the vllm engine is closed")
        if self._asleep:
            raise EngineError("the vllm engine is asleep: call wake() first")
        if self._version is None:
            raise EngineError("the vllm engine is unusable after a failed weight update or an interrupted call")
        return self._version

    @contextmanager
    def _call(self, action: str) -> Iterator[Deadline]:
        """Around every call once started."""
        with ExitStack() as stack:
            deadline = stack.enter_context(self._deadline(action))
            stack.enter_context(torch.random.fork_rng(enabled=self._on_cpu))
            if self._on_cpu:
                # vLLM compiles one tiny function (a count of larger log-probs): half a minute for no gain.
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            yield deadline

    def _deadline(self, action: str) -> Deadline:
        return Deadline(f"vllm engine: {action}", self._settings.deadline_seconds, self._settings.log_path)


def _set_environment() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] != "0":
        raise EngineError("VLLM_ENABLE_V1_MULTIPROCESSING is set: the vllm engine runs in this process, unset it")


def _start(settings: EngineSettings, *, on_cpu: bool) -> Any:
    from vllm import EngineArgs, LLMEngine

    memory: dict[str, Any] = {
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "enable_sleep_mode": settings.sleep_between_phases,
    }
    if on_cpu:
        memory = {
            "kv_cache_memory_bytes": int(settings.cpu_kv_cache_gib * 2**30),
            # A prompt computed in two parts fails on CPU when its request has a seed (vLLM 0.32).
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(settings.context, PREFILL_TOKENS_ON_CPU),
        }
    arguments = EngineArgs(
        model=str(settings.model_folder),
        dtype=settings.dtype,
        seed=settings.seed,
        max_model_len=settings.context,
        max_num_seqs=settings.max_sequences,
        skip_tokenizer_init=True,
        generation_config="vllm",
        logprobs_mode="processed_logprobs",
        max_logprobs=1,
        enable_prefix_caching=True,
        enforce_eager=on_cpu,
        disable_log_stats=True,
        use_tqdm_on_load=False,
        **memory,
    )
    return LLMEngine.from_engine_args(arguments)


def _check_head_size(settings: EngineSettings) -> None:
    """vLLM's CPU attention would fail at the first sampling only."""
    from transformers import AutoConfig
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    config = AutoConfig.from_pretrained(settings.model_folder)
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    valid = CPUAttentionBackend.get_supported_head_sizes()
    if size not in valid:
        raise ValueError(f"attention heads of size {size}: vLLM on a CPU needs one of {valid}")


def _repack_embeddings(worker: Any) -> None:
    """Packs the head again after a reload.

    On CPU vLLM keeps a packed copy of each matrix that multiplies. A reload renews it for every layer but an
    embedding that doubles as the output head, which would go on multiplying by the old weights.
    """
    from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding

    for module in worker.model_runner.get_model().modules():
        if isinstance(module, VocabParallelEmbedding):
            module.quant_method.process_weights_after_loading(module)


@contextmanager
def _unloaded_layers_unsaid(partial: bool) -> Iterator[None]:
    """vLLM warns of every layer that a reload leaves out, each time; in a partial update they are meant."""
    logger = logging.getLogger("vllm.model_executor.model_loader.reload")
    before = logger.level
    if partial:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _scores(sequence: tuple[int, ...], output: Any) -> tuple[float, ...]:
    """Log-probs of tokens 1..T-1: the prompt's, then the one asked for as an output."""
    inside = [
        position[token].logprob for token, position in zip(sequence[1:-1], output.prompt_logprobs[1:], strict=True)
    ]
    return (*inside, output.outputs[0].logprobs[0][sequence[-1]].logprob)
