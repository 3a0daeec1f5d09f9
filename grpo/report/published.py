"""`python -m grpo.report.published`: published training costs, worked out by the functions that a run's accounts use.

A published figure is rounded, so each row says by how much the arithmetic may differ from it.
Sources: DeepSeek-V3 (arXiv 2412.19437, table 1), DeepSeek-R1 (arXiv 2501.12948v2, table 7), s1 (arXiv 2501.19393),
Sky-T1 (README of NovaSky-AI/SkyThought).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grpo.cost.arithmetic import SECONDS_PER_HOUR, device_hours, loaded_hours, money, per

R1_ZERO_UPDATES = 10_400
HOUR = SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published figure."""

    item: str
    arithmetic: str
    computed: float
    published: float
    unit: str
    tolerance: float
    """Relative: the published figure's rounding."""

    @property
    def difference(self) -> float:
        """Relative, of `computed` from `published`."""
        return self.computed / self.published - 1.0

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance."""
        return abs(self.difference) <= self.tolerance


def rows() -> list[Row]:
    """All of them, in order."""
    return [*v3_rows(), *r1_rows(), *small_rows()]


def v3_rows() -> list[Row]:
    """DeepSeek-V3: its official training, without earlier research and ablations, as its authors say."""
    hours = sum((180e3 * 14.8, 119e3, 5e3))
    cost = money(hours, 2.0) or 0.0
    return [
        row("DeepSeek-V3, H800-hours", "180K per T tokens x 14.8 T + 119K + 5K", (hours, 2_788e3, 0.0005), "h"),
        row("DeepSeek-V3, cost", "2,788K h x $2", (cost, 5.576e6, 0.0005), "$"),
    ]


def r1_rows() -> list[Row]:
    """DeepSeek-R1: everything is the last run (R1), the one before it (R1-Zero) and the data made for it."""
    zero_wall = 198 * HOUR
    zero, final, data = device_hours(64 * 8, zero_wall), device_hours(64 * 8, 80 * HOUR), 5e3
    everything = loaded_hours(final, zero / final, data)
    update_wall, update_hours = per(zero_wall, R1_ZERO_UPDATES) or 0.0, per(zero, R1_ZERO_UPDATES) or 0.0
    return [
        row("R1-Zero, H800-hours", "64 x 8 x 198 h", (zero, 101e3, 0.005), "h"),
        row("R1, H800-hours", "64 x 8 x 80 h", (final, 41e3, 0.005), "h"),
        row("R1 in all, H800-hours", "final x (1 + R1-Zero / final) + 5K of data", (everything, 147e3, 0.005), "h"),
        row("R1 in all, cost", "the same x $2", (money(everything, 2.0) or 0.0, 294e3, 0.005), "$"),
        row("R1-Zero, wall time per update", "198 h / 10,400", (update_wall, 69, 0.01), "s"),
        row("R1-Zero, H800-hours per update", "64 x 8 x 198 h / 10,400", (update_hours, 9.7, 0.01), "h"),
    ]


def small_rows() -> list[Row]:
    """Fine-tuning on reasoning traces."""
    s1, sky = device_hours(16, 26 * 60), device_hours(8, 19 * HOUR)
    price = per(450, sky) or 0.0
    return [
        row("s1-32B, H100-hours", "16 x 26 min", (s1, 7, 0.015), "h"),
        row("s1-32B, cost", "the same x $2", (money(s1, 2.0) or 0.0, 14, 0.015), "$"),
        row("Sky-T1-32B, H100-hours", "8 x 19 h", (sky, 152, 0.0005), "h"),
        row("Sky-T1-32B, price of an hour", "$450 / 152 h", (price, 2.96, 0.005), "$"),
    ]


def row(item: str, arithmetic: str, figures: tuple[float, float, float], unit: str) -> Row:
    """`figures`: computed, published, tolerance."""
    computed, published, tolerance = figures
    return Row(item=item, arithmetic=arithmetic, computed=computed, published=published, unit=unit, tolerance=tolerance)


def markdown(found: Sequence[Row]) -> str:
    """A table."""
    lines = ["| figure | arithmetic | computed | published | difference | allowed |", "|---|---|---|---|---|---|"]
    for one in found:
        cells = (
            one.item,
            one.arithmetic,
            shown(one.computed, one.unit),
            shown(one.published, one.unit),
            f"{100 * one.difference:+.2f} %",
            f"{100 * one.tolerance:g} %",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def shown(value: float, unit: str) -> str:
    """`5,576,000 $`; small ones with two decimals."""
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:,.2f} {unit}"


if __name__ == "__main__":
    print(markdown(rows()), end="")
