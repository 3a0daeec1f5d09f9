"""Corrections, ratios and their metrics of the update, against plain padded computations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from grpo.algorithm.losses import OVER_STEP
from grpo.config.slices import AlgorithmConfig
from grpo.update.mismatch import MismatchLimit
from grpo.update.policy import Policy
from tests.update.conftest import tiny_model
from tests.update.plain_grpo import PlainAdamW, Sampled, group_zscores, logprobs_of
from tests.update.test_reinforce import DAMPED, SETTINGS, TEMPERATURE, sampled, trees_of, updater, weights

LOOSE = MismatchLimit(statistic="max", value=3.0)
FLOOR, CAP = 0.6, 1.5


def product(logs: list[float]) -> float:
    return math.exp(math.fsum(logs))


def inside(value: float) -> bool:
    return FLOOR <= value <= CAP


WEIGHTS = {
    ("truncate", "token"): lambda logs: [min(math.exp(d), CAP) for d in logs],
    ("truncate", "sequence"): lambda logs: [min(product(logs), CAP)] * len(logs),
    ("mask", "token"): lambda logs: [math.exp(d) if inside(math.exp(d)) else 0.0 for d in logs],
    ("mask", "sequence"): lambda logs: [product(logs) if inside(product(logs)) else 0.0] * len(logs),
    ("mask", "geometric"): lambda logs: [float(inside(product(logs) ** (1 / len(logs))))] * len(logs),
    ("off", "token"): lambda logs: [1.0] * len(logs),
}


def corrected_loss(model: PreTrainedModel, groups: list[Sampled], choice: tuple[str, str]) -> torch.Tensor:
    """Token mean of -(π / π_old)·A·weight at π = π_old; `old_logprobs` of a group are the sampler's."""
    terms = []
    for group in groups:
        advantages = group_zscores(group.rewards)
        for completion, sampler, advantage in zip(group.completions, group.old_logprobs, advantages, strict=True):
            new = logprobs_of(model, group.prompt, completion, TEMPERATURE)
            logs = [a - b for a, b in zip(new.detach().tolist(), sampler, strict=True)]
            for t, weight in enumerate(WEIGHTS[choice](logs)):
                terms.append(-torch.exp(new[t] - new[t].detach()) * advantage * weight)
    return torch.stack(terms).sum() / len(terms)


