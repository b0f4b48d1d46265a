from typing import Any

import pytest

from ikusi import language
from ikusi.data import rows as row_types
from ikusi.translate.checks import Checker, list_checks
from ikusi.translate.checks.yes_no import translate_closed
from ikusi.translate.contract import Row, Verdict
from ikusi.translate.settings import Checks
from language.catalogues import PAIRS

EN, EU = language.load("en"), language.load("eu")
OFF: dict[str, Any] = dict.fromkeys(
    ("language", "copied", "length_ratio", "repetition", "preserved", "options", "yes_no",
     "broken", "odd"), "off"
)  # fmt: skip


def judged(source: list[str], target: list[str], row_type: str = "vqa", **actions: Any) -> Verdict:
    """The verdict of the checks that are named, all others off."""
    kind = row_types.load(row_type)
    checker = Checker(Checks(**{**OFF, **actions}), kind, EN, EU)
    return checker(Row(0, "row", kind, source), target)


def fault(name: str, source: list[str] | str, target: list[str] | str, **more: Any) -> bool:
    before, after = ([text] if isinstance(text, str) else text for text in (source, target))
    refuse, flag = ({name: action, **more} for action in ("refuse", "flag"))
    refused, flagged = judged(before, after, **refuse), judged(before, after, **flag)
    assert (refused.refused is None) == (flagged.flags == ())
    assert refused.refused is None or refused.refused.startswith(f"{name}: expected")
    return refused.refused is not None


def test_what_is_surest_is_looked_at_first() -> None:
    """A row that is refused has the first reason found."""
    order = "broken options yes_no copied repetition language length_ratio preserved odd names"
    assert [check.name for check in list_checks()] == order.split()


def test_texts_must_be_as_many_and_none_empty() -> None:
    assert judged(["a", "b"], ["c"]).refused == "texts: expected 2, found 1"
    assert (
        judged(["a", "b"], ["c", " \n"]).refused
        == "texts: expected words in all, found an empty one"
    )
    assert judged(["a", "b"], ["c", "d"]) == Verdict()


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("Gizon bat zaldi gainean dago mendian.", False),
        ("A man is riding a horse in the mountains.", True),
        ("Un hombre monta a caballo en las montañas.", True),
        ("1. Gizon bat mendian dago, ikusi https://www.example.com/the/long/english/path", False),
        ("Coca-Cola", False),  # too short to tell
        ("the red car", False),
    ],
)
def test_another_language_is_noticed(text: str, bad: bool) -> None:
    assert fault("language", "x y z", text) is bad


@pytest.mark.parametrize(
    ("source", "target", "bad"),
    [
        ("A man is riding a horse.", "A man is riding a horse.", True),
        ("A man is riding a horse near the old river today.",
         "A man is riding a horse near the old river gaur.", True),
        ("A man is riding a horse.", "Gizon bat zaldi gainean dago.", False),
        ("Coca-Cola", "Coca-Cola", False),
        ("New York", "New York", False),
        ("1 2 3 4", "1 2 3 4", False),
        ("pizza", "pizza", False),
    ],
)  # fmt: skip
def test_a_source_left_as_it_was_is_noticed(source: str, target: str, bad: bool) -> None:
    assert fault("copied", source, target) is bad


def test_copies_are_those_that_chrf_calls_untranslated() -> None:
    """chrF above 90 (Popović 2015) is what an untranslated text has; sacrebleu is the judge."""
    from sacrebleu.metrics import CHRF

    text = "the old man walks along a quiet river with his two small dogs every morning"
    words = text.split()
    for changed in range(len(words) + 1):
        target = [f"hitz{place}a" for place in range(changed)] + words[changed:]
        score = CHRF().sentence_score(" ".join(target), [" ".join(words)]).score
        noticed = fault("copied", " ".join(words), " ".join(target))
        assert noticed or score < 92
        assert not noticed or score > 80


@pytest.mark.parametrize(
    ("source", "target", "bad"),
    [
        ("a cat", "katu bat katu bat katu bat katu bat katu bat katu bat", True),
        ("a cat", "bai bai bai bai bai bai bai bai", True),
        ("a laugh", "hahahahahahahahahahahahahahahahaha", True),
        ("row row row row row row row row your boat", "arraun arraun arraun arraun arraun arraun "
         "arraun arraun zure txalupa", False),
        ("a long text", "Gizona eta emakumea eta haurra eta txakurra mendian daude.", False),
    ],
)  # fmt: skip
def test_loops_are_noticed(source: str, target: str, bad: bool) -> None:
    assert fault("repetition", source, target) is bad


def test_ten_equal_answers_are_no_loop() -> None:
    assert not fault("repetition", ["what?", *["yes"] * 10], ["zer?", *["bai"] * 10])


