from __future__ import annotations

import time
import unicodedata
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.rewards.language import target_share
from grpo.rewards.language.share import count_words
from tests.rewards.language import mixtures

LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ko", "ru", "sw", "te", "th", "zh")
EN = "First I need to know how many bags she takes home, so I divide twelve by four."
ES = "Primero necesito saber cuántas bolsas lleva a casa, así que divido doce entre cuatro."
ZH = "首先我需要知道她带回家多少袋，所以我用十二除以四。"


def test_unknown_languages_are_named() -> None:
    with pytest.raises(ValueError, match="'xx' is not supported; choose one of ar, bg, bn, de, el, en, es, fa, fr, "):
        target_share(EN, "xx")


@pytest.mark.parametrize(
    "text", ["", " \n", "12 + 3 = 15", "a, b", "$x^2$", "`x`", "<b></b>", "https://a.org/of", "。"]
)
def test_a_text_without_words(text: str) -> None:
    assert target_share(text, "en") == 0.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_paragraph_is_in_its_language_and_in_no_other(language: str) -> None:
    for paragraph in mixtures.paragraphs("held_out"):
        text = mixtures.joined([(language, sentence) for sentence in paragraph["texts"][language]])
        assert target_share(text, language) > 0.98
        assert max(target_share(text, other) for other in LANGUAGES if other != language) < 0.02


def test_mean_absolute_error_on_held_out_mixtures() -> None:
    errors: dict[str, list[float]] = defaultdict(list)
    for mixture in mixtures.make("held_out", seed=0, languages=LANGUAGES):
        errors[mixture.construction].append(abs(target_share(mixture.text, mixture.target) - mixture.share))
    means = {construction: sum(values) / len(values) for construction, values in errors.items()}
    everything = [error for values in errors.values() for error in values]
    assert len(everything) == 600
    assert sum(everything) / len(everything) < 0.003, means
    assert max(means.values()) < 0.01, means


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("it", "Per prima cosa devo sapere quante borse porta a casa, quindi divido dodici per quattro."),
        ("pt", "Primeiro preciso saber quantas sacolas ela leva para casa, então divido doze por quatro."),
        ("nl", "Eerst moet ik weten hoeveel tassen zij mee naar huis neemt, dus ik deel twaalf door vier."),
        ("pl", "Najpierw muszę wiedzieć, ile toreb ona zabiera do domu, więc dzielę dwanaście przez cztery."),
        ("tr", "Önce eve kaç torba götürdüğünü bilmem gerekiyor, bu yüzden on ikiyi dörde bölüyorum."),
        ("vi", "Trước tiên tôi cần biết cô ấy mang bao nhiêu túi về nhà, vì vậy tôi chia mười hai cho bốn."),
        ("id", "Pertama saya perlu tahu berapa banyak tas yang dia bawa pulang, jadi saya membagi dua belas."),
        ("sv", "Först måste jag veta hur många påsar hon tar hem, så jag delar tolv med fyra."),
        ("ro", "Mai întâi trebuie să știu câte pungi duce acasă, așa că împart doisprezece la patru."),
        ("uk", "Спочатку мені потрібно знати, скільки пакетів вона несе додому, тому я ділю на чотири."),
        ("bg", "Първо трябва да знам колко торби носи вкъщи, затова деля дванадесет на четири."),
        ("ar", "أولا أحتاج إلى معرفة عدد الأكياس التي تحملها إلى المنزل، لذلك أقسم اثني عشر على أربعة."),
        ("fa", "ابتدا باید بدانم او چند کیسه به خانه می‌برد، بنابراین دوازده را بر چهار تقسیم می‌کنم."),
        ("ur", "پہلے مجھے یہ جاننا ہے کہ وہ گھر کتنے تھیلے لے جاتی ہے، اس لیے میں بارہ کو تقسیم کرتا ہوں۔"),
        ("hi", "पहले मुझे यह जानना है कि वह घर कितने थैले ले जाती है, इसलिए मैं बारह को चार से भाग देता हूँ।"),
        ("mr", "आधी मला हे माहीत करून घ्यायचे आहे की ती घरी किती पिशव्या नेते, म्हणून मी बाराला चारने भागतो."),
        ("el", "Πρώτα πρέπει να μάθω πόσες σακούλες παίρνει στο σπίτι, γι' αυτό διαιρώ το δώδεκα με το τέσσερα."),
        ("he", "קודם אני צריך לדעת כמה שקיות היא לוקחת הביתה, ולכן אני מחלק שתים עשרה בארבע."),
    ],
)
def test_further_languages(language: str, text: str) -> None:
    assert target_share(text, language) == 1.0


