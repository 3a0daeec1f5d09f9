"""Each alarm on numbers made by hand: it rings at its threshold and not beside it; what is healthy is left alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

import pytest

from grpo.track.alarms import ALARMS
from grpo.track.alarms.criteria import rise
from grpo.track.alarms.history import History
from grpo.types import StepMetrics

RIGHT, FORMAT = "rewards/right/mean", "rewards/format/mean"
CUT, LENGTH = "completions/clipped_ratio", "completions/mean_length"
DEAD, ZERO = "frac_reward_zero_std", "all_zero_ratio"


def history(*stages: dict[str, Sequence[float]]) -> History:
    """Stages `s0`, `s1`, ... from metric name to a value per step."""
    found, step = History(), 0
    for place, series in enumerate(stages):
        for row in zip(*series.values(), strict=True):
            step += 1
            values = dict(zip(series, row, strict=True))
            found.add(StepMetrics(step=step, stage=f"s{place}", stage_step=step, values=values))
    return found


def rings(name: str, *stages: dict[str, Sequence[float]]) -> bool:
    return ALARMS[name].finds(history(*stages)) is not None


@pytest.mark.parametrize(
    ("name", "metric", "above", "below", "steps"),
    [
        ("truncation", CUT, 0.101, 0.1, 5),
        ("all_zero", ZERO, 0.95, 0.949, 10),
        ("no_signal", DEAD, 0.801, 0.8, 10),
        ("mismatch", "mismatch_kl", 0.01, 0.0099, 5),
    ],
)
def test_levels_held_for_several_steps(name: str, metric: str, above: float, below: float, steps: int) -> None:
    assert rings(name, {metric: [0.0, *[above] * steps]})
    assert not rings(name, {metric: [above] * (steps - 1)})
    assert not rings(name, {metric: [*[above] * (steps - 1), below]})
    assert not rings(name, {metric: [*[above] * steps, below, *[above] * (steps - 1)]})
    assert not rings(name, {"reward": [1.0] * 50}), "without its metric it stays silent"


def test_a_solved_task_may_have_no_signal() -> None:
    dead = [1.0] * 10
    assert rings("no_signal", {DEAD: dead, RIGHT: [0.89] * 10})
    assert not rings("no_signal", {DEAD: dead, RIGHT: [0.0] * 5 + [0.9] * 5})


def test_entropy_collapse() -> None:
    """A start of 1.0: 5 % are 0.05."""
    assert rings("entropy_collapse", {"entropy": [1.0] * 10 + [0.05] * 5})
    assert not rings("entropy_collapse", {"entropy": [1.0] * 10 + [0.05] * 4 + [0.051]})
    assert not rings("entropy_collapse", {"entropy": [1.0] * 10 + [0.05] * 4})
    assert not rings("entropy_collapse", {"entropy": [0.04] * 100}), "it began there"
    fallen = [1.0] * 10 + [0.01] * 10
    assert rings("entropy_collapse", {"entropy": fallen, RIGHT: [0.8] * 20})
    assert not rings("entropy_collapse", {"entropy": fallen, RIGHT: [0.8] * 15 + [0.95] * 5}), "sure and right"


def test_entropy_explosion() -> None:
    low = [0.1] * 10
    assert rings("entropy_explosion", {"entropy": low + [0.51] * 5})
    assert not rings("entropy_explosion", {"entropy": low + [0.49] * 5})
    assert not rings("entropy_explosion", {"entropy": [*low, 2.0, *[0.1] * 4]}), "one step: a mean of 0.48 against 0.1"
    assert not rings("entropy_explosion", {"entropy": [0.001] * 10 + [0.09] * 5}), "sure before and after"
    assert not rings("entropy_explosion", {"entropy": [0.1 * 1.02**step for step in range(200)]}), "2.7 times in 50"
    assert rings("entropy_explosion", {"entropy": [0.1 * 1.04**step for step in range(60)]}), "5.8 times in 45"


def test_length_collapse() -> None:
    right = [0.4, 0.5] * 5
    assert rings("length_collapse", {LENGTH: [40.0] * 10 + [10.0] * 5})
    assert not rings("length_collapse", {LENGTH: [40.0] * 10 + [10.0] * 4 + [10.1]})
    assert not rings("length_collapse", {LENGTH: [40.0] * 9 + [10.0] * 5}), "no running level yet"
    fall = {LENGTH: [40.0] * 10 + [8.0] * 5}
    assert rings("length_collapse", fall | {RIGHT: [*right, 0.45, 0.4, 0.5, 0.45, 0.4]})
    assert not rings("length_collapse", fall | {RIGHT: [*right, 0.9, 0.92, 0.91, 0.9, 0.93]}), "shorter and better"
    jump = {LENGTH: [20.0] * 10 + [40.0] * 5}
    assert rings("length_collapse", jump | {CUT: [0.0] * 10 + [0.9] * 5})
    assert not rings("length_collapse", jump | {CUT: [0.0] * 10 + [0.89] * 5})
    assert not rings("length_collapse", jump), "longer, and not known to be cut off"
    assert not rings("length_collapse", {LENGTH: [20.0] * 10 + [39.9] * 5, CUT: [1.0] * 15})


def test_mismatch_grows() -> None:
    assert rings("mismatch", {"mismatch_kl": [2e-4] * 10 + [1e-3] * 10})
    assert not rings("mismatch", {"mismatch_kl": [2e-4] * 10 + [9.9e-4] * 10})
    assert not rings("mismatch", {"mismatch_kl": [2e-4] * 10 + [1e-3] * 9})
    assert not rings("mismatch", {"mismatch_kl": [1e-12] * 10 + [9e-4] * 10}), "rounding"


def test_grad_norm_spikes() -> None:
    calm = [1.0] * 20
    assert rings("grad_norm_spike", {"grad_norm": calm + [1.0] * 17 + [5.0] * 3})
    assert not rings("grad_norm_spike", {"grad_norm": calm + [1.0] * 18 + [50.0] * 2})
    assert not rings("grad_norm_spike", {"grad_norm": calm + [1.0] * 17 + [5.0, 5.0, 4.9]})
    assert not rings("grad_norm_spike", {"grad_norm": calm[1:] + [1.0] * 17 + [5.0] * 3}), "too early to tell"
    assert not rings("grad_norm_spike", {"grad_norm": [7.0] * 3 + [1.0] * 37}), "the start of a warm-up"


FLAT, LOW, HIGH = [0.48, 0.52] * 10, [0.38, 0.42] * 10, [0.58, 0.62] * 10


def test_reward_hacking() -> None:
    assert rings("reward_hacking", {RIGHT: FLAT + LOW, FORMAT: FLAT + HIGH})
    assert not rings("reward_hacking", {RIGHT: FLAT + HIGH, FORMAT: FLAT + LOW}), "the first is what counts"
    assert not rings("reward_hacking", {RIGHT: FLAT + LOW, FORMAT: FLAT + FLAT})
    assert not rings("reward_hacking", {RIGHT: FLAT + LOW, FORMAT: FLAT + LOW}), "both fall: no trade"
    assert not rings("reward_hacking", {RIGHT: FLAT + LOW}), "nothing else to earn"
    assert not rings("reward_hacking", {RIGHT: (FLAT + LOW)[1:], FORMAT: (FLAT + HIGH)[1:]}), "39 steps"
    small = [0.47 - 0.01 * (step % 2) for step in range(20)]
    assert rise(FLAT, small) < -3 and not rings("reward_hacking", {RIGHT: FLAT + small, FORMAT: FLAT + HIGH}), "7 %"
    wild = [0.0, 0.9] * 10
    assert not rings("reward_hacking", {RIGHT: [0.1, 0.9] * 10 + wild, FORMAT: FLAT + HIGH}), "noise"


def test_rise_is_welchs_t() -> None:
    """Means 2 and 4, variances 1 and 4, 3 values each: 2 / sqrt(1/3 + 4/3)."""
    assert stdev([1, 2, 3]) == 1 and stdev([2, 4, 6]) == 2
    assert rise([1, 2, 3], [2, 4, 6]) == pytest.approx(2 / math.sqrt(5 / 3))
    assert rise([2, 4, 6], [1, 2, 3]) == pytest.approx(-2 / math.sqrt(5 / 3))
    assert rise([1, 1], [1, 1]) == 0.0 and rise([1, 1], [2, 2]) == math.inf and rise([1, 1], [0, 0]) == -math.inf


STRICT, LENIENT = "reward_metrics/math/strict_accuracy", "reward_metrics/math/lenient_accuracy"


def test_strict_and_lenient_drift_apart() -> None:
    same = [0.5] * 20  # shares that are exact: gaps of 0.125 and 0.09375
    assert rings("strict_lenient_gap", {STRICT: same + [0.375] * 20, LENIENT: [0.5] * 40})
    assert not rings("strict_lenient_gap", {STRICT: same + [0.40625] * 20, LENIENT: [0.5] * 40})
    assert not rings("strict_lenient_gap", {STRICT: same + [0.375] * 15, LENIENT: [0.5] * 35}), "a mean of 0.094"
    assert not rings("strict_lenient_gap", {STRICT: [0.0] * 20 + [0.5] * 20, LENIENT: [0.5] * 40}), "it closes"
    assert not rings("strict_lenient_gap", {STRICT: [0.1] * 40, LENIENT: [0.5] * 40}), "it was there"
    assert not rings("strict_lenient_gap", {LENIENT: [0.5] * 20 + [0.9] * 20}), "no strict one beside it"


def evaluated(value: float, half: float = 0.03) -> dict[str, Sequence[float]]:
    name = "eval/sampled_accuracy"
    return {name: [value], f"{name}_low": [value - half], f"{name}_high": [value + half]}


def test_held_out_accuracy_falls_while_the_reward_rises() -> None:
    """Half-widths of 0.03 and 0.04 together allow 0.05."""
    better, worse = {"reward": FLAT + HIGH}, {"reward": FLAT + LOW}
    assert rings("held_out_drop", evaluated(0.5), better, evaluated(0.449, 0.04))
    assert not rings("held_out_drop", evaluated(0.5), better, evaluated(0.451, 0.04))
    assert not rings("held_out_drop", evaluated(0.5), worse, evaluated(0.3))
    assert not rings("held_out_drop", better, evaluated(0.3)), "nothing before it"
    assert not rings("held_out_drop", evaluated(0.5), {"loss": [1.0] * 40}, evaluated(0.3)), "no rewards between"
    assert not rings("held_out_drop", evaluated(0.5), better), "a step of training is no evaluation"
    assert not rings("held_out_drop", evaluated(0.5), better, evaluated(0.6), {"loss": [1.0]}, evaluated(0.4))


def test_what_is_not_finite_was_not_measured() -> None:
    """As in `metrics.jsonl`, so that a replay sees the same."""
    assert rings("truncation", {CUT: [0.5, 0.5, math.nan, 0.5, 0.5, 0.5]})
    assert not rings("truncation", {CUT: [math.inf] * 5})


def test_memory_does_not_grow_with_the_run() -> None:
    found = history({"entropy": [float(step) for step in range(500)]})
    assert found.now.start("entropy") == [float(step) for step in range(20)]
    assert found.now.series("entropy") == [float(step) for step in range(400, 500)]
