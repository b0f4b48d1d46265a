"""The words of CLDR, and the drafts made from them."""

import shutil
from pathlib import Path

import pytest

from ikusi import language
from ikusi.errors import InputError
from ikusi.miniature import corpora, packages
from ikusi.miniature.words import knowledge, pack
from ikusi.miniature.words.cldr import load_locale
from ikusi.miniature.words.concepts import load_concepts, select_named
from ikusi.miniature.words.speaker import KINDS, Speaker
from ikusi.recipe import Miniature


@pytest.mark.slow
def test_a_package_that_differs_from_its_digest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {**packages.read_catalogue()["cldr-rbnf"], "integrity": "sha512-AAAA"}
    monkeypatch.setattr(packages, "read_catalogue", lambda: {"cldr-rbnf": entry})
    monkeypatch.setattr(packages, "cache_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"cldr-rbnf@48\.2\.0: expected sha512-AAAA, found sha512"):
        packages.fetch_archive("cldr-rbnf")
    assert not list(tmp_path.rglob("*.tgz"))


def test_a_fetched_package_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> list[str]:
        raise AssertionError("npm was asked for")

    monkeypatch.setattr(packages, "_npm", never)
    assert packages.fetch().is_dir()


def test_every_package_is_credited() -> None:
    shown = "".join(map(packages.write_attribution, ("study", "encoder", "llm")))
    for name, entry in packages.read_catalogue().items():
        assert f"| {name} {entry['version']} |" in shown and entry["licence"] in shown


def test_cldr_words_are_those_of_the_language() -> None:
    welsh, basque = load_locale("cy"), load_locale("eu")
    assert welsh.numbers()[:4] == ["dim", "un", "dau", "tri"]  # type: ignore[index]
    assert basque.numbers() is None
    assert basque.yes_no() == ("bai", "ez") and welsh.yes_no() == ("ie", "na")
    assert basque.name("🐄") == "behia" and basque.name("no such emoji") is None
    assert basque.territories["ES"] == "Espainia" and basque.languages["cy"] == "galesa"
    assert basque.currencies["EUR"] == "euroa"


def test_a_language_without_emoji_names_is_refused() -> None:
    with pytest.raises(InputError, match="language xx: expected a CLDR language with emoji names"):
        load_locale("xx")


def test_concepts_are_named_in_every_language_asked_for_and_told_apart_by_name() -> None:
    every = load_concepts()
    assert len(every) >= 500
    both = select_named(every, "en", "eu")
    for code in ("en", "eu"):
        names = [concept.name(load_locale(code)).casefold() for concept in both]
        assert len(set(names)) == len(names)


def test_facts_about_countries_are_cldrs() -> None:
    facts = {country.code: country for country in knowledge.load_countries()}
    spain, kenya = facts["ES"], facts["KE"]
    assert (spain.continent, spain.official_language, spain.currency) == ("150", "es", "EUR")
    assert (kenya.continent, kenya.currency) == ("002", "KES")
    assert len(knowledge.select_speakable("en", "eu")) > 200
    share = sum(map(knowledge.is_held_out, facts.values())) / len(facts)
    assert 0.4 < share < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("code", ["cy", "ga", "yo"])
def test_a_drafted_pack_can_be_studied_at_once(code: str, tmp_path: Path) -> None:
    drafted = pack.draft(code)
    path = tmp_path / f"{code}.yaml"
    language.write(drafted, path, drafted["to_review"], language.load("en"))
    drafted_pack = language.load(path)
    assert language.check(drafted_pack) == []
    assert drafted_pack.stemmer == (
        "irish" if code == "ga" else ""
    )  # Snowball has no other of them
    assert "prompts.what" in drafted_pack.to_review and "# check" in path.read_text()
    tiny = Miniature(
        concepts=30, train_scenes=3, caption_scenes=2, test_scenes=3, text_rows=4, image_size=32
    )
    packs = {code: drafted_pack, "en": language.load("en")}
    corpora.build(tiny, code, "en", packs, tmp_path / "data")
    assert (tmp_path / "data" / "benchmarks" / "bertaqa" / f"{code}.parquet").exists()
    shutil.rmtree(tmp_path / "data")


@pytest.mark.parametrize(
    ("code", "yes", "no", "and_word"),
    [
        ("cy", "ie", "na", "a"),  # CLDR: a(c)
        ("lb", "jo", "nee", "a"),  # a(n)
        ("ti", "እወ", "ኣይፋልን", ","),  # an ending on both
        ("ug", "ھەئە", "ياق", ","),  # English
        ("qu", "✓", "✗", ","),  # English: yes, no
        ("my", "✓", "✗", "နှင့်"),  # English: Yes, No
        ("km", "បាទ", "ទេ", "និង"),  # with signs and blanks
        ("yo", "Bẹ́ẹ̀ni", "Bẹ́ẹ̀kọ́", "àti"),  # with a blank
        ("eu", "bai", "ez", "eta"),
    ],
)
def test_what_cldr_inherits_from_english_is_no_word_of_a_draft(
    code: str, yes: str, no: str, and_word: str
) -> None:
    drafted = pack.draft(code)
    assert (drafted["yes"], drafted["no"], drafted["and_word"]) == (yes, no, and_word)
    for key, value in (("yes", yes), ("and_word", and_word)):
        sign = drafted["sources"][key].startswith(pack.SIGN)
        assert sign == (value in "✓,") and key in drafted["to_review"]


@pytest.mark.parametrize("code", ["ug", "yo", "km", "cy", "qu", "lb"])
def test_every_drafted_colour_is_a_colour_says_where_it_is_from_and_waits(code: str) -> None:
    drafted = pack.draft(code)
    colours = drafted["colours"]
    assert len(set(colours.values())) == len(colours)
    shared = {word for name in colours for word in colours[name].split()} & {"rogodo", "saku"}
    assert not shared and not {"orange", "grey", "pink"} & set(colours.values())
    for name, word in colours.items():
        assert f"colours.{name}" in drafted["to_review"]
        source = drafted["sources"][f"colours.{name}"]
        assert (word == (pack.CIRCLES.get(name) or pack.HEARTS[name][0])) == source.startswith(
            pack.SIGN
        )


def test_khmer_colours_are_not_called_circles() -> None:
    assert pack.find_colour_words(load_locale("km"))["red"] == "ក្រហម"
    assert pack.find_colour_words(load_locale("yo"))["red"] == "pupa"


def test_categories_that_nobody_translated_are_signs() -> None:
    cow = next(concept for concept in load_concepts() if concept.emoji == "🐄")
    said = {
        code: Speaker(language.load("en").model_copy(update={"code": code})).kind(cow)
        for code in ("en", "eu", "ug", "qu")
    }
    assert said == {"en": "animal", "eu": "Animalia", "ug": "🐾", "qu": "🐾"}
    assert {concept.kind for concept in load_concepts()} == set(KINDS)


def test_colours_are_what_the_names_of_circles_do_not_share() -> None:
    found = pack.find_colour_words(load_locale("cy"))
    assert found["red"] == "coch" and found["green"] == "gwyrdd" and found["black"] == "du"
