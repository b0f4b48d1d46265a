import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ikusi import language, packaged
from ikusi.errors import InputError

PACKS = sorted(file.stem for file in packaged.LANGUAGES.glob("*.yaml"))
TASKS = {
    "what": "", "left": "", "right": "", "next_to": "x", "keywords": "", "category": "",
    "how_many": "", "ground": "", "present": "x", "which": "abcd", "describe": "", "caption": "",
    "continent": "x", "official_language": "x", "currency": "x", "emoji_category": "x",
    "emoji_keywords": "x", "odd_one_out": ["list"], "count_in_list": ["list", "x"],
    "translate": ["language", "x"],
}  # fmt: skip


def written(tmp_path: Path, **changes: Any) -> Path:
    """The English pack with some of its keys changed, as a file."""
    path = tmp_path / "xx.yaml"
    pack = language.load("en").model_dump() | {"code": "xx"} | changes
    language.write(pack, path, to_review=[])
    return path


def test_english_and_basque_are_packaged() -> None:
    assert {"en", "eu"} <= set(PACKS)


@pytest.mark.parametrize("code", PACKS)
def test_every_packaged_pack_is_complete(code: str) -> None:
    pack = language.load(code)
    assert pack.code == code
    assert language.check(pack) == []


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_two_wordings_with_its_fields(task: str) -> None:
    wordings = language.load("en").prompts[task]
    assert len(wordings) >= 2
    assert {language.find_placeholders(wording) for wording in wordings} == {frozenset(TASKS[task])}


def test_every_statement_has_three_wordings_with_the_same_fields() -> None:
    for wordings in language.load("en").statements.values():
        assert len(wordings) >= 3
        assert len({language.find_placeholders(wording) for wording in wordings}) == 1


@pytest.mark.parametrize("code", PACKS)
def test_no_wording_inflects_the_word_it_is_given(code: str) -> None:
    pack = language.load(code)
    for wordings in (*pack.prompts.values(), *pack.statements.values()):
        assert len(set(wordings)) == len(wordings)
        assert not [wording for wording in wordings if re.search(r"\}[\w'’-]|[\w-]\{", wording)]


def test_what_is_basque_in_the_pack_is_marked_until_a_speaker_has_checked_them() -> None:
    pack = language.load("eu")
    sentences = [f"prompts.{task}" for task in pack.prompts]
    sentences += [f"statements.{kind}" for kind in pack.statements]
    words = ["number_words", "yes_words", "no_words", "endings"]
    assert sorted(pack.to_review) == sorted(sentences + words)


@pytest.mark.parametrize("code", PACKS)
def test_packs_read_alike_in_old_and_new_yaml(code: str) -> None:
    """To YAML 1.1 a plain ``no`` is false, so the packs quote it."""
    text = (packaged.LANGUAGES / f"{code}.yaml").read_text(encoding="utf-8")
    assert language.LanguagePack.model_validate(yaml.safe_load(text)) == language.load(code)


def test_a_question_is_worded_with_its_values() -> None:
    pack = language.load("en")
    assert pack.ask("present", x="a cat") == "Does this appear in the picture: a cat?"
    assert pack.ask("what", 1) == pack.ask("what", 4) == "What does the picture show?"
    assert pack.state("placement", left="{a}", right="b") == "On the left: {a}. On the right: b."


def test_names_are_joined_as_the_language_does() -> None:
    assert (
        language.load("eu").join(["Bilbo", "Donostia", "Gasteiz"]) == "Bilbo, Donostia eta Gasteiz"
    )
    assert language.load("eu").join(["Bilbo"]) == "Bilbo"
    assert language.load("eu").join([]) == ""


def test_asking_for_what_a_pack_lacks_is_told() -> None:
    pack = language.load("en")
    with pytest.raises(InputError, match=r"^en\.yaml: prompts\.lef: .*did you mean left\?\)$"):
        pack.ask("lef")
    with pytest.raises(InputError, match=r"^en\.yaml: prompts\.present: expected a value for x"):
        pack.ask("present")


def test_a_persons_own_pack_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "languages").mkdir()
    path = tmp_path / "languages" / "eu.yaml"
    written(tmp_path).rename(path)
    path.write_text(path.read_text().replace('code: "xx"', 'code: "eu"'))
    assert language.load("eu").yes == "Bai"
    assert language.load("eu", folder=path.parent).yes == "Yes"
    assert language.load(path).yes == "Yes"
    monkeypatch.chdir(tmp_path)
    assert language.load("eu").yes == "Yes"
    assert language.list_packs() == ["en", "eu", "gl"]


