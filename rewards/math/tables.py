"""Tables of spellings: unicode forms and LaTeX commands to one name, and words that are units."""

from __future__ import annotations


def names_in_order(text: str) -> list[str]:
    """The words of a table, which is easier to read as text."""
    return text.split()


def names(text: str) -> frozenset[str]:
    """The set of the words of a table."""
    return frozenset(names_in_order(text))


SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣ", "0123456789+-=()nix")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼ", "0123456789+-=()aeoxhklmnpstij")

UNICODE = {
    **dict.fromkeys("−–—‐‑‒―﹣－➖", "-"),
    **dict.fromkeys("×✕✖⨯", r"\times "),
    **dict.fromkeys("·⋅∙•", r"\cdot "),
    **dict.fromkeys("∕⁄÷／", "/"),
    **dict.fromkeys("≤⩽≦", r"\le "),
    **dict.fromkeys("≥⩾≧", r"\ge "),
    **dict.fromkeys("°º˚", r"^{\circ}"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u2061\u2062\u2063\u200e\u200f", ""),
    **dict.fromkeys("“”„«»", '"'),
    **dict.fromkeys("‘’′ʹ`", "'"),
    **dict.fromkeys("，、", ", "),
    **dict.fromkeys("∣｜", "|"),
    **dict.fromkeys("⟨〈", r"\langle "),
    **dict.fromkeys("⟩〉", r"\rangle "),
    **dict.fromkeys("…⋯", r"\ldots "),
    **dict.fromkeys("πΠ𝜋𝛑", r"\pi "),
    "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "∈": r"\in ", "∉": r"\notin ", "∞": r"\infty ", "±": r"\pm ",
    "∓": r"\mp ", "√": r"\sqrt ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]", "∪": r"\cup ", "∩": r"\cap ", "∖": r"\setminus ",
    "∅": r"\emptyset ", "∧": r"\land ", "∨": r"\lor ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "∑": r"\sum ", "∏": r"\prod ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℚ": r"\mathbb{Q}",
    "ℕ": r"\mathbb{N}", "ℂ": r"\mathbb{C}", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ",
    "δ": r"\delta ", "λ": r"\lambda ", "μ": r"\mu ", "φ": r"\phi ", "ϕ": r"\phi ", "ω": r"\omega ", "σ": r"\sigma ",
    "ρ": r"\rho ", "τ": r"\tau ", "ε": r"\epsilon ", "Δ": r"\Delta ", "∠": r"\angle ", "△": r"\triangle ",
    "￥": r"\$", "¥": r"\$", "€": r"\$", "£": r"\$", "₹": r"\$", "¢": " cents", "％": r"\%", "‰": r"/1000 ",
    "＄": r"\$", "\u0305": r"\overline", "∗": "*", "：": ":", "；": ";", "（": "(", "）": ")", "。": ".",
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
    "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}", "⅙": r"\frac{1}{6}",
    "⅚": r"\frac{5}{6}", "⅐": r"\frac{1}{7}", "⅛": r"\frac{1}{8}", "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}",
    "⅞": r"\frac{7}{8}", "⅑": r"\frac{1}{9}", "⅒": r"\frac{1}{10}",
}  # fmt: skip

DROPPED = names(
    r"""\left \right \middle \big \Big \bigg \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr \displaystyle
    \textstyle \scriptstyle \limits \nolimits \, \; \! \: \> \  \quad \qquad \thinspace \enspace \hspace \vspace
    \phantom \hfill \noindent \mathstrut \strut \relax \kern \mkern \rm \bf \it \normalsize \large \Large \LARGE \huge
    \tiny \small \cr \par \smallskip \medskip \bigskip \ensuremath \boldmath \unit \$"""
) | {"\\ ", "\\\n", "\\\t"}
"""Commands that only space or size things; a currency sign changes no value either."""

TEXT_GROUPS = names(
    r"""\text \textbf \textit \textrm \textsf \texttt \textnormal \textsc \mbox \hbox \mathrm \mathsf \mathit \emph
    \operatorname \mathbf \boldsymbol \bm \pmb \mathtt"""
)
ACCENTS = names(r"\vec \hat \bar \tilde \dot \ddot \widehat \widetilde \overrightarrow \underline \overbrace")
LETTER_SETS = names(r"\mathbb \mathcal \mathscr \mathfrak")

ALIASES = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\leq": "<=", r"\le": "<=", r"\leqslant": "<=",
    r"\geq": ">=", r"\ge": ">=", r"\geqslant": ">=", r"\lt": "<", r"\gt": ">", r"\ne": "!=", r"\neq": "!=",
    r"\approx": "~", r"\simeq": "~", r"\cong": "~", r"\sim": "~", r"\doteq": "~", r"\equiv": "=", r"\times": "*",
    r"\cdot": "*", r"\ast": "*", r"\div": "/", r"\lvert": "|", r"\rvert": "|", r"\vert": "|", r"\mid": "|",
    r"\lbrace": r"\{", r"\rbrace": r"\}", r"\lbrack": "[", r"\rbrack": "]", r"\lparen": "(", r"\rparen": ")",
    r"\dots": r"\ldots", r"\cdots": r"\ldots", r"\dotsc": r"\ldots", r"\dotsb": r"\ldots", r"\vdots": r"\ldots",
    r"\varnothing": r"\emptyset", r"\backslash": r"\setminus", r"\smallsetminus": r"\setminus", r"\sqcup": r"\cup",
    r"\bigcup": r"\cup", r"\bigcap": r"\cap", r"\dbinom": r"\binom", r"\tbinom": r"\binom", r"\degree": "°",
    r"\degrees": "°", r"\%": "%", r"\&": "&", r"\_": "_", r"\#": "#", r"\colon": ":", r"\wedge": r"\land",
    r"\vee": r"\lor", r"\tg": r"\tan", r"\ctg": r"\cot", r"\arctg": r"\arctan", r"\lg": r"\lg", r"\Pi": r"\prod",
    r"\varphi": r"\phi", r"\varepsilon": r"\epsilon", r"\vartheta": r"\theta", r"\Vert": r"\|", r"\lVert": r"\|",
    r"\rVert": r"\|", r"\tbf": r"\textbf", r"\iff": "=", r"\oslash": r"\emptyset", r"\newline": "\\\\",
}  # fmt: skip

