"""8-bit moments: exact where they can be, unbiased everywhere, never 0 under a v that is not."""

from __future__ import annotations

import torch

from grpo.kernels.adamw.moments import decode_first, decode_second, encode_first, encode_second
from grpo.kernels.adamw.random_words import CENTRE

Stored = tuple[torch.Tensor, torch.Tensor]


def spare(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.empty(count), torch.empty(count), torch.empty(count), torch.empty(count, dtype=torch.int32)


def store_first(values: torch.Tensor, words: torch.Tensor) -> Stored:
    codes, scale = torch.empty(len(values), dtype=torch.int8), torch.empty(len(values) // 256)
    encode_first(values.clone(), words, codes, scale, spare(len(values)))
    return codes, scale


def store_second(values: torch.Tensor, words: torch.Tensor) -> Stored:
    codes, scale = torch.empty(len(values), dtype=torch.uint8), torch.empty(len(values) // 256)
    encode_second(values.sqrt(), words, codes, scale, spare(len(values)))
    return codes, scale


def load_first(stored: Stored, factor: float = 1.0) -> torch.Tensor:
    out = torch.empty(len(stored[0]))
    decode_first(*stored, factor, out, torch.empty_like(out))
    return out


def load_second(stored: Stored, factor: float = 1.0) -> torch.Tensor:
    out = torch.empty(len(stored[0]))
    decode_second(*stored, factor, out)
    return out


def random_words(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-(2**31), 2**31, (count,), generator=generator, dtype=torch.int32)


def nearest(count: int) -> torch.Tensor:
    return torch.full((count,), CENTRE, dtype=torch.int32)


def test_codes_by_hand() -> None:
    """Scale 2: the codes of 2, -2, half the scale (between 89 and 90), 2·(3/127)² and 0."""
    values = torch.zeros(256)
    values[:5] = torch.tensor([2.0, -2.0, 1.0, 2 * (3.25 / 127) ** 2, -1e-9])
    codes, scale = store_first(values, nearest(256))
    assert scale.tolist() == [2.0] and codes[:5].tolist() == [127, -127, 90, 3, 0]
    codes, scale = store_second(values.abs(), nearest(256))
    assert scale[0] == torch.tensor(2.0).sqrt() ** 2
    # (1/2)^(1/4)·255 = 214.4, ((3.25/127)²)^(1/4)·255 = 40.79, and the smallest code where it would have been 0.
    assert codes[:5].tolist() == [255, 255, 214, 41, 1]


def test_codes_are_fixed_points() -> None:
    """What was stored is stored again as it is, whatever the random bits, up to 1e-5 of a step."""
    codes = torch.arange(-127, 129, dtype=torch.int16).clamp(max=127).to(torch.int8)
    again, scale = store_first(load_first((codes, torch.tensor([3.0]))), nearest(256))
    assert torch.equal(again, codes) and scale.tolist() == [3.0]
    unsigned = torch.arange(256, dtype=torch.int16).clamp(min=1).to(torch.uint8)
    again, scale = store_second(load_second((unsigned, torch.tensor([3.0]))), nearest(256))
    assert torch.equal(again, unsigned)
    torch.testing.assert_close(scale, torch.tensor([3.0]), rtol=1e-6, atol=0)


def test_rounding_is_unbiased_in_every_step() -> None:
    """Mean over 2,000 roundings of log-spaced values; 6 standard errors of a step's Bernoulli noise."""
    repeats = 2000
    values = torch.logspace(-4.5, 0, 256)
    many = values.repeat(repeats)
    for store, load, power in ((store_first, load_first, 2), (store_second, load_second, 4)):
        levels = 127 if power == 2 else 255
        target = values if power == 2 else values**2
        mean = load(store(many if power == 2 else many**2, random_words(len(many), power))).view(repeats, 256).mean(0)
        low = torch.floor(target ** (1 / power) * levels)
        step = ((low + 1) ** power - low**power) / levels**power
        tolerance = 6 * 0.5 * step / repeats**0.5 + 1e-6 * target
        assert bool(((mean - target).abs() <= tolerance).all())


def test_v_is_never_zero_in_a_block_that_has_any() -> None:
    values = torch.zeros(512)
    values[0], values[1] = 1.0, 1e-30
    codes, scale = store_second(values, random_words(512, 0))
    assert codes[:2].tolist() == [255, 1] and int(codes[:256].min()) == 1
    assert scale.tolist() == [1.0, 0.0] and load_second((codes, scale))[256:].abs().max() == 0
    assert load_second((codes, scale))[1] > 0


def test_tiny_and_huge_blocks_stay_finite() -> None:
    for size in (1e-45, 1e-38, 1e-30, 1.0, 1e30):
        values = torch.linspace(-1, 1, 256) * size
        found = load_first(store_first(values, nearest(256)))
        assert bool(found.isfinite().all()) and (found - values).abs().max() <= max(0.02 * size, 1e-30)
        found = load_second(store_second(values.abs(), nearest(256)))
        assert bool(found.isfinite().all()) and (found - values.abs()).abs().max() <= 0.02 * size + 1e-44


def decay(steps: int, store: object, load: object, words: object, keep: float) -> torch.Tensor:
    """A block of ones under a first element that keeps the scale at 1, decayed and stored again `steps` times."""
    values = torch.full((256 * 64,), 0.5)
    values[::256] = 1.0
    for step in range(steps):
        stored = store(values, words(len(values), step))  # type: ignore[operator]
        values = load(stored) * keep  # type: ignore[operator]
        values[::256] = 1.0
    return values.view(64, 256)[:, 1:]


def test_moments_decay_in_expectation_and_nearest_gets_stuck() -> None:
    """0.999 a step for 500 steps is 0.606; a step is a small share of a code's, so rounding to nearest never moves."""
    for store, load in ((store_first, load_first), (store_second, load_second)):
        mean = float(decay(500, store, load, random_words, 0.999).mean())
        assert abs(mean / (0.5 * 0.999**500) - 1) < 0.01
        stuck = decay(500, store, load, lambda count, step: nearest(count), 0.999)
        assert float(stuck.mean()) > 0.49
