"""Answers in the scripts of the world: what is found in what, in some forty languages."""

from functools import cache

import pytest

from ikusi.evaluate.metrics import Normaliser, inclusion, vqa_accuracy
from ikusi.language import LanguagePack
from ikusi.miniature.words.cldr import load_locale
from ikusi.miniature.words.pack import find_capitals

# Language, what was said, the gold answer, whether the answer's words are in what was said.
ANSWERS = [
    ("am", "ይህ ውሻ ነው።", "ውሻ", True),
    ("am", "ይህ ውሻዎች ናቸው", "ውሻ", False),
    ("ar", "هذا كلب، أليس كذلك؟", "كلب", True),
    ("ar", "هنا ٣ كلاب", "3", True),
    ("az", "Bu İtdir: İT", "it", True),
    ("az", "QIRMIZI", "qırmızı", True),
    ("be", "Гэта сабака.", "сабака", True),
    ("bg", "Куче!", "куче", True),
    ("bn", "এটা কলা", "কল", False),
    ("bn", "এখানে ৩টি কলা: ৩", "3", True),
    ("bo", "འདི་ཁྱི་རེད།", "ཁྱི", True),
    ("bo", "འདི་ཁྱིམ་རེད།", "ཁྱི", False),
    ("ckb", "ئەمە سەگە، سەگ", "سەگ", True),
    ("cs", "Je to pes.", "pes", True),
    ("de", "Es ist ein HUND", "Hund", True),
    ("el", "Είναι σκύλος.", "σκύλος", True),
    ("en", "It is a dog.", "dog", True),
    ("en", "It faces north", "no", False),
    ("es", "Es un nin\u0303o", "niño", True),
    ("eu", "Txakurra da.", "txakurra", True),
    ("fa", "این سگ‌ها هستند", "سگ", False),
    ("fa", "این سگ‌ها هستند", "سگ‌ها", True),
    ("fa", "\ufeff۲ سگ", "2", True),
    ("fr", "C’est aujourd’hui", "aujourd'hui", True),
    ("gu", "આ કેળું છે", "કેળ", False),
    ("haw", "He ʻīlio kēia", "‘īlio", True),
    ("he", "זה כלב.", "כלב", True),
    ("hi", "यह केला है", "काला", False),
    ("hi", "यह काला है", "काल", False),
    ("hi", "यह काला है।", "काला", True),
    ("hi", "यहाँ २ कुत्ते हैं", "2", True),
    ("hy", "Սա շուն է։", "շուն", True),
    ("ja", "これは犬です", "犬", True),
    ("ja", "これは猫です", "犬", False),
    ("ja", "ｶﾒﾗとトマトジュース", "カメラ", True),
    ("ja", "トマトジュース", "トマト", False),
    ("ka", "ეს არის ძაღლი", "ძაღლი", True),
    ("km", "នេះគឺជាឆ្កែ", "ឆ្កែ", True),
    ("km", "មាន ៣ ក្បាល", "3", True),
    ("kn", "ಇದು ನಾಯಿ", "ನಾಯ", False),
    ("ko", "개가 있다", "개", False),
    ("ko", "개 한 마리", "개", True),
    ("lo", "ນີ້ແມ່ນໝາ", "ໝາ", True),
    ("ml", "ഇത് നായ ആണ്", "നായ", True),
    ("mn", "Энэ бол нохой", "нохой", True),
    ("mr", "हे केळे आहे", "केळ", False),
    ("my", "ဒါက ခွေးပါ", "ခွေး", True),
    ("my", "ကန်", "က", False),
    ("ne", "यो कुकुर हो", "कुकुर", True),
    ("or", "ଏହା କୁକୁର", "କୁକୁର", True),
    ("pa", "ਇਹ ਕੇਲਾ ਹੈ", "ਕਲਾ", False),
    ("ru", "Это собака.", "Собака", True),
    ("si", "මේ බල්ලා", "බල්ල", False),
    ("ta", "இது நாய்", "நாய", False),
    ("ta", "இது நாய்", "நாய்", True),
    ("te", "ఇది కుక్క", "కుక్క", True),
    ("th", "นี่คือหมา", "หมา", True),
    ("th", "นี่คือน้ำ", "น้ํา", True),
    ("th", "มี ๒ ตัว", "2", True),
    ("ti", "እዚ ከልቢ እዩ።", "ከልቢ", True),
    ("tr", "BU BİR IRMAK", "ırmak", True),
    ("tr", "İnek", "inek", True),
    ("tr", "Irmak", "irmak", False),
    ("ug", "بۇ ئىت", "ئىت", True),
    ("uk", "Це комп’ютер", "комп'ютер", True),
    ("ur", "یہ کتا ہے۔ ۴", "4", True),
    ("uz", "Bu o‘rdak", "oʻrdak", True),
    ("vi", "Đây là con cho\u0301", "chó", True),
    ("yo", "Aja\u0301 ni e\u0301", "ajá", True),
    ("zh", "这是一只狗。", "狗", True),
    ("zh", "有３只", "3", True),
]