class TestWords:
    def test_weights_of_the_scripts(self) -> None:
        assert count_words("l'année dernière").words == {"fr": 2.0}
        assert count_words("七個").words == pytest.approx({"zh": 1.2})
        assert count_words("りんご").words == pytest.approx({"ja": 1.2})
        # Six letters; the two tone marks and the vowel sign above are none.
        assert count_words("บ้านสีดำ").words == pytest.approx({"th": 6 * 0.28})
        assert count_words("나무 그 하늘").words == {"ko": 2.0}
        assert count_words("কে এবং ও").words == {"bn": 2.0}

    def test_numbers_and_single_letters_do_not_count(self) -> None:
        assert count_words("x = 5, y = 7; a) b) 12.5 %").total == 0.0


class TestNamesCodeAndFormulas:
    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("zh", "小明和 Janet 一共有 12 个苹果，Janet 给了他 3 个。"),
            ("zh", "根据 Pythagoras 定理，AB = 5 cm，所以 BC = 3 km。"),
            ("zh", r"使用 Python 计算 $\sin x$，得到 `x = 5`，所以 total_price 等于 5kg。"),
            ("ru", "Джанет (Janet) покупает 5 kg яблок у Smith."),
            ("bn", "Janet প্রতিদিন 16 টি ডিম পায় এবং 5 km হাঁটে।"),
            ("th", "Janet ซื้อแอปเปิล 5 kg แล้วเดินไป 3 km"),
            ("ko", "Janet은 사과를 5 kg 샀고 Wendi는 3 km를 걸었습니다."),
            ("de", "Marie und Jean-Pierre fahren nach Paris, wo François wohnt."),
            ("es", "Janet y Wendi viven en Toulouse, y Mr. Smith trabaja en Charleston."),
            ("en", "Janet's ducks lay 16 eggs per day. Toulouse has twice as many sheep as Charleston."),
            ("fr", r"On a $\text{aire} = 5$, donc `print(total)` affiche https://example.org/the/answer."),
        ],
    )
    def test_do_not_count_against_the_target(self, language: str, text: str) -> None:
        assert target_share(text, language) == 1.0

    def test_a_text_of_names_is_no_text_in_the_target(self) -> None:
        shouted = "是 Wait Maybe Let Us Check Again 是 Because Nobody Reads Capitals 是 Until Everything Looks Like 是"
        assert target_share(shouted, "zh") < 0.2
        # Four names are allowed: the first run, and none of the others. Of 12 + 4 * 0.6 words 3 + 2.4 count as Chinese.
        runs = "是 Nobody Reads Capitals 是 Everything Looks Hidden 是 Answers Become Numbers 是 Whole Sentences Pass"
        assert target_share(runs, "zh") == pytest.approx(5.4 / 14.4)
        glued = "是 nobody1 reads2 digits3 是 all4 looks5 hidden6 是 answers7 become8 numbers9 是 whole1 lines2 pass3"
        assert target_share(glued, "zh") == pytest.approx(5.4 / 14.4)
        assert target_share("所以 the answer is 五 because we add 三 and 二", "zh") == pytest.approx(0.3)

    @pytest.mark.parametrize(
        "text",
        [
            "cuesta $5 y luego paga $10 por las manzanas",
            r"$\text{la respuesta es cinco porque sumamos}$",
            "```python\nfor i in range(3):\n    print(total)\n``` así que son cinco",
            r"\begin{align} x &= \text{bolsas} \\ y &= 2 \end{align} son cinco bolsas",
            "<step>primero dividimos</step> <b class='big'>y luego</b> sumamos",
            "escribe a yo@example.org o mira www.example.org/the/page antes de las cinco",
        ],
    )
    def test_only_the_words_remain(self, text: str) -> None:
        assert target_share(text, "es") == 1.0

    def test_a_span_between_dollars_is_maths_with_fewer_than_two_long_words(self) -> None:
        assert count_words("$price = 3$").total == 0.0
        assert count_words("$price = total$").total == 2.0
        assert count_words("$is it so$").total == 0.0
        assert count_words(r"$\frac{price}{3} \text{ per bag}$").total == 2.0


HIDDEN = "the whole reasoning is in this place because nobody looks here"


