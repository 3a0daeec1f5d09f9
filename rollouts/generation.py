"""Batched autoregressive generation and scoring with a Hugging Face model.

Shapes: P prompts, G completions per prompt, B = P * G rows of which some have ended, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from grpo.rollouts.sampling import processed_logprobs
from grpo.types import SamplingSettings

TokenChoice = Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]
"""(step, rows still open (B,), their log-probs (B, V)) -> token of each open row (B,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationTask:
    """One batch to generate: G completions of each of P prompts, row p * G + g."""

    prompts: Sequence[tuple[int, ...]]
    settings: SamplingSettings
    eos_token_ids: tuple[int, ...]
    choose: TokenChoice
    between_steps: Callable[[], None]
    """Called once per token; may raise to stop."""
    enough: int
    """Generation stops after the step in which so many of the prompts have all their completions; at most P."""


@torch.inference_mode()
def generate(model: Any, task: GenerationTask) -> list[tuple[list[int], list[float]]]:
    """Tokens (the end-of-sequence token included) and their log-probs, for each row, also for those stopped.

    Each prompt is computed once and its keys and values repeated G times; a row leaves the batch when it ends.
    """
    most = task.settings.max_tokens
    decoder, logits = Decoder.prefill(model, task.prompts, task.settings.completions_per_prompt)
    eos = torch.tensor(task.eos_token_ids, device=logits.device)
    rows = torch.arange(len(logits), device=logits.device)
    tokens = torch.zeros(len(rows), most, dtype=torch.long, device=logits.device)
    logprobs = torch.zeros(len(rows), most, device=logits.device)
    lengths = torch.zeros(len(rows), dtype=torch.long, device=logits.device)
    for step in range(most):
        task.between_steps()
        distribution = processed_logprobs(logits, task.settings)
        chosen = task.choose(step, rows, distribution)
        tokens[rows, step] = chosen
        logprobs[rows, step] = distribution.gather(-1, chosen[:, None]).squeeze(-1)
        lengths[rows] = step + 1
        del distribution  # as large as the next step's, which would be beside it
        is_open = ~torch.isin(chosen, eos)
        open_groups = torch.unique_consecutive(rows[is_open] // task.settings.completions_per_prompt)
        if step + 1 == most or len(task.prompts) - len(open_groups) >= task.enough:
            break
        if not is_open.all():
            kept = is_open.nonzero().squeeze(-1)
            rows, chosen = rows[kept], chosen[kept]
            decoder.keep(kept)
        logits = decoder.advance(chosen)
    return _trimmed(tokens, logprobs, lengths)


@dataclass(slots=True)
class Decoder:
    """The model's state between two tokens: key-value cache, attention mask (B, T) and last positions (B, 1)."""

    model: Any
    cache: Any
    mask: torch.Tensor
    positions: torch.Tensor

    @classmethod
    def prefill(cls, model: Any, prompts: Sequence[tuple[int, ...]], repeats: int) -> tuple[Decoder, torch.Tensor]:
        """Reads each prompt once; the state and the next token's logits (B, V), each prompt `repeats` times."""
        ids, mask = padded(prompts, model.device, left=True)
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)
        # As an index: hidden states that `logits_to_keep=1` cuts out are not contiguous, and a CPU then copies the
        # head's whole weight for every prompt in bfloat16 (torch 2.13).
        last = torch.tensor([ids.shape[1] - 1], device=ids.device)
        output = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=last)
        output.past_key_values.batch_repeat_interleave(repeats)
        mask, positions, logits = (
            tensor.repeat_interleave(repeats, dim=0) for tensor in (mask, positions[:, -1:], output.logits[:, -1])
        )
        return cls(model, output.past_key_values, mask, positions), logits

    def keep(self, rows: torch.Tensor) -> None:
        """Drops all rows but these."""
        self.cache.batch_select_indices(rows)
        self.mask, self.positions = self.mask[rows], self.positions[rows]

    def advance(self, tokens: torch.Tensor) -> torch.Tensor:
        """Appends one token to each row (B,); the next token's logits (B, V)."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=-1)
        self.positions = self.positions + 1
        output = self.model(
            input_ids=tokens[:, None],
            attention_mask=self.mask,
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        return output.logits[:, -1]  # type: ignore[no-any-return]


@torch.inference_mode()
def score(model: Any, sequences: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
    """Log-probs (nats, temperature 1) of tokens 1..T-1 of each sequence, one right-padded forward pass."""
    ids, mask = padded(sequences, model.device, left=False)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    values = logits.gather(-1, ids[:, 1:, None]).squeeze(-1) - logits.logsumexp(dim=-1)
    return [tuple(row[: len(sequence) - 1]) for row, sequence in zip(values.tolist(), sequences, strict=True)]


def padded(
    sequences: Sequence[tuple[int, ...]], device: torch.device, *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both (len(sequences), longest) int64; padding is id 0 with mask 0."""
    longest = max(len(sequence) for sequence in sequences)
    ids, mask = [], []
    for sequence in sequences:
        blank = [0] * (longest - len(sequence))
        ones = [1] * len(sequence)
        ids.append([*blank, *sequence] if left else [*sequence, *blank])
        mask.append(blank + ones if left else ones + blank)
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _trimmed(
    tokens: torch.Tensor, logprobs: torch.Tensor, lengths: torch.Tensor
) -> list[tuple[list[int], list[float]]]:
    columns = zip(tokens.tolist(), logprobs.tolist(), lengths.tolist(), strict=True)
    return [(ids[:length], values[:length]) for ids, values, length in columns]