@pytest.mark.parametrize(
    ("source", "target", "bad"),
    [
        ("It costs 3,000.50 euros", "3.000,50 euro balio du", False),
        ("3 cats and 12 dogs", "12 txakur eta 3 katu", False),
        ("3 cats", "lau katu", True),
        ("13 cats in 2,500 boxes", "२,५०० बक्सों में १३ बिल्लियाँ", False),
        ("13 cats", "१४ बिल्लियाँ", True),
        ("two cats", "2 katu", True),
        ("see https://a.eu/b?c=1", "ikusi https://a.eu/b?c=1", False),
        ("see https://a.eu/b?c=1", "ikusi https://a.eu/b?c=2", True),
        ("see https://a.eu/b", "ikusi https://a.eu/c", True),
        ("see www.a.eu/b", "ikusi www.a.eu/c", True),
        ("run `make test` now", "exekutatu `make test` orain", False),
        ("run `make test` now", "exekutatu make proba orain", True),
        ("<image>\nwhat is it?", "zer da?", True),
        ("hello {name}, %s", "kaixo {name}, %s", False),
        ("write to a@b.eu", "idatzi c@b.eu helbidera", True),
    ],
)
def test_what_must_come_through_is_compared(source: str, target: str, bad: bool) -> None:
    assert fault("preserved", source, target) is bad


@pytest.mark.parametrize(
    ("source", "target", "bad"),
    [
        ("A boat near Bilbao in Spain", "Itsasontzi bat Bilboko uretan, Espainian", True),
        ("A boat near Bilbao", "Itsasontzi bat Bilboko uretan", False),
        ("The queen of Málaga", "Malagako erregina", False),
        ("The red boat", "Itsasontzi gorria", False),
        ("a visit to Zarautz", "bisita bat", True),
    ],
)
def test_names_that_left_no_trace_are_noticed(source: str, target: str, bad: bool) -> None:
    assert fault("names", source, target) is bad


def test_two_options_translated_alike_are_noticed() -> None:
    source = ["which?", "a couch", "a sofa", "a bed"]
    assert fault(
        "options", source, ["zein?", "sofa bat", "Sofa bat.", "ohe bat"], row_type="choice"
    )
    assert not fault("options", source, ["zein?", "sofa", "besaulki", "ohe"], row_type="choice")
    alike = ["which?", "red", "red", "blue"]
    assert not fault("options", alike, ["zein?", "gorri", "gorri", "urdin"], row_type="choice")
    assert not fault("options", source, ["zein?", "sofa", "sofa", "ohe"], row_type="vqa")


def test_yes_and_no_are_the_language_packs() -> None:
    assert fault("yes_no", ["is it?", "yes", "red"], ["al da?", "bai horixe", "gorri"])
    assert not fault("yes_no", ["is it?", "Yes.", "No"], ["al da?", "bai", "Ez"])


@pytest.mark.parametrize(("words", "bad"), [(1, True), (4, False), (30, True)])
def test_texts_far_longer_or_shorter_are_noticed(words: int, bad: bool) -> None:
    assert fault("length_ratio", "one two three four five six seven", "hitza " * words) is bad


def test_the_first_fault_that_refuses_is_told_with_the_flags_before_it() -> None:
    verdict = judged(
        ["a 3 b c d e f"], ["a 3 b c d e f"], copied="flag", length_ratio="refuse",
        length_bounds=[2.0, 3.0],
    )  # fmt: skip
    assert verdict.flags == ("copied",)
    assert verdict.refused is not None
    assert verdict.refused.startswith("length_ratio: expected 2 to 3 times the length, found 1.00")


@pytest.mark.parametrize(
    ("row_type", "texts", "expected"),
    [
        ("vqa", ["is it?", "yes", "Yes", "no"], ["bai", "Bai", "ez"]),
        ("choice", ["is it?", "Yes", "No"], ["Bai", "Ez"]),
        ("vqa", ["is it?", "yes", "maybe"], None),
        ("vqa", ["is it?", "yes, it is"], None),
        ("instruction", ["is it?", "yes"], None),
        ("caption", ["yes"], None),
        ("open", ["is it?"], None),
    ],
)
def test_answers_that_are_all_yes_or_no_need_no_engine(
    row_type: str, texts: list[str], expected: list[str] | None
) -> None:
    assert translate_closed(row_types.load(row_type), texts, EN, EU) == expected


@pytest.mark.slow
@pytest.mark.skipif(len(PAIRS) < 200, reason="few Basque message catalogues in /usr/share/locale")
def test_real_translations_are_told_from_their_sources() -> None:
    checker = Checker(Checks(**{**OFF, "language": "refuse"}), row_types.load("caption"), EN, EU)
    rows = [
        (Row(0, "r", row_types.load("caption"), [english]), english, basque)
        for english, basque in PAIRS
    ]
    good = sum(checker(row, [basque]).refused is None for row, _, basque in rows)
    caught = sum(checker(row, [english]).refused is not None for row, english, _ in rows)
    assert good / len(rows) > 0.97
    assert caught / len(rows) > 0.95