@cache
def normaliser(code: str) -> Normaliser:
    letters = find_capitals(load_locale(code)) if code in ("az", "tr") else {}
    return Normaliser(
        LanguagePack.model_construct(
            yes="", no="", numbers=[], articles=[], contractions={}, capitals=letters
        )
    )


def test_the_table_is_of_more_than_thirty_languages() -> None:
    assert len({code for code, *_ in ANSWERS}) > 30


@pytest.mark.parametrize(("code", "said", "gold", "held"), ANSWERS)
def test_answers_are_found_as_whole_words(code: str, said: str, gold: str, held: bool) -> None:
    assert inclusion(said, [gold], normaliser(code)) == held
    assert inclusion(f"\ufeff{said}", [gold], normaliser(code)) == held


@pytest.mark.parametrize("unit", ["token_prefix", "substring", "stem"])
def test_no_unit_cuts_a_letter_from_its_marks(unit: str) -> None:
    for code, said, gold in (("hi", "यह काला है", "काल"), ("ta", "இது நாய்", "நாய")):
        assert inclusion(said, [gold], normaliser(code), unit) == 0  # type: ignore[arg-type]
    assert inclusion("कुत्तेवाला", ["कुत्ते"], normaliser("hi"), unit) == 1  # type: ignore[arg-type]


def test_number_words_are_read_where_there_are_no_spaces() -> None:
    numbers = ["ศูนย์", "หนึ่ง", "สอง"]
    pack = LanguagePack.model_construct(
        yes="ใช่", no="ไม่", yes_words=["ถูกต้อง"], numbers=numbers, articles=[], contractions={}
    )
    thai = Normaliser(pack)
    assert inclusion("มีสองตัว", ["2"], thai) == inclusion("มี ๒ ตัว", ["สอง"], thai) == 1
    assert inclusion("ถูกต้องครับ", ["ใช่"], thai) == 1


@pytest.mark.parametrize(
    ("code", "said", "gold"),
    [("hi", "२", "2"), ("tr", "IRMAK", "ırmak"), ("uz", "o‘rdak.", "oʻrdak"), ("th", "น้ำ", "น้ํา")],
)
def test_accuracy_reads_letters_as_unicode_has_them(code: str, said: str, gold: str) -> None:
    assert vqa_accuracy(said, [gold], normaliser(code)) == 1


@pytest.mark.parametrize("code", ["my", "hi", "th", "km", "ta", "bn", "si"])
def test_few_names_of_things_read_alike(code: str) -> None:
    """CLDR's names of emoji, read as words: only those that are spelled alike."""
    names = {
        entry["tts"][0] for entry in load_locale(code)._annotations.values() if entry.get("tts")
    }
    assert len(names) > 300
    spelled = {name.casefold().replace("-", " ") for name in names}
    read = {normaliser(code).tokens(name) for name in names}
    assert len(read) > 0.97 * len(spelled)
