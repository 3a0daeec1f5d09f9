"""The published arithmetic: expected figures are literals from the papers, see recipe of the sources in the module."""

from __future__ import annotations

from pathlib import Path

import pytest

from grpo.cost.arithmetic import device_hours, load_multiple, loaded_hours, money, peak_flops, per, utilisation
from grpo.report.published import markdown, rows

EXPECTED = [2_788e3, 5.576e6, 101e3, 41e3, 147e3, 294e3, 69, 9.7, 7, 14, 152, 2.96]


def test_every_published_figure_comes_out() -> None:
    found = rows()
    assert [row.published for row in found] == EXPECTED
    for row, figure in zip(found, EXPECTED, strict=True):
        assert row.computed == pytest.approx(figure, rel=row.tolerance), row.item
        assert row.tolerance <= 0.015 and row.holds


def test_the_table_has_them_all() -> None:
    lines = markdown(rows()).splitlines()
    assert len(lines) == 2 + len(EXPECTED) and "| 5,576,000 $ | 5,576,000 $ |" in lines[3]


def test_formulas_by_hand() -> None:
    assert device_hours(16, 26 * 60) == pytest.approx(6.9333, abs=1e-4)
    assert money(152.0, 2.96) == pytest.approx(449.92)
    assert money(1.0, 0.0) is None and money(1.0, None) is None
    assert loaded_hours(10.0, 2.5, data=3.0) == 38.0
    assert load_multiple(10.0, 35.0) == 2.5 and load_multiple(0.0, 1.0) is None
    assert per(6.0, 4) == 1.5 and per(6.0, 0) is None and per(None, 4) is None and per(6.0, -1) is None


def test_utilisation_by_hand() -> None:
    """Half of what one H100 could do in an hour is 989e12 * 3600 / 2."""
    assert utilisation(989e12 * 1800, 1.0, peak_flops("NVIDIA H100 80GB HBM3")) == pytest.approx(0.5)
    assert peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_flops("cpu") is None and utilisation(1e12, 1.0, None) is None


def test_impossible_amounts_are_refused() -> None:
    for devices, seconds in ((0, 1.0), (1, -1.0)):
        with pytest.raises(ValueError, match="1 or more and 0 s or more"):
            device_hours(devices, seconds)


def test_the_page_has_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
    assert page.endswith(markdown(rows())), "append `python -m grpo.report.published` to docs/cost.md"
