"""The few formulas of cost accounting; every amount in a summary, a report or a published table is theirs."""

from __future__ import annotations

SECONDS_PER_HOUR = 3600.0

PEAK_FLOPS = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "H800": 989e12}
"""Dense bfloat16 operations a second, by a part of the device's name (NVIDIA's data sheets of the SXM parts)."""


def device_hours(devices: int, wall_seconds: float) -> float:
    """Devices times the wall time they were held, busy or not.

    Raises:
        ValueError: fewer than one device, or a negative time.
    """
    if devices < 1 or wall_seconds < 0:
        raise ValueError(f"{devices} devices for {wall_seconds} s: it takes 1 or more and 0 s or more")
    return devices * wall_seconds / SECONDS_PER_HOUR


def money(hours: float, price: float | None) -> float | None:
    """Device-hours times the price of one; None without a price."""
    return hours * price if price else None


def loaded_hours(final: float, multiple: float, data: float = 0.0) -> float:
    """Device-hours of everything, from those of the final run.

    Args:
        multiple: what failed and superseded runs and ablations took, as a multiple of the final run.
        data: device-hours of data made for it.
    """
    return final * (1.0 + multiple) + data


def load_multiple(final: float, loaded: float) -> float | None:
    """What everything but the final run took, as a multiple of it (`loaded_hours` without data, solved for it)."""
    return loaded / final - 1.0 if final > 0 else None


def per(total: float | None, units: float) -> float | None:
    """A cost per unit (point, answer, update); None where the cost is not known or there are no units."""
    return total / units if total is not None and units > 0 else None


def peak_flops(device: str) -> float | None:
    """Of a device by its name; None where no figure is known, as for a CPU."""
    return next((peak for part, peak in PEAK_FLOPS.items() if part in device), None)


def utilisation(flops: float, hours: float, peak: float | None) -> float | None:
    """Model FLOPs over what the devices could have done in their hours (MFU, Chowdhery et al. 2022, appendix B)."""
    return per(flops, hours * SECONDS_PER_HOUR * peak) if peak else None
