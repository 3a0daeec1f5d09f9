"""bfloat16 plus a signed byte is a 24-bit float, for every pattern there is."""

from __future__ import annotations

import torch

from grpo.kernels.adamw.master import join_master, split_master

ZERO_WORDS = 0


def split(bits: torch.Tensor, words: int | torch.Tensor = ZERO_WORDS) -> tuple[torch.Tensor, torch.Tensor]:
    master = bits.view(torch.float32).clone()
    weight, residual = torch.empty(len(bits), dtype=torch.bfloat16), torch.empty(len(bits), dtype=torch.int8)
    random = words if isinstance(words, torch.Tensor) else torch.full_like(bits, words)
    split_master(master, random, weight, residual, torch.empty_like(bits))
    return weight, residual


def join(weight: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    out = torch.empty(len(weight))
    join_master(weight, residual, out)
    return out.view(torch.int32)


def test_all_24_bit_patterns_come_back() -> None:
    """Both signs, zeros, subnormals, every binade, infinities; NaN payloads too, their bits are bits."""
    for start in range(0, 2**24, 2**22):
        bits = torch.arange(start, start + 2**22, dtype=torch.int32) << 8
        weight, residual = split(bits)
        assert torch.equal(join(weight, residual), bits)


def test_the_visible_weight_is_the_master_rounded_half_away_from_zero() -> None:
    bits = torch.arange(2**22, dtype=torch.int32) << 9
    finite = bits.view(torch.float32).isfinite()
    weight, residual = split(bits[finite])
    low = bits[finite] & 0xFFFF
    down = (bits[finite] >> 16) << 16
    expected = torch.where(low >= 0x8000, down + 0x10000, down).view(torch.float32)
    assert torch.equal(weight.float(), expected)
    assert torch.equal(residual.int() < 0, low >= 0x8000)


def test_masters_keep_their_order() -> None:
    """The bfloat16 never falls while the master rises, and within one bfloat16 the residual rises by one."""
    bits = torch.arange(0, 0x7F7F80, dtype=torch.int32) << 8
    weight, residual = split(bits)
    steps = weight.float().diff()
    assert bool((steps >= 0).all())
    assert bool((residual.int().diff()[steps == 0] == 1).all())


def test_known_patterns() -> None:
    values = torch.tensor([0.0, -0.0, 1.0, -1.5, float("inf"), -float("inf")])
    weight, residual = split(values.view(torch.int32))
    assert torch.equal(weight.view(torch.int16), values.bfloat16().view(torch.int16))
    assert residual.tolist() == [0] * 6
    weight, residual = split(torch.tensor([0x3F808000, 0x3F807F00, 0x3FFFFF00], dtype=torch.int32))
    assert weight.tolist() == [1.0078125, 1.0, 2.0] and residual.tolist() == [-128, 127, -1]


def test_the_last_8_bits_round_up_in_their_proportion() -> None:
    """Over all 256 words a pattern ending in r goes up in exactly r cases: no bias, across binades too."""
    for upper in (0x3F800000, 0x3FFFFF00, 0x00000000, 0x007FFF00, -0x407F8000):
        for low in (0, 1, 100, 255):
            bits = torch.full((256,), upper + low, dtype=torch.int32)
            weight, residual = split(bits, torch.arange(256, dtype=torch.int32))
            rounded = join(weight, residual)
            assert int((rounded == upper + 256).sum()) == low and int((rounded == upper).sum()) == 256 - low
