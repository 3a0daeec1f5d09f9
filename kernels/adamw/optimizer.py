"""AdamW as `torch.optim.Optimizer`s that work slice by slice, so that no temporary is larger than a slice.

Bytes a bfloat16 parameter needs beside its weight (2) and gradient (2):

    torch.optim.AdamW, bfloat16 moments     4
    torch.optim.AdamW of a float32 model    8, and 4 more for weight and gradient
    CompactAdamW                            3.03: residual 1, m 1, v 1, two float32 scales per 256 elements
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch.optim.adamw import adamw

from . import triton_update
from .moments import BLOCK
from .random_words import LARGEST, step_keys
from .step_size import StepSize
from .store import DeviceStore, HostStore, StateStore, Views
from .torch_update import CompactSlice, Scratch, update_slice

CPU_SLICE, CUDA_SLICE = 2**18, 2**20
"""Elements: buffers that stay in a CPU's cache, and copies long enough to hide their start on a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Elements start..stop of one parameter, and what its step is."""

    parameter: torch.nn.Parameter
    grad: torch.Tensor
    """Flat, of the whole parameter."""
    index: int
    """Place of the parameter in the optimizer."""
    start: int
    stop: int
    size: StepSize

    @property
    def part(self) -> slice:
        return slice(self.start, self.stop)