class TestAbuse:
    @pytest.mark.parametrize(
        "template",
        [
            r"$\text{%s}$",
            "$%s$",
            r"\[ %s \]",
            r"\(\mbox{%s}\)",
            r"\textbf{%s}",
            r"\begin{align}%s\end{align}",
            "```\n%s\n```",
            "```text\n%s\n```",
            "```%s```",
            "```\n# %s\n```",
            "```\n%s",
            "```\n%s (x)\n```",
            "`%s`",
            "<note %s>",
            "<!-- %s -->",
            "<a title='%s'>",
            "**%s**",
            "_%s_",
        ],
    )
    def test_reasoning_hidden_between_delimiters_counts(self, template: str) -> None:
        assert target_share(f"{template % HIDDEN} Así que son cinco.", "es") <= 4 / 15

    @pytest.mark.parametrize(
        ("target", "text"),
        [
            ("zh", "Shǒuxiān wǒ xūyào zhīdào tā dài huí jiā duōshǎo dài, suǒyǐ wǒ yòng shí èr chúyǐ sì."),
            ("ru", "Snachala mne nuzhno uznat, skolko paketov ona nesyot domoy, poetomu ya delyu."),
            ("ja", "Mazu nan fukuro o ie ni motte kaeru no ka o shiru hitsuyō ga aru node, jūni o warimasu."),
        ],
    )
    def test_transliteration_is_not_the_language(self, target: str, text: str) -> None:
        assert target_share(text, target) == 0.0


class TestHan:
    def test_chinese_and_japanese_sentences(self) -> None:
        assert target_share("因为题目说明了条件，所以答案是五。", "zh") == 1.0
        assert target_share("数学的帰納法により、連立不等式の解を求める。", "ja") == 1.0
        assert target_share("我們設這個數為未知數，因為題目說明了條件，所以答案是五。", "zh") == 1.0

    def test_side_by_side(self) -> None:
        chinese, japanese = "因此答案是五", "答えは五です"
        share = 6 * 0.6 / (6 * 0.6 + 2 * 0.6 + 4 * 0.4)
        assert target_share(f"{chinese}。{japanese}。", "zh") == pytest.approx(share)
        assert target_share(f"{japanese}，{chinese}。", "zh") == pytest.approx(share)

    def test_numbers_with_counters_beside_kana(self) -> None:
        assert (
            target_share("袋の中に赤い玉が三個と青い玉が五個あります。残りの七個のうち赤い玉は二個です。", "ja") == 1.0
        )

    def test_a_chinese_clause_within_a_japanese_sentence(self) -> None:
        text = "二つの解の積は負なので、老狗在桌子底下睡着了。"
        assert target_share(text, "zh") == pytest.approx(10 * 0.6 / (10 * 0.6 + 4 * 0.6 + 7 * 0.4))

    def test_han_without_kana_counts_as_chinese(self) -> None:
        assert target_share("東京都知事選挙", "zh") == 1.0
        assert target_share("東京都知事選挙、これは例です。", "ja") == 1.0


def test_the_same_text_gives_the_same_share_in_any_order() -> None:
    texts = [mixture.text for mixture in mixtures.make("tune", seed=3, languages=("en", "es", "zh", "ja"))]
    forwards = [target_share(text, "es") for text in texts]
    assert [target_share(text, "es") for text in reversed(texts)] == forwards[::-1]


def test_accents_may_be_composed_or_not() -> None:
    text = "così più città è già lì perché però"
    assert target_share(unicodedata.normalize("NFD", text), "it") == target_share(text, "it") == 1.0


def test_text_that_is_no_valid_unicode() -> None:
    assert target_share("\ud800 the answer is five \udfff\x00", "en") == 1.0


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_has_a_share(text: str) -> None:
    assert 0.0 <= target_share(text, "en") <= 1.0


@pytest.mark.parametrize(
    "piece", [f"{EN} {ES} ", "ab ", "の的", "$a$ ", "\\(", "\\text{", "\\begin{a}", "<a", "`", "_a"]
)
def test_a_megabyte_takes_less_than_a_second(piece: str) -> None:
    target_share(EN, "en")  # loads the model
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    target_share(text, "en")
    assert time.process_time() - start < 1.0


def test_very_long_texts_are_estimated_from_parts() -> None:
    assert target_share(f"{EN} " * 8000 + f"{ES} " * 8000, "en") == pytest.approx(15 / 28, abs=0.02)