FUNCTIONS = names(
    """sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sech csch
    arcsinh arccosh arctanh ln log lg exp sqrt cbrt gcd lcm max min abs floor ceil det cis"""
)
FUNCTION_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log10"}
PLAIN_COMMANDS = {
    "pi": r"\pi", "sqrt": r"\sqrt", "cbrt": r"\cbrt", "infinity": r"\infty", "infty": r"\infty", "inf": r"\infty",
    "oo": r"\infty", "theta": r"\theta", "alpha": r"\alpha", "beta": r"\beta", "gamma": r"\gamma", "lambda": r"\lambda",
    "union": r"\cup", "cup": r"\cup", "cap": r"\cap", "in": r"\in", "pm": r"\pm", "cdot": "*", "times": "*", "le": "<=",
    "ge": ">=", "leq": "<=", "geq": ">=", "neq": "!=",
}  # fmt: skip
"""Words outside `\\text` that mean a command."""

SHORT_WORDS = names(
    """cm mm km dm nm in ft yd mi mg kg lb lbs oz ml mL cl dl hr hrs min mins sec secs am pm AM PM kW kWh kHz Hz MHz
    mph kph kmh rad deg sq cu ha GB MB TB kB eV kJ kPa Pa atm mol bps ppm USD EUR GBP Rs yes no odd and or one two six
    ten all any May Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec Mon Tue Wed Thu Fri Sat Sun day pts per ant red the
    not if is are of to for day none gal qt pt st nd rd th None Yes No Both Neither True False units"""
)
"""Runs of two or three letters that are words or units, not products; longer runs always are."""
UNIT_LETTERS = frozenset("mgshLJNWVKCF") | {"Omega", "mu"}
"""Single letters that, after a number, may be a unit when the other side is a bare number."""
NOT_MEASURES = names(
    """or and not more less than least most wrong is unless plus minus no if between from to times-table either neither
    except without incorrect false never but versus greater fewer above below over under only when where mod am pm
    tenths hundredths thousandths halves thirds fourths quarters fifths sixths eighths"""
)
"""Words after a value that change what it says."""
LEADING_WORDS = names(
    "about approximately approx around roughly exactly usd eur gbp rs rs. us inr rmb cny value answer is the of"
)
MULTIPLIERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
NUMBER_WORDS = {
    word: value
    for value, word in enumerate(
        names_in_order(
            """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen twenty"""
        )
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
ALL_REALS = frozenset(("all real numbers", "all reals", "real numbers", "all real numbers x", "the real numbers"))
NO_SOLUTION = frozenset(
    ("no solution", "no solutions", "no real solution", "no real solutions", "empty set", "the empty set")
)