class StreamedAdamW(torch.optim.Optimizer):
    """What both kinds share: groups, state of a parameter, and the one loop over slices."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        states: str = "device",
    ) -> None:
        """`states`: "device", beside the parameters, or "host", in (pinned) host memory.

        Raises:
            ValueError: an argument out of range, or a parameter that cannot be updated in slices.
        """
        if states not in ("device", "host"):
            raise ValueError(f"states={states!r}: valid are 'device' and 'host'")
        if not (lr >= 0 and eps > 0 and weight_decay >= 0 and all(0 <= beta < 1 for beta in betas)):
            raise ValueError(
                f"lr={lr}, betas={betas}, eps={eps}, weight_decay={weight_decay}: valid are lr and weight_decay of 0 "
                "or more, betas from 0 to below 1, eps above 0"
            )
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        held = [parameter for group in self.param_groups for parameter in group["params"]]
        _require_updatable(held)
        self._places = {parameter: place for place, parameter in enumerate(held)}
        device = held[0].device
        self.store: StateStore = HostStore(device) if states == "host" else DeviceStore(device)
        self.slice_elements = CUDA_SLICE if device.type == "cuda" else CPU_SLICE

    def layout(self, parameter: torch.nn.Parameter) -> dict[str, tuple[torch.dtype, int]]:
        """Name of each state to its dtype and the elements of the parameter that share an entry."""
        raise NotImplementedError

    def update(self, piece: Piece, views: Views) -> None:
        """Step the weight of a slice and its states, all on the device, in place."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None, *, grad_scale: float = 1.0) -> float | None:  # type: ignore[override]
        """One step of every parameter that has a gradient, which is read as grad_scale · grad and left as it is."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        pieces = list(self._pieces(grad_scale))
        for place, views in enumerate(self.store.stream([self._home(piece) for piece in pieces])):
            self.update(pieces[place], views)
        return loss

    def adopt(self, parameter: torch.nn.Parameter, saved: Mapping[str, Any]) -> dict[str, Any]:
        """A saved state of `parameter`, copied to where states live.

        Raises:
            ValueError: it is the state of another kind of optimizer, or of a parameter of another size or dtype.
        """
        state = self._new_state(parameter)
        if saved.keys() != state.keys():
            raise ValueError(f"saved state has {sorted(saved)}, {type(self).__name__} needs {sorted(state)}")
        for name, tensor in state.items():
            value = saved[name]
            if name == "step":
                state[name] = int(value)
            elif value.dtype != tensor.dtype or value.numel() != tensor.numel():
                raise ValueError(
                    f"{name} was saved as {value.numel()} {value.dtype}, needed are {tensor.numel()} {tensor.dtype}"
                )
            else:
                tensor.copy_(value.view(-1))
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> NoReturn:  # type: ignore[override]
        """Not offered: torch's version casts 8-bit moments to the parameter's dtype. Use `adopt`."""
        raise NotImplementedError("torch casts states to the parameter's dtype on loading; copy them with adopt()")

    def _pieces(self, grad_scale: float) -> Iterable[Piece]:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None or parameter.numel() == 0:
                    continue
                state = self.state[parameter] = self.state[parameter] or self._new_state(parameter)
                state["step"] += 1
                size = _step_size(group, state["step"], grad_scale)
                grad = parameter.grad.contiguous().view(-1)
                for start in range(0, parameter.numel(), self.slice_elements):
                    stop = min(start + self.slice_elements, parameter.numel())
                    place = self._places[parameter]
                    yield Piece(parameter=parameter, grad=grad, index=place, start=start, stop=stop, size=size)

    def _new_state(self, parameter: torch.nn.Parameter) -> dict[str, Any]:
        count = parameter.numel()
        layout = self.layout(parameter).items()
        return {"step": 0} | {name: self.store.zeros(-(-count // share), dtype) for name, (dtype, share) in layout}

    def _home(self, piece: Piece) -> Views:
        state = self.state[piece.parameter]
        return {
            name: state[name][piece.start // share : -(-piece.stop // share)]
            for name, (_, share) in self.layout(piece.parameter).items()
        }


class CompactAdamW(StreamedAdamW):
    """24-bit master weights under bfloat16 parameters and 8-bit moments.

    A float32 parameter keeps its weight as it is. Gradients may be float32 under bfloat16 weights. What is rounded is
    rounded at random without bias, with bits that depend on (seed, step, place of the parameter, element) alone: a
    resumed run is bit-equal. A CPU and a GPU round with the same bits, but need not agree bit for bit before rounding.
    """

    def __init__(self, params: Iterable[Any], *, seed: int = 0, states: str = "device", **options: Any) -> None:
        super().__init__(params, states=states, **options)
        self.seed = seed
        device = next(iter(self._places)).device
        self.use_triton = device.type == "cuda" and triton_update.available()
        self.ptx = triton_update.PTX
        if self.use_triton and states == "device":
            self.slice_elements = LARGEST // BLOCK * BLOCK  # the kernel has no temporaries to keep small
        self._scratch: Scratch | None = None

    def layout(self, parameter: torch.nn.Parameter) -> dict[str, tuple[torch.dtype, int]]:
        residual = {"residual": (torch.int8, 1)} if parameter.dtype == torch.bfloat16 else {}
        return residual | {
            "exp_avg": (torch.int8, 1),
            "exp_avg_sq": (torch.uint8, 1),
            "exp_avg_scale": (torch.float32, BLOCK),
            "exp_avg_sq_scale": (torch.float32, BLOCK),
        }

    def update(self, piece: Piece, views: Views) -> None:
        state = CompactSlice(
            weight=piece.parameter.detach().view(-1)[piece.part],
            residual=views.get("residual"),
            grad=piece.grad[piece.part],
            first=views["exp_avg"],
            second=views["exp_avg_sq"],
            first_scale=views["exp_avg_scale"],
            second_scale=views["exp_avg_sq_scale"],
        )
        keys = step_keys(self.seed, piece.size.step, piece.index)
        if self.use_triton:
            triton_update.update_slice(state, piece.start, keys, piece.size, self.ptx)
            return
        if self._scratch is None:
            largest = max(parameter.numel() for parameter in self._places)
            self._scratch = Scratch(min(self.slice_elements, largest), piece.parameter.device)
        words = self._scratch.words(piece.stop - piece.start, piece.start, keys)
        update_slice(state, words, piece.size, self._scratch)


class PlainAdamW(StreamedAdamW):
    """`torch.optim.AdamW` (its fused kernel, slice by slice; moments in the weight's dtype) for states on the host."""

    def layout(self, parameter: torch.nn.Parameter) -> dict[str, tuple[torch.dtype, int]]:
        return {"exp_avg": (parameter.dtype, 1), "exp_avg_sq": (parameter.dtype, 1)}

    def update(self, piece: Piece, views: Views) -> None:
        weight = piece.parameter.detach().view(-1)[piece.part]
        grad = piece.grad[piece.part].to(weight.dtype)
        size = piece.size
        adamw(
            [weight],
            [grad * size.grad_scale if size.grad_scale != 1.0 else grad],
            [views["exp_avg"]],
            [views["exp_avg_sq"]],
            [],
            [torch.tensor(size.step - 1.0, device=weight.device)],
            fused=True,
            amsgrad=False,
            beta1=size.beta1,
            beta2=size.beta2,
            lr=size.lr,
            weight_decay=size.weight_decay,
            eps=size.eps,
            maximize=False,
        )


def _step_size(group: Mapping[str, Any], step: int, grad_scale: float) -> StepSize:
    beta1, beta2 = group["betas"]
    return StepSize(
        lr=float(group["lr"]),
        beta1=beta1,
        beta2=beta2,
        eps=group["eps"],
        weight_decay=group["weight_decay"],
        step=step,
        grad_scale=grad_scale,
    )


def _require_updatable(held: Sequence[torch.nn.Parameter]) -> None:
    for parameter in held:
        what = f"a parameter of shape {tuple(parameter.shape)}"
        if parameter.dtype not in (torch.float32, torch.bfloat16):
            raise ValueError(f"{what} is {parameter.dtype}: valid are float32 and bfloat16")
        if not parameter.is_contiguous() or parameter.device != held[0].device:
            raise ValueError(f"{what} is not contiguous, or not on {held[0].device} as the first one")
        if parameter.numel() > LARGEST:
            raise ValueError(f"{what} has {parameter.numel()} elements: valid are at most {LARGEST}")
