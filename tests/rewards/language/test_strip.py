from __future__ import annotations

import pytest

from grpo.rewards.language.strip import language_only


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a $x^2$ b", "a b"),
        (r"a \(x\) b \[ y \] c $$z$$ d", "a b c d"),
        (r"a $n \text{ bags}$ b", "a bags b"),
        (r"a \$5 b", "a 5 b"),
        ("from $5 to $9 and", "from $5 to $9 and"),
        ("costs $5, so $x = 5$ then $ y $ and", "costs $5, so then and"),
        (r"\begin{align} x &= 1 \end{align} b", "b"),
        (r"\textbf{Step} \boxed{five} \frac{1}{2}", "Step five 1 2"),
        (r"\operatorname{lcm} a \mathrm{cm} b \label{eq} c", "a b c"),
        ("a `x` b ``y`` c", "a b ` ` c"),
        ("stray ` tick\nand `x` b", "stray ` tick and b"),
        ("a\n```python\nx = f(1)\n```\nb", "a b"),
        ("a ```\nx = f(1)", "a"),
        ('a ```\ndef f(n):\n  """The bags that remain after we sold some of them."""\n  return n - 3\n``` b', "a b"),
        ("a ```\n# the price of all bags\nprice = 3 * 4\n# and now we print it\nprint(price)\n``` b", "a b"),
        ("a `SELECT name FROM bags WHERE price > 3` b", "a b"),
        ("[asy] draw((0,0)--(1,1)); [/asy] b", "b"),
        ("[asy] no drawing ever begins", "no drawing ever begins"),
        ("see https://a.org/b?c=d. or www.a.org b", "see or b"),
        ("mail me@a.org now", "mail now"),
        ("a <b>c</b> <br/> d &nbsp; e", "a c d e"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ],
)
def test_what_remains(text: str, words: str) -> None:
    assert " ".join(language_only(text).split()) == words


@pytest.mark.parametrize(
    "text", ["", "$", "$$", "\\", "\\(", "{", "}", "`", "```", "<", "\\begin{", "\\text{", "&", "@"]
)
def test_fragments_are_harmless(text: str) -> None:
    assert len(language_only(text)) <= len(text) + 1
