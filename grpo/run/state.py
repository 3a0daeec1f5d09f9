"""What a checkpoint holds: parts that can hand over their state as tensors and JSON, and take it back."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from grpo.kernels.adamw import StreamedAdamW


@dataclass(frozen=True, slots=True)
class PartState:
    """The state of one part."""

    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """Saved as safetensors. They may be the live ones: they are written before the next step changes them."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Saved as JSON; must survive it unchanged (lists, not tuples; str keys; finite numbers)."""


class Stateful(Protocol):
    """A part of a run whose state decides what the run computes next."""

    def state(self) -> PartState: ...

    def load_state(self, saved: PartState) -> None:
        """Continue from `saved`. Tensors arrive on CPU and may be shared: copy what is kept."""
        ...


class StateRegistry(Mapping[str, Stateful]):
    """The one list that checkpoints walk, in order of registration."""

    def __init__(self) -> None:
        self._parts: dict[str, Stateful] = {}

    def register(self, name: str, part: Stateful) -> None:
        """Add a part; its name becomes a file name.

        Raises:
            ValueError: the name is taken, or is not lower-case letters, digits and `_`, or is `manifest`.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "manifest":
            raise ValueError(f"part name {name!r}: valid are lower-case letters, digits and '_', and not 'manifest'")
        if name in self._parts:
            raise ValueError(f"a part named {name!r} is already registered; names: {', '.join(self._parts)}")
        self._parts[name] = part

    def __getitem__(self, name: str) -> Stateful:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


class ModelState:
    """Parameters and persistent buffers of a module; tied weights are stored once."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    def state(self) -> PartState:
        return PartState(tensors=self._module.state_dict())

    def load_state(self, saved: PartState) -> None:
        """Copy the saved tensors into the module's own.

        Raises:
            ValueError: names, shapes or dtypes differ, or weights tied here differ in `saved`.
        """
        own = self._module.state_dict()
        _require_same_names("model", own, saved.tensors)
        written: dict[tuple[int, torch.Size], str] = {}
        for name, target in own.items():
            tensor = saved.tensors[name]
            if tensor.shape != target.shape or tensor.dtype != target.dtype:
                raise ValueError(
                    f"model tensor {name!r} was saved as {tuple(tensor.shape)} {tensor.dtype}, "
                    f"the module has {tuple(target.shape)} {target.dtype}"
                )
            first = written.setdefault((target.data_ptr(), target.shape), name)
            if target.numel() and not torch.equal(tensor, saved.tensors[first]):
                raise ValueError(f"{first!r} and {name!r} are tied in this module but differ in what was saved")
        with torch.no_grad():
            for name, target in own.items():
                target.copy_(saved.tensors[name])


