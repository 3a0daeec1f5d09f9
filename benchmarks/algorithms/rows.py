"""The algorithms that are compared, as config overrides.

A loss that clips, weighs or penalises ratios differs from the plain policy gradient only when a rollout feeds several
optimizer steps: those rows take four a rollout, and have a baseline of their own. Everything else (learning rate,
rewards, prompts, sampling) is the same for all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

STEPS_PER_ROLLOUT = {"on": 1, "off": 4}
"""Optimizer steps a rollout, by block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; `settings` are keys below `algorithm.`, where they differ from the defaults."""

    title: str
    block: str
    settings: dict[str, object]

    @property
    def overrides(self) -> list[str]:
        """As they go on the command line."""
        steps = f"stages.rl.optimizer_steps_per_rollout={STEPS_PER_ROLLOUT[self.block]}"
        return [steps, *(f"algorithm.{key}={_text(value)}" for key, value in self.settings.items())]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _on(title: str, **settings: object) -> Row:
    return Row(title=title, block="on", settings=settings)


def _off(title: str, **settings: object) -> Row:
    return Row(title=title, block="off", settings=settings)


BASELINES = {"on": "token_mean", "off": "token_mean_off"}
"""What the other rows of a block are paired with."""
REFILL = {"selection.refill": True, "dead_groups": "exclude"}
SCALE_RL = {
    "advantage": "group_mean_batch_std",
    "loss": "cispo",
    "reduction": "prompt_mean",
    "clip_low": 1.0,
    "clip_high": 4.0,
    "dead_groups": "exclude",
}
COVARIANCE = 0.002
"""Ten times the papers' share: an optimizer step has some 800 tokens here, of which theirs would be none."""

ROWS: dict[str, Row] = {
    "token_mean": _on("GRPO, token mean, no KL: the default; BNPO over the step"),
    "deepseekmath": _on("GRPO as in DeepSeekMath: sequence mean, KL 0.04", reduction="sequence_mean", kl_coef=0.04),
    "dr_grpo": _on("Dr. GRPO", advantage="group_mean", reduction="constant_length"),
    "rloo": _on("RLOO", advantage="leave_one_out", loss="reinforce", reduction="sequence_sum"),
    "reinforce_pp": _on("REINFORCE++: KL 0.001 in the reward", advantage="batch_zscore", reduction="sequence_mean",
                        kl_coef=0.001, kl_in="reward", kl_estimator="k1"),
    "reinforce_pp_baseline": _on("REINFORCE++-baseline", advantage="group_mean_batch_std", reduction="sequence_mean"),
    "lite_ppo": _on("Lite PPO", advantage="group_mean_reward_std"),
    "maxrl": _on("MaxRL", advantage="maxrl"),
    "scalerl": _on("ScaleRL: CISPO, prompt mean, batch std", **SCALE_RL),
    "refill": _on("token mean with dynamic sampling (refill)", **REFILL),
    "token_mean_off": _off("GRPO, token mean, clip 0.2"),
    "r1": _off("GRPO as in R1: clip 10, sequence mean, KL 0.001", reduction="sequence_mean", clip_low=1.0,
               clip_high=10.0, kl_coef=0.001),
    "dapo_loss": _off("DAPO's loss: clip-higher 0.28", clip_high=0.28),
    "dapo": _off("DAPO: the same with dynamic sampling", clip_high=0.28, **REFILL),
    "dual_clip": _off("dual clip 3", dual_clip=3.0),
    "gspo": _off("GSPO", loss="gspo", reduction="sequence_mean", clip_low=3.0e-4, clip_high=4.0e-4),
    "cispo": _off("CISPO, weights up to 5", loss="cispo", clip_low=1.0, clip_high=4.0),
    "sapo": _off("SAPO", loss="sapo", reduction="sequence_mean"),
    "clip_cov": _off("Clip-Cov", loss="clip_cov", covariance_share=COVARIANCE),
    "kl_cov": _off("KL-Cov", loss="kl_cov", covariance_share=COVARIANCE),
}  # fmt: skip
"""Name → row, block by block. No row has the overlong penalty: completions here end by themselves."""
