"""Words of the pages are data: every language has all of them, with the same gaps to fill in."""

import re
from pathlib import Path

import pytest

from ikusi.annotate import task
from ikusi.annotate.web.site import TEMPLATES, TEXTS
from ikusi.catalogue import Files
from ikusi.errors import InputError
from ikusi.web import rendering, wording

LANGUAGES = sorted(wording.read_texts(TEXTS))
TASKS = Files("task", [task.TASKS]).names()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_its_words_in_every_language_of_the_pages(name: str) -> None:
    found = task.load(name)
    assert sorted(found.words) == LANGUAGES
    keys = [verdict.key for verdict in found.verdicts]
    if found.correct:
        keys.append(found.correct.key)
    assert len(set(keys)) == len(keys) and not {"s", "u", "z"} & set(keys)


def test_every_text_is_used_and_every_text_used_is_there() -> None:
    shared = rendering.SHARED
    code = [*TEMPLATES.glob("*.j2"), *TEMPLATES.parent.glob("*.py")]
    code += [*shared.glob("*.j2"), *shared.parent.glob("*.py")]
    used = " ".join(file.read_text(encoding="utf-8") for file in code)
    texts = wording.read_texts(TEXTS)["en"].texts
    called = set(re.findall(r"""\bw(?:ords)?\(\s*"(\w+)\"""", used))
    assert called <= set(texts)
    assert [key for key in texts if not re.search(rf'["\']{key}["\']', used)] == []


def test_a_text_that_lacks_a_gap_is_refused(tmp_path: Path) -> None:
    for name in ("en", "eu"):
        text = (TEXTS / f"{name}.yaml").read_text(encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(
            text.replace("{said}", "x") if name == "eu" else text
        )
    with pytest.raises(InputError, match=r"eu\.yaml:\d+: texts\.\w+: expected a text with .*said"):
        wording.read_texts(tmp_path)


def test_a_text_that_is_missing_is_refused(tmp_path: Path) -> None:
    for name in ("en", "eu"):
        text = (TEXTS / f"{name}.yaml").read_text(encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(
            text.replace("  skip:", "  skipp:" if name == "eu" else "  skip:")
        )
    with pytest.raises(InputError, match=r"texts\.skip: expected .*, found no such text"):
        wording.read_texts(tmp_path)


def test_a_task_that_lacks_a_word_is_refused(tmp_path: Path) -> None:
    text = (task.TASKS / "validate.yaml").read_text(encoding="utf-8")
    (tmp_path / "validate.yaml").write_text(text.replace("      picture: Ez", "      pictures: Ez"))
    with pytest.raises(InputError, match=r"words\.eu\.reasons: expected each word once"):
        task.load("validate", tmp_path)


def test_languages_come_as_the_browser_asks_then_that_of_the_project_then_english() -> None:
    texts = wording.read_texts(TEXTS)
    found = wording.choose(texts, [*wording.list_accepted("fr, es;q=0.5"), "eu"])
    assert (found.chosen.code, found.missing) == ("es", "fr")
    assert wording.choose(texts, ["", "eu"]).chosen.code == "eu"
    assert wording.choose(texts, ["gn"]).chosen.code == "en"
    assert wording.list_accepted("*;q=x,,eu-ES;q=0.9,;q=") == ["eu"]


def test_texts_of_a_row_are_called_by_their_kind() -> None:
    words = wording.choose(wording.read_texts(TEXTS), ["eu"])
    assert words.part("choice 2") == "Aukera 2"
    assert words.part("something else") == "something else"


@pytest.mark.parametrize(
    ("criteria", "verdict"),
    [
        ({}, ""),
        ({"relevance": "B"}, "B"),
        ({"relevance": "tie"}, ""),
        ({"relevance": "tie", "quality": "A", "proficiency": "B"}, "A"),
        ({"relevance": "A", "quality": "B"}, "A"),
        ({"quality": "B"}, ""),
        ({"relevance": "tie", "quality": "tie", "proficiency": "tie"}, "tie"),
    ],
)
def test_the_first_criterion_that_is_decided_decides(
    criteria: dict[str, str], verdict: str
) -> None:
    assert task.load("compare").follows(criteria) == verdict