@pytest.mark.parametrize(
    ("sign", "kind"),
    [
        *[(sign, "broken") for sign in (
            "<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>", "</s>", "<s>", "<unk>", "<pad>",
            "<end_of_turn>", "<extra_id_0>", "[/INST]", "[PAD]", "<</SYS>>", "<0xE2>", ">>eus<<",
            "<2eu>", "eus_Latn", "</think>", "\x00", "\x1b", "\x08", "\x9d", "\ufffd", "\ud83d",
            "\uffff",
        )],
        *[(sign, "odd") for sign in ("\u202e", "\u202a", "\u2067", "▁", "\ue000", "\uf8ff")],
    ],
)  # fmt: skip
def test_signs_that_no_person_writes_are_never_kept_in_silence(sign: str, kind: str) -> None:
    source, target = "A man is riding a horse.", "Gizon bat zaldi gainean dago."
    for text in (f"{target}{sign}", f"{sign} {target}", f"Gizon bat {sign} zaldi gainean"):
        verdict = Checker(Checks(), row_types.load("caption"), EN, EU)(
            Row(0, "r", row_types.load("caption"), [source]), [text]
        )
        assert verdict.refused or kind in verdict.flags, text
        assert bool(verdict.refused and verdict.refused.startswith("broken: ")) is (
            kind == "broken"
        )
        assert sign.isprintable() or sign not in (verdict.refused or "")
    assert not fault(kind, [f"What does {sign} mean?"], [f"Zer esan nahi du {sign} horrek?"])


@pytest.mark.parametrize(
    "text",
    [
        "Zenbat balio du? 3 < 5, <b>bai</b> eta [oharra]\n\tlerro berria",
        "می‌خواهم", "ქართული", "👨‍👩‍👧", "a_b eta x_Y", "\u200fעברית\u200e",
        "Ġgan", "<image>", "e\u0301",
    ],
)  # fmt: skip
def test_what_people_write_in_any_script_is_no_broken_sign(text: str) -> None:
    assert not fault("broken", "x", text) and not fault("odd", "x", text)


@pytest.mark.skipif(len(PAIRS) < 200, reason="few Basque message catalogues in /usr/share/locale")
def test_real_translations_have_no_broken_signs() -> None:
    checker = Checker(
        Checks(**{**OFF, "broken": "refuse", "odd": "flag"}), row_types.load("caption"), EN, EU
    )
    for english, basque in PAIRS:
        assert checker(Row(0, "r", row_types.load("caption"), [english]), [basque]) == Verdict(), (
            basque
        )


@pytest.mark.parametrize(
    ("source", "target", "refused", "flagged"),
    [
        (["What does the sign say?", "no parking on sundays"],
         ["Zer dio seinaleak?", "no parking on sundays"], False, True),
        (["Which company is this?", "The Coca-Cola Company"],
         ["Zein enpresa da hau?", "The Coca-Cola Company"], False, True),
        (["What is the plate?", "AB 123 CD"], ["Zein da matrikula?", "AB 123 CD"], False, True),
        (["What is the book's title?", "Lord of the Rings", "the lord of the rings"],
         ["Zein da liburuaren izenburua?", "Lord of the Rings", "the lord of the rings"],
         False, True),
        (["What does the sign say?", "Coca-Cola"], ["Zer dio seinaleak?", "Coca-Cola"],
         False, False),
        (["What does the sign say?", "no parking on sundays"],
         ["What does the sign say?", "no parking on sundays"], True, False),
        (["What does the sign say?", "Coca-Cola"], ["What does the sign say?", "Coca-Cola"],
         True, False),
        (["New York City, USA"], ["New York City, USA"], False, True),
        (["What does the sign say?", "no parking"], ["Zer dio seinaleak?", "ez aparkatu"],
         False, False),
    ],
)  # fmt: skip
def test_a_row_is_untranslated_if_all_its_prose_is_the_source(
    source: list[str], target: list[str], refused: bool, flagged: bool
) -> None:
    verdict = judged(source, target, copied="refuse")
    assert (verdict.refused is not None, verdict.flags) == (refused, ("copied",) * flagged)


@pytest.mark.slow
@pytest.mark.skipif(len(PAIRS) < 200, reason="few Basque message catalogues in /usr/share/locale")
def test_untranslated_rows_are_refused_and_half_translated_ones_flagged() -> None:
    """On real messages; `bench/translate_copies.py` has the figures of the docs."""
    checker = Checker(Checks(**{**OFF, "copied": "refuse"}), row_types.load("vqa"), EN, EU)
    other = [pair for pair in PAIRS if pair[0].lower() != pair[1].lower()]
    asked = other[1:] + other[:1]
    right = left = half = 0
    for (question, ask), (english, basque) in zip(asked, other, strict=True):
        row = Row(0, "r", row_types.load("vqa"), [question, english])
        right += checker(row, [ask, basque]) == Verdict()
        left += checker(row, [question, english]).refused is not None
        half += checker(row, [ask, english]) == Verdict(None, ("copied",))
    assert right > 0.999 * len(other) and left > 0.97 * len(other) and half > 0.9 * len(other)
