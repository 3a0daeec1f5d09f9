import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.report.text import by_unit, duration, esc, figure, money, percent, size


@given(st.text())
def test_nothing_escapes(text):
    shown = esc(text)
    assert not set("<>\"'") & set(shown)
    shown.encode("utf-8")
    if all(char.isprintable() or char in "\n\t" for char in text) and "\xa0" not in text:
        assert html.unescape(shown) == text


def test_invisible_characters_become_visible():
    assert esc("a\u2028b\u202ec\x00d\ud800\ufeff") == "a\\u2028b\\u202ec\\u0000d\\ud800\\ufeff"
    assert esc("思考\n\té😀") == "思考\n\té😀"


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (percent(0.546875), "54.7 %"),
        (percent(None), "\u2014"),
        (figure(0), "0"),
        (figure(1234567), "1,234,567"),
        (figure(4.2e-6), "4.20e-06"),
        (figure(0.69476), "0.6948"),
        (duration(4.21), "4.2 s"),
        (duration(126), "2 min 06 s"),
        (duration(3600 * 26 + 61), "26 h 01 min"),
        (duration(59.99), "60.0 s"),
        (size(1.5 * 2**30), "1.50 GiB"),
        (size(2048), "2 KiB"),
        (money(0.01966, "USD"), "0.0197 USD"),
        (money(1234.5, ""), "1,234.50"),
        (by_unit(0.25, "share"), "25.0 %"),
        (by_unit(0.25, "nats"), "0.25"),
    ],
)
def test_numbers(shown, wanted):
    assert shown == wanted
