"""Words are a function of (seed, step, parameter, element), and look random."""

from __future__ import annotations

import torch

from grpo.kernels.adamw.random_words import CENTRE, fill_words, step_keys


def words(count: int, start: int, keys: tuple[int, int]) -> torch.Tensor:
    out, spare = torch.empty(count, dtype=torch.int32), torch.empty(count, dtype=torch.int32)
    fill_words(out, spare, torch.arange(count, dtype=torch.int32), start, keys)
    return out


def word_by_hand(element: int, keys: tuple[int, int]) -> int:
    """The docstring's formula in Python's unbounded integers."""
    x = (element + keys[0]) % 2**32
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = (x + keys[1]) % 2**32
    x = x * 0x846CA68B % 2**32
    return x ^ (x >> 16)


def test_words_equal_the_formula() -> None:
    for keys in (step_keys(0, 1, 0), step_keys(7, 123, 45), (-1, -(2**31)), (2**31 - 1, 3)):
        for start in (0, 256, 2**31 - 512):
            found = words(8, start, keys)
            assert [word % 2**32 for word in found.tolist()] == [word_by_hand(start + i, keys) for i in range(8)]


def test_a_slice_gets_the_words_of_its_elements() -> None:
    keys = step_keys(3, 5, 2)
    assert torch.equal(words(1024, 0, keys)[512:], words(512, 512, keys))


def test_keys_differ_in_every_argument() -> None:
    found = {step_keys(seed, step, place) for seed in range(8) for step in range(8) for place in range(8)}
    assert len(found) == 512
    assert all(-(2**31) <= key < 2**31 for keys in found for key in keys)


def test_every_bit_is_fair_and_independent_of_its_neighbours() -> None:
    """2^18 words of three steps: no bit off by 5 standard deviations, nor equal to the next element's or step's."""
    count = 2**18
    steps = [words(count, 0, step_keys(0, step, 0)) for step in (1, 2, 3)]
    bits = torch.stack([(step.unsqueeze(1) >> torch.arange(32)) & 1 for step in steps])
    tolerance = 5 * 0.5 / count**0.5
    assert (bits.float().mean(1) - 0.5).abs().max() < tolerance
    assert ((bits[:, 1:] == bits[:, :-1]).float().mean(1) - 0.5).abs().max() < tolerance * 1.01
    assert ((bits[1:] == bits[:-1]).float().mean(1) - 0.5).abs().max() < tolerance
    fields = torch.stack([steps[0] & 255, (steps[0] >> 16) & 255, (steps[0] >> 24) & 255]).float()
    assert (torch.corrcoef(fields) - torch.eye(3)).abs().max() < 5 / count**0.5


def test_the_centre_is_one_half_for_every_user() -> None:
    assert CENTRE % 2**32 == 0x80800080
    assert (CENTRE & 255, (CENTRE >> 8 & 0xFFFFFF) >> 16, (CENTRE & 0xFFFFFF) >> 16) == (128, 128, 128)
