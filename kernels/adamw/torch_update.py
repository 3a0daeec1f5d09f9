"""One compact AdamW step in plain torch, in place, with reused buffers: any device, and the Triton kernel's twin."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .master import join_master, split_master
from .moments import BLOCK, blocks, decode_first, decode_second, encode_first, encode_second
from .random_words import fill_words
from .step_size import StepSize


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactSlice:
    """n elements in a row of one parameter, from a multiple of 256 on. All but `grad` are overwritten."""

    weight: torch.Tensor
    """(n,) bfloat16 or float32."""
    residual: torch.Tensor | None
    """(n,) int8 under a bfloat16 weight, None under a float32 one."""
    grad: torch.Tensor
    """(n,) bfloat16 or float32."""
    first: torch.Tensor
    """(n,) int8."""
    second: torch.Tensor
    """(n,) uint8."""
    first_scale: torch.Tensor
    """(ceil(n / 256),) float32."""
    second_scale: torch.Tensor
    """(ceil(n / 256),) float32."""


class Scratch:
    """Buffers for one slice, 32 bytes an element of the largest."""

    def __init__(self, elements: int, device: torch.device) -> None:
        size = blocks(elements) * BLOCK
        self._floats = torch.empty(5, size, dtype=torch.float32, device=device)
        self._integers = torch.empty(2, size, dtype=torch.int32, device=device)
        self._index = torch.arange(size, dtype=torch.int32, device=device)

    def floats(self, elements: int) -> list[torch.Tensor]:
        """Five (elements,) float32."""
        return [row[:elements] for row in self._floats]

    def integers(self, elements: int) -> torch.Tensor:
        """(elements,) int32."""
        return self._integers[1, :elements]

    def words(self, elements: int, start: int, keys: tuple[int, int]) -> torch.Tensor:
        """(whole blocks,) int32 random words of the elements from `start` on."""
        size = blocks(elements) * BLOCK
        out = self._integers[0, :size]
        fill_words(out, self._integers[1, :size], self._index[:size], start, keys)
        return out


def update_slice(state: CompactSlice, words: torch.Tensor, size: StepSize, scratch: Scratch) -> None:
    """One step of `state`, rounded with `words` (whole blocks,) int32."""
    count = state.weight.numel()
    first, root, *three = scratch.floats(words.numel())
    bits = scratch.integers(words.numel())
    spare = (three[0], three[1], three[2], bits)
    grad = state.grad if state.grad.dtype == torch.float32 else spare[0][:count].copy_(state.grad)
    decode_first(state.first, state.first_scale, size.beta1, first, root)
    first[:count].add_(grad, alpha=(1.0 - size.beta1) * size.grad_scale)
    decode_second(state.second, state.second_scale, size.beta2, root)
    root[:count].addcmul_(grad, grad, value=(1.0 - size.beta2) * size.grad_scale**2)
    root.sqrt_()
    divisor = torch.mul(root, size.root_scale, out=spare[0]).add_(size.eps)
    master = state.weight if state.residual is None else spare[1][:count]
    if state.residual is not None:
        join_master(state.weight, state.residual, master)
    if size.keep != 1.0:
        master.mul_(size.keep)
    master.addcdiv_(first[:count], divisor[:count], value=-size.rate)
    if state.residual is not None:
        split_master(master, words[:count], state.weight, state.residual, bits[:count])
    encode_first(first, words, state.first, state.first_scale, spare)
    encode_second(root, words, state.second, state.second_scale, spare)
