"""Languages told apart: by script, then among all that the library knows."""

import pytest

from ikusi import language
from ikusi.language.identify import UNKNOWN, Identifier, find_label, list_scripts
from ikusi.translate.checks.language import describe_foreign, join_prose
from ikusi.translate.settings import Checks

# None of these was thought of when the job was set up.
OTHERS = {
    "de": "Ein Mann reitet auf einem Pferd durch die Berge.",
    "nl": "Een man rijdt op een paard door de bergen.",
    "it": "Un uomo va a cavallo tra le montagne.",
    "pl": "Mężczyzna jedzie konno przez góry.",
    "cs": "Muž jede na koni přes hory.",
    "hu": "Egy férfi lovagol a hegyekben.",
    "fi": "Mies ratsastaa hevosella vuorilla.",
    "tr": "Bir adam dağlarda ata biniyor.",
    "vi": "Một người đàn ông cưỡi ngựa trên núi.",
    "id": "Seorang pria menunggang kuda di pegunungan.",
    "ru": "Мужчина едет на лошади в горах.",
    "el": "Ένας άντρας ιππεύει ένα άλογο στα βουνά.",
    "ar": "رجل يركب حصانا في الجبال.",
    "he": "גבר רוכב על סוס בהרים.",
    "hi": "एक आदमी पहाड़ों में घोड़े की सवारी कर रहा है।",
    "th": "ผู้ชายคนหนึ่งกำลังขี่ม้าบนภูเขา",
    "zh": "一个男人在山里骑马。",
    "ja": "男の人が山で馬に乗っています。",
    "ko": "한 남자가 산에서 말을 타고 있다.",
    "km": "បុរសម្នាក់កំពុងជិះសេះនៅលើភ្នំ",
}
DEFAULT = Checks()


def told(expected: str, text: str, likely: list[str]) -> str | None:
    found = Identifier(expected, likely)(text)
    return describe_foreign(expected, found, DEFAULT)


@pytest.mark.parametrize("code", OTHERS)
def test_languages_that_nobody_thought_of_do_not_pass_for_the_target(code: str) -> None:
    text = join_prose([OTHERS[code]], DEFAULT.language_words)
    assert text is not None
    assert told("eu", text, ["en", "es", "fr"]) is not None


def test_most_of_them_are_named() -> None:
    identifier = Identifier("eu", ["en", "es", "fr"])
    named = [guess.code for guess in identifier.many(list(OTHERS.values()))]
    assert "eu" not in named
    assert sum(name == code for name, code in zip(named, OTHERS, strict=True)) > 15


@pytest.mark.parametrize("code", OTHERS)
def test_each_of_them_is_known_for_itself(code: str) -> None:
    assert told(code, OTHERS[code], ["en"]) is None
    assert told(code, "A man is riding a horse in the mountains.", ["en"]) is not None


def test_a_name_in_another_script_is_no_other_language() -> None:
    assert told("hi", "यह Coca-Cola की बोतल मेज़ पर रखी है", ["en"]) is None
    assert told("eu", "Афинак (Афины) hiria oso ederra da benetan", ["en"]) is None


@pytest.mark.parametrize("text", ["", "12 30 45 7", "…!?", "🐕 🐈 🐎 🐄"])
def test_what_has_no_letters_is_in_no_language(text: str) -> None:
    assert Identifier("eu", ["en"])(text).code == UNKNOWN
    assert told("eu", text, ["en"]) is None


@pytest.mark.parametrize(
    ("code", "other", "own"),
    [
        ("bo", "A man is riding a horse.", "མི་ཞིག་རྟ་ལ་ཞོན་འདུག"),
        ("ti", "Мужчина едет на лошади.", "ሓደ ሰብኣይ ፈረስ ይጋልብ ኣሎ"),
        ("dv", "رجل يركب حصانا في الجبال.", "މީހަކު އަހެއްގައި"),
    ],
)
def test_of_languages_that_the_library_does_not_know_scripts_are_told(
    code: str, other: str, own: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(code, own, ["en"]) is None
    assert told(code, other, ["en"]) is not None
    assert f"{code}: no language identification knows it, so only other scripts" in caplog.text


@pytest.mark.parametrize(
    ("code", "label"), [("fil", "tl"), ("nb", "no"), ("gn", "gug"), ("eu", "eu"), ("zzz", "zzz")]
)
def test_languages_are_known_under_their_other_codes(code: str, label: str) -> None:
    assert find_label(code) == label


def test_a_language_with_another_code_is_told_by_its_own() -> None:
    assert told("nb", "En mann rir på en hest i fjellene.", ["en"]) is None
    assert told("nb", "Mies ratsastaa hevosella vuorilla.", ["en"]) is not None
    found = Identifier("en", ["fil"])("Isang lalaki ang nakasakay sa kabayo sa mga bundok.")
    assert found.code == "fil" and found.other > 0.9


def test_scripts_are_those_of_the_language_or_of_its_code() -> None:
    assert list_scripts("sr-Latn") == ("Latn",) and set(list_scripts("sr")) == {"Cyrl", "Latn"}
    assert list_scripts("zh-Hant") == ("Hani",) and list_scripts("zzz") == ()
    packs = [language.load(code) for code in ("en", "eu", "gl")]
    assert {list_scripts(pack.code) for pack in packs} == {("Latn",)}


@pytest.mark.parametrize(
    ("text", "long"), [("一个男人在山里骑马", True), ("骑马", False), ("a red car", False)]
)
def test_words_are_counted_where_there_are_no_spaces(text: str, long: bool) -> None:
    assert (join_prose([text], DEFAULT.language_words) is not None) is long


def test_a_language_that_cannot_be_told_passes_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unknown = Identifier("zzz", ["en"])
    assert not unknown.able
    assert unknown("the cat sits on the mat") == ("zzz", 1.0, 0.0, False)
    assert unknown.many(["the cat", "sits"]) == [("zzz", 1.0, 0.0, False)] * 2
    assert "zzz: no language identification knows it, so that check is off" in caplog.text
