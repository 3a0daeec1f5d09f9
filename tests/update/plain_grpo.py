"""A plain GRPO step on padded sequences, one completion per row: the independent oracle of the packed step.

It shares no code with the trainer: whole-logit softmax, explicit loops, gradients through `torch.autograd.grad`,
norm clipping and AdamW (Loshchilov & Hutter 2019, algorithm 2) written out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Sampled:
    """One group: a prompt, its completions, their log-probs when sampled, and their rewards."""

    prompt: list[int]
    completions: list[list[int]]
    old_logprobs: list[list[float]]
    rewards: list[float]


def logprobs_of(model: PreTrainedModel, prompt: list[int], completion: list[int], temperature: float) -> torch.Tensor:
    """(T,) log-probs of a completion from a row padded on the right by three tokens."""
    table = table_of(model, prompt, completion, temperature)
    return torch.stack([table[t, token] for t, token in enumerate(completion)])


def entropies_of(model: PreTrainedModel, prompt: list[int], completion: list[int], temperature: float) -> torch.Tensor:
    """(T,) entropies of the distributions a completion's tokens were drawn from, nats."""
    table = table_of(model, prompt, completion, temperature)
    return -(table.exp() * table).sum(dim=-1)


def table_of(model: PreTrainedModel, prompt: list[int], completion: list[int], temperature: float) -> torch.Tensor:
    """(T, V) log-probs of every token in each place of a completion."""
    pad = 3
    ids = torch.tensor([prompt + completion + [0] * pad])
    mask = torch.tensor([[1] * (len(prompt) + len(completion)) + [0] * pad])
    logits = model(input_ids=ids, attention_mask=mask).logits[0].float() / temperature
    return torch.log_softmax(logits, dim=-1)[len(prompt) - 1 : len(prompt) + len(completion) - 1]


def group_zscores(rewards: list[float]) -> list[float]:
    mean = sum(rewards) / len(rewards)
    std = (sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1)) ** 0.5
    return [(r - mean) / (std + 1e-4) for r in rewards]


def token_mean_loss(
    model: PreTrainedModel, groups: list[Sampled], temperature: float, low: float, high: float
) -> torch.Tensor:
    """Mean over all tokens of all completions of -min(r·A, clip(r)·A)."""
    terms = [term for group in groups for term in policy_terms(model, group, temperature, low, high)]
    return torch.stack(terms).sum() / len(terms)


def policy_terms(
    model: PreTrainedModel, group: Sampled, temperature: float, low: float, high: float
) -> list[torch.Tensor]:
    """-min(r·A, clip(r)·A) of every token of a group, in order."""
    terms = []
    for completion, old, advantage in zip(
        group.completions, group.old_logprobs, group_zscores(group.rewards), strict=True
    ):
        new = logprobs_of(model, group.prompt, completion, temperature)
        for t in range(len(completion)):
            ratio = torch.exp(new[t] - old[t])
            bounded = min(max(ratio.item(), 1 - low), 1 + high)
            clipped = (ratio.item() > 1 + high and advantage > 0) or (ratio.item() < 1 - low and advantage < 0)
            terms.append(-(torch.tensor(bounded) * advantage) if clipped else -(ratio * advantage))
    return terms


@dataclass
class PlainAdamW:
    """AdamW with bias correction and global-norm clipping; decay on matrices only."""

    lr: float
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    decay: float = 0.0
    max_norm: float = 1.0

    def __post_init__(self) -> None:
        self.steps = 0
        self.first: dict[str, torch.Tensor] = {}
        self.second: dict[str, torch.Tensor] = {}

    def step(self, model: PreTrainedModel, loss: torch.Tensor) -> float:
        names, parameters = zip(*model.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, parameters)
        norm = sum(float((g.double() ** 2).sum()) for g in gradients) ** 0.5
        scale = min(1.0, self.max_norm / (norm + 1e-6))
        self.steps += 1
        with torch.no_grad():
            for name, parameter, gradient in zip(names, parameters, gradients, strict=True):
                g = gradient * scale
                m = self.beta1 * self.first.get(name, torch.zeros_like(g)) + (1 - self.beta1) * g
                v = self.beta2 * self.second.get(name, torch.zeros_like(g)) + (1 - self.beta2) * g * g
                self.first[name], self.second[name] = m, v
                corrected = (m / (1 - self.beta1**self.steps)) / ((v / (1 - self.beta2**self.steps)).sqrt() + self.eps)
                if parameter.ndim >= 2:
                    parameter -= self.lr * self.decay * parameter
                parameter -= self.lr * corrected
        return norm