class OptimizerState:
    """State and hyper-parameters of an optimizer, keyed by parameter name; exact, dtypes kept.

    `torch.optim.Optimizer.load_state_dict` keys on positions and casts moments to the parameter's dtype:
    neither a reordered model nor 32-bit moments of 16-bit weights would survive it.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, named_parameters: Iterable[tuple[str, torch.nn.Parameter]]
    ) -> None:
        """
        Raises:
            ValueError: the optimizer has a parameter that is not among `named_parameters`.
        """
        self._optimizer = optimizer
        names = {id(parameter): name for name, parameter in named_parameters}
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        unnamed = [tuple(parameter.shape) for parameter in held if id(parameter) not in names]
        if unnamed:
            raise ValueError(f"{len(unnamed)} parameters of the optimizer have no name; shapes {unnamed[:5]}")
        self._parameters = {names[id(parameter)]: parameter for parameter in held}

    def state(self) -> PartState:
        tensors: dict[str, torch.Tensor] = {}
        scalars: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            for key, value in self._optimizer.state.get(parameter, {}).items():
                place = tensors if isinstance(value, torch.Tensor) else scalars
                place[f"{name}:{key}"] = value
        return PartState(tensors=tensors, values={"scalars": scalars, "groups": self._groups()})

    def load_state(self, saved: PartState) -> None:
        """
        Raises:
            ValueError: the saved groups hold other parameters, or in another order.
        """
        groups = saved.values["groups"]
        expected = [group["parameters"] for group in self._groups()]
        if [group["parameters"] for group in groups] != expected:
            raise ValueError("the saved optimizer groups hold other parameters than this optimizer's")
        state: dict[str, dict[str, Any]] = {}
        for place, value in [*saved.tensors.items(), *saved.values["scalars"].items()]:
            name, _, key = place.rpartition(":")
            state.setdefault(name, {})[key] = value
        _require_known("optimizer state", state, self._parameters)
        self._optimizer.state.clear()
        for own, group in zip(self._optimizer.param_groups, groups, strict=True):
            _load_group(own, group["options"])
            for name in group["parameters"]:
                if name in state:
                    parameter = self._parameters[name]
                    self._optimizer.state[parameter] = self._adopted(state[name], parameter, own)

    def _adopted(
        self, state: Mapping[str, Any], parameter: torch.nn.Parameter, group: Mapping[str, Any]
    ) -> dict[str, Any]:
        if isinstance(self._optimizer, StreamedAdamW):
            return self._optimizer.adopt(parameter, state)
        return _placed(state, parameter, group)

    def _groups(self) -> list[dict[str, Any]]:
        names = {id(parameter): name for name, parameter in self._parameters.items()}
        return [
            {
                "parameters": [names[id(parameter)] for parameter in group["params"]],
                "options": {key: _plain(value) for key, value in group.items() if key != "params"},
            }
            for group in self._optimizer.param_groups
        ]


class RandomState:
    """The global generators of Python, NumPy, PyTorch and, where there is one, every CUDA device.

    The run's own choices are keyed (`derive_seed`) and need none of this; it is for libraries that draw globally.
    """

    def state(self) -> PartState:
        version, words, gauss = random.getstate()
        legacy = np.random.get_state(legacy=False)
        assert isinstance(legacy, dict)
        numpy_values = {
            "bit_generator": legacy["bit_generator"],
            "key": legacy["state"]["key"].tolist(),
            "pos": int(legacy["state"]["pos"]),
            "has_gauss": int(legacy["has_gauss"]),
            "gauss": float(legacy["gauss"]),
        }
        tensors = {"torch": torch.get_rng_state()}
        tensors |= {f"cuda_{index}": torch.cuda.get_rng_state(index) for index in range(_cuda_devices())}
        return PartState(tensors, {"python": [version, list(words), gauss], "numpy": numpy_values})

    def load_state(self, saved: PartState) -> None:
        """
        Raises:
            ValueError: the number of CUDA devices differs.
        """
        devices = len(saved.tensors) - 1
        if devices != _cuda_devices():
            raise ValueError(f"saved with {devices} CUDA devices, now {_cuda_devices()}: resume on as many")
        version, words, gauss = saved.values["python"]
        random.setstate((version, tuple(words), gauss))
        values = saved.values["numpy"]
        key = np.array(values["key"], dtype=np.uint32)
        np.random.set_state((values["bit_generator"], key, values["pos"], values["has_gauss"], values["gauss"]))
        torch.set_rng_state(saved.tensors["torch"].clone())
        for index in range(devices):
            torch.cuda.set_rng_state(saved.tensors[f"cuda_{index}"].clone(), index)


def _cuda_devices() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _require_same_names(what: str, own: Iterable[str], saved: Iterable[str]) -> None:
    missing, surplus = sorted(set(own) - set(saved)), sorted(set(saved) - set(own))
    if missing or surplus:
        raise ValueError(f"{what}: not in what was saved: {missing[:5]}; saved but unknown here: {surplus[:5]}")


def _require_known(what: str, saved: Iterable[str], own: Iterable[str]) -> None:
    surplus = sorted(set(saved) - set(own))
    if surplus:
        raise ValueError(f"{what}: saved but unknown here: {surplus[:5]}")


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _load_group(own: dict[str, Any], options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if isinstance(own.get(key), torch.Tensor):
            own[key].fill_(value)
        else:
            own[key] = tuple(value) if isinstance(own.get(key), tuple) else copy.deepcopy(value)


def _placed(state: Mapping[str, Any], parameter: torch.nn.Parameter, group: Mapping[str, Any]) -> dict[str, Any]:
    # As in torch.optim: `step` stays on CPU unless a fused or captured kernel counts on the device.
    on_device = bool(group.get("fused") or group.get("capturable"))
    placed: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            device = parameter.device if key != "step" or on_device else torch.device("cpu")
            placed[key] = value.to(device, copy=True)
        else:
            placed[key] = value
    return placed
