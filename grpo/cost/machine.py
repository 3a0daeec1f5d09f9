"""The devices of this process."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from grpo.cost.energy import EnergyMeter, open_meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the run's process holds."""

    devices: int
    """GPUs, or 1 for the whole machine."""
    name: str
    """Of the GPUs, or `cpu`."""
    meter: EnergyMeter


def this_machine() -> Machine:
    """All GPUs that this process sees, or the whole machine."""
    if not torch.cuda.is_available():
        return Machine(devices=1, name="cpu", meter=open_meter([]))
    found = [torch.cuda.get_device_properties(place) for place in range(torch.cuda.device_count())]
    uuids = [str(getattr(one, "uuid", "")) for one in found]
    return Machine(devices=len(found), name=str(found[0].name), meter=open_meter(uuids))