def test_an_unknown_language_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError) as told:
        language.load("ue")
    assert str(told.value) == (
        "language: expected a language with a pack (en, eu, gl), found ue (did you mean eu?)"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\nname:", "\nnmae:", "5: nmae: expected a known key, found nmae (did you mean name?)"),
        ('code: "xx"', "code: Xx!", "4: code: expected text like "),
        ('  red: "red"', "  red: 3", "12: colours.red: expected text, found 3"),
        ("  red:", "  rde:", "12: colours.rde: expected one of Ikusi's colours, found rde "
         "(did you mean red?)"),
        ("  red: \"red\"\n", "", "11: colours: expected a word for red, found nothing"),
        ('"ten"]', '"ten"', "11: expected YAML, found a syntax error ("),
        (', "ten"]', "]", "10: numbers: expected the 11 words from 0 to 10, found a list of 10"),
        ('stemmer: "english"', 'stemmer: "englihs"', "stemmer: expected a Snowball stemmer, found "
         "englihs (did you mean english?)"),
        ('  none: 0', '  none: "0"', "number_words.none: expected a whole number, found 0"),
        ('  none: 0', '  none: -1', "number_words.none: expected at least 0, found -1"),
        ("{colour}", "{colour", "statements.caption[0]: expected text with {named} fields"),
        ("to_review: []", "to_review: [prompts.wath]", "to_review[0]: expected a key of this pack, "
         "found prompts.wath (did you mean prompts.what?)"),
    ],
)  # fmt: skip
def test_mistakes_are_told_by_line_and_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = written(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as told:
        language.load(path)
    assert message in str(told.value)
    assert str(told.value).startswith(f"{path}:")
    assert "\n" not in str(told.value)


def test_check_lists_every_fault_of_a_draft(tmp_path: Path) -> None:
    reference = language.load("en")
    prompts = dict(reference.prompts)
    prompts["what"] = prompts["what"][:1]
    prompts["left"] = ["", *prompts["left"][1:]]
    prompts["present"] = ["{y}?", *prompts["present"][1:]]
    prompts["rihgt"] = prompts.pop("right")
    path = written(tmp_path, yes="", labels={}, prompts=prompts)
    assert language.check(language.load(path)) == [
        "xx.yaml: yes: expected a word, found none",
        "xx.yaml: labels.question: expected a word, found none",
        "xx.yaml: labels.answer: expected a word, found none",
        "xx.yaml: prompts.rihgt: expected a known name, found rihgt (did you mean right?)",
        "xx.yaml: prompts.what: expected 3 wordings, found 1",
        "xx.yaml: prompts.left[0]: expected a sentence, found none",
        "xx.yaml: prompts.right: expected 3 wordings, found 0",
        "xx.yaml: prompts.present[0]: expected {x}, found {y}",
    ]


def test_an_article_that_is_a_number_word_is_a_fault() -> None:
    pack = language.load("gl").model_copy(update={"articles": ["a", "unha", "un"]})
    assert language.check(pack) == [
        f"gl.yaml: articles: expected no word for a number, found {word}" for word in ("unha", "un")
    ]


@pytest.mark.parametrize("code", PACKS)
def test_a_written_pack_reads_back_equal(tmp_path: Path, code: str) -> None:
    pack = language.load(code)
    path = tmp_path / f"{code}.yaml"
    language.write(pack.model_dump(), path, pack.to_review, reference=language.load("en"))
    again = language.load(path)
    assert again.model_dump() == pack.model_dump() | {"to_review": sorted(pack.to_review)}


def test_a_written_pack_marks_what_a_speaker_must_supply_or_check(tmp_path: Path) -> None:
    reference = language.load("en")
    pack = reference.model_dump() | {"code": "cy", "name": "Welsh", "yes": "", "no": "na"}
    pack["prompts"] = reference.prompts | {"left": ["<- ?", "<-", "<"], "what": []}
    marked = ["yes", "no", "prompts.left", "prompts.what", "colours.red"]
    path = tmp_path / "cy.yaml"
    language.write(pack, path, marked, reference=reference)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert '"yes": ""  # supply: Yes' in lines
    assert '"no": "na"  # check: No' in lines
    assert "  left:  # check: What is on the left?" in lines
    assert "  what: []  # supply: What is this?" in lines
    assert '  red: "red"  # check: red' in lines
    assert sum("# check" in line or "# supply" in line for line in lines) == len(marked)
    assert language.load(path).to_review == sorted(marked)


def test_only_keys_of_the_pack_can_be_marked(tmp_path: Path) -> None:
    pack = language.load("en").model_dump()
    with pytest.raises(InputError, match=r"expected a key of the pack, found prompts\.wat"):
        language.write(pack, tmp_path / "en.yaml", ["prompts.wat"])


def test_ones_own_pack_may_extend_a_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "languages" / "xx.yaml"
    own.parent.mkdir()
    own.write_text("extends: en.yaml\ncode: xx\nname: Other English\n")
    changed = {"code": "xx", "name": "Other English"}
    assert language.load("xx") == language.load("en").model_copy(update=changed)
    own.write_text("extends: en.yaml\nname: Other English\n")
    with pytest.raises(InputError, match="code: expected xx, found en"):
        language.load("xx")
