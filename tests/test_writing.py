"""Letters, marks, digits and words, as Unicode has them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikusi import writing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ASCII, ' and all", "plain ASCII, ' and all"),
        ("e\u0301", "é"),  # composed
        ("ＡＢ１２ ｶﾞ", "AB12 ガ"),  # full and half width
        ("ﬁsh \ufefb", "fish لا"),  # ligatures
        ("นํา", "นํา"),  # Thai sara am, in one character or two
        ("นำ", "นํา"),
        ("m² ½ ™", "m² ½ ™"),  # says more than its letters
        ("\ufeffa\u200bb\u00adc\u2060d\u200ee❤\ufe0f", "abcde❤"),  # never seen
        ("كـــلب", "كلب"),  # stretched
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner that changes the word
        ("a\u200cb\u200dc", "abc"),  # joiners that change nothing
        ("\u200cمن\u200c", "من"),
        ("ක\u0dca\u200dෂ", "ක\u0dca\u200dෂ"),
        ("oʻ o‘ o’ oʼ o'", "o' o' o' o' o'"),
        ("१०२ ٣ ৪ ๕ ໖ ၇ ០", "102 3 4 5 6 7 0"),
    ],
)
def test_what_reads_alike_is_spelled_alike(text: str, expected: str) -> None:
    assert writing.to_plain(text) == expected
    assert writing.to_plain(expected) == expected


@given(st.text(max_size=40))
def test_plain_texts_stay_as_they_are_and_are_composed(text: str) -> None:
    once = writing.to_plain(text)
    assert unicodedata.is_normalized("NFC", once)
    assert writing.to_ascii_digits(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("यह केला है", ["यह", "केला", "है"]),
        ("สอง ตัว", ["ส", "อ", "ง", "ตั", "ว"]),
        ("ကန့် စက္ကူ", ["ကန့်", "စ", "က္ကူ"]),  # a final consonant, a stacked one
        ("ខ្មែរ", ["ខ្មែ", "រ"]),
        ("赤いリンゴとTシャツ", ["赤", "い", "リンゴ", "と", "Tシャツ"]),
        ("བོད་སྐད།", ["བོད", "སྐད"]),
        ("강아지가 있다", ["강아지가", "있다"]),
        ("aujourd'hui 'x' dogs'", ["aujourd'hui", "x", "dogs"]),
        ("1,000.5 3. m²", ["1,000.5", "3", "m²"]),
        ("\u0301x", ["x"]),
    ],
)
def test_words_keep_their_marks(text: str, expected: list[str]) -> None:
    assert writing.split_words(text) == expected


@given(st.text(max_size=40))
def test_no_word_begins_with_a_mark(text: str) -> None:
    for word in writing.split_words(writing.to_plain(text)):
        assert not unicodedata.category(word[0]).startswith("M")
        assert writing.occurs(word, word)


@pytest.mark.parametrize(
    ("part", "text", "expected"),
    [
        ("no", "north", True),
        ("क", "का", False),
        ("का", "काला", True),
        ("काल", "काला", False),
        ("क", "का क", True),  # cut the first time, whole the second
        ("क", "क्ष", False),
        ("ñ", "niño", True),
        ("", "का", True),
        ("का", "", False),
    ],
)
def test_letters_are_not_cut_from_their_marks(part: str, text: str, expected: bool) -> None:
    assert writing.occurs(part, text) is expected