def settings_of(choice: tuple[str, str], **more: object) -> AlgorithmConfig:
    floor = FLOOR if choice[0] == "mask" else 0.0
    return AlgorithmConfig(
        importance=choice[0],
        importance_level=choice[1],
        importance_cap=CAP,
        importance_floor=floor,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("choice", WEIGHTS, ids="-".join)
def test_corrected_step_equals_the_plain_one(choice: tuple[str, str]) -> None:
    """The sampler is up to 0.9 nats off a token, so that every bound cuts some and keeps some."""
    ours, plain = tiny_model(), tiny_model()
    groups = sampled(ours, drift=0.9)
    settings = replace(SETTINGS, algorithm=settings_of(choice), mismatch=LOOSE)
    metrics = updater(ours, settings, optimizer=DAMPED)(trees_of(groups))
    loss = corrected_loss(plain, groups, choice)
    norm = PlainAdamW(lr=1e-3, max_norm=0.5, decay=0.1, eps=1e-3).step(plain, loss)
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert (weights(ours) - weights(plain)).abs().max() < 1e-5
    cut = metrics.get("sampling/importance_sampling_ratio/cut")
    assert cut is None if choice[0] == "off" else 0.02 < cut < 0.9


def test_the_metrics_by_hand() -> None:
    """One live group, the sampler's log-probs moved by known amounts."""
    model = tiny_model()
    shifts = [0.3, -0.2, 0.0, 0.1]
    group = sampled(model)[0]
    moved = replace(
        group,
        old_logprobs=[[v - shift for v in row] for row, shift in zip(group.old_logprobs, shifts, strict=True)],
    )
    update = updater(model, replace(SETTINGS, algorithm=settings_of(("mask", "sequence")), mismatch=LOOSE))
    metrics = update(trees_of([moved]))
    sizes = [len(c) for c in group.completions]
    total = sum(sizes)
    k3 = [math.exp(s) - 1 - s for s in shifts]
    ratios = [math.exp(s * n) for s, n in zip(shifts, sizes, strict=True)]
    cut = sum(n for r, n in zip(ratios, sizes, strict=True) if not inside(r))
    assert metrics["mismatch_kl"] == pytest.approx(sum(k * n for k, n in zip(k3, sizes, strict=True)) / total, rel=1e-4)
    for name, wanted in (("min", min(ratios)), ("max", max(ratios))):
        assert metrics[f"sampling/importance_sampling_ratio/{name}"] == pytest.approx(wanted, rel=1e-4)
    mean = sum(r * n for r, n in zip(ratios, sizes, strict=True)) / total
    assert metrics["sampling/importance_sampling_ratio/mean"] == pytest.approx(mean, rel=1e-4)
    assert 0 < cut < total and metrics["sampling/importance_sampling_ratio/cut"] == pytest.approx(cut / total)
    assert metrics["sampling/sampling_logp_difference/max"] == pytest.approx(0.3, abs=1e-5)
    assert [metrics[f"ratio/{name}"] for name in ("min", "mean", "max")] == [1.0, 1.0, 1.0]


def test_mismatch_kl_is_not_lost_to_rounding() -> None:
    """1e-5 nats a token: exp(d) - 1 - d = 5e-11, which float32 would round to 0 or 6e-8."""
    model = tiny_model()
    group = sampled(model)[0]
    exact = updater(tiny_model())(trees_of([group]))["mismatch_kl"]
    moved = replace(group, old_logprobs=[[v - 1e-5 for v in row] for row in group.old_logprobs])
    found = updater(model)(trees_of([moved]))["mismatch_kl"]
    assert exact < 2e-12 and found == pytest.approx(5e-11, rel=0.3)


def test_ratios_leave_one_in_the_second_optimizer_step() -> None:
    model = tiny_model()
    metrics = updater(model, replace(SETTINGS, optimizer_steps=2))(trees_of(sampled(model)))
    assert metrics["ratio/min"] < 0.999 and metrics["ratio/max"] > 1.001
    assert metrics["ratio/min"] < metrics["ratio/mean"] < metrics["ratio/max"]


ASKING = "asks_the_step"


@pytest.mark.parametrize(
    ("choice", "loss", "steps", "passes"),
    [
        (("truncate", "token"), "clipped_ratio", 1, 0),
        (("truncate", "sequence"), "clipped_ratio", 1, 1),
        (("truncate", "token"), ASKING, 1, 1),
        (("mask", "geometric"), ASKING, 1, 1),  # one pass serves both
        (("truncate", "token"), "clipped_ratio", 2, 2),  # `old`, of each part
        (("truncate", "sequence"), "clipped_ratio", 2, 2),  # which is all that a correction needs
        (("truncate", "sequence"), ASKING, 2, 3),  # `old` is the first step's own, the second asks anew
        (("truncate", "token"), "gspo", 1, 0),  # ratios of 1 need no pass
        (("truncate", "sequence"), "gspo_token", 1, 1),  # the correction does
        (("truncate", "token"), "gspo", 2, 3),
    ],
)
def test_no_pass_too_many(
    choice: tuple[str, str], loss: str, steps: int, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grpo.algorithm.losses import LOSSES

    monkeypatch.setitem(LOSSES, ASKING, LOSSES["clipped_ratio"])
    monkeypatch.setitem(OVER_STEP, ASKING, lambda tokens, settings: torch.zeros_like(tokens.logprob))
    calls = []
    plain = Policy.tree_logprobs
    monkeypatch.setattr(Policy, "tree_logprobs", lambda self, *rest: calls.append(1) or plain(self, *rest))
    model = tiny_model()
    trees = trees_of([sampled(model)[0], sampled(model)[2]])
    algorithm = settings_of(choice, loss=loss)
    updater(model, replace(SETTINGS, algorithm=algorithm, optimizer_steps=steps, mismatch=LOOSE))(trees)
    assert len(calls) == passes
