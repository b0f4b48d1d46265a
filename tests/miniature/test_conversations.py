"""No question of the miniature is answered by what the same conversation said before it.

The checker reads finished rows as a person would. It shares nothing with the generator but the
wordings of the language pack.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ikusi import language
from ikusi.data.corpus import Corpus
from ikusi.miniature import corpora
from ikusi.miniature.bases import text
from ikusi.miniature.pictures.drawings import Drawings
from ikusi.miniature.pictures.splits import Splits, make_generator, split
from ikusi.miniature.words.questions import Asker
from ikusi.miniature.words.speaker import Speaker
from miniature.conftest import SETTINGS

PACK = language.load("en")
SPEAKERS = {"en": Speaker(PACK)}
SCENES, TEXTS = 2500, 1000
OF_ONE = ("what", "keywords", "category")  # asked of a single thing
NAMED = ("what", "left", "right", "next_to", "which")  # answered by a name

Turns = list[dict[str, str]]
Asked = tuple[str, dict[str, str], str]  # task, what its wording was filled with, answer


@cache
def _pattern(wording: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", wording)
    slots = [f"(?P<{part}>.+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)]
    return re.compile("".join(slots), re.DOTALL)


def _read(wordings: dict[str, list[str]], said: str) -> tuple[str, dict[str, str]]:
    for name, some in wordings.items():
        for wording in some:
            if found := _pattern(wording).fullmatch(said):
                return name, found.groupdict()
    raise AssertionError(f"no wording of the pack: {said}")


def asked_in(turns: Turns) -> list[Asked]:
    """The questions of a conversation; a scene told in emoji stands before the first."""
    pairs = zip(turns[::2], turns[1::2], strict=True)
    read = [(question["content"].split("\n")[-1], said["content"]) for question, said in pairs]
    return [(*_read(PACK.prompts, question), answer) for question, answer in read]


@dataclass
class Heard:
    """Facts that a reader without the picture knows by now."""

    things: set[str] = field(default_factory=set)
    asked: set[tuple[str, str]] = field(default_factory=set)
    ground: bool = False
    count: bool = False

    def knows(self, task: str, slots: dict[str, str], answer: str) -> bool:
        """Whether the answer can be told from what has been said."""
        if task == "present":
            return slots["x"] in self.things
        if task in NAMED:
            return answer in self.things
        if task in ("keywords", "category"):
            return bool(self.things)
        if task == "how_many":
            return self.count
        if task == "ground":
            return self.ground
        if task in ("describe", "caption"):
            return self.ground and self.count and _listed(answer) <= self.things
        if task == "translate":
            return slots["x"] in self.things or answer in self.things
        return (task, slots.get("x", "") + slots.get("list", "")) in self.asked

    def hear(self, task: str, slots: dict[str, str], answer: str) -> None:
        """Read a question and its answer."""
        self.asked.add((task, slots.get("x", "") + slots.get("list", "")))
        self.count |= task in (*OF_ONE, "how_many", "describe", "caption")
        self.ground |= task in ("ground", "describe", "caption")
        if task in ("describe", "caption"):
            self.things |= _listed(answer)
        if task == "keywords":
            self.things.add(answer)  # as good as the name: only one thing is there
        if task in (*NAMED, "present", "translate"):
            self.things |= {slots[key] for key in "xabcd" if key in slots}
        if task in (*NAMED, "translate"):
            self.things.add(answer)


def _listed(statement: str) -> set[str]:
    """The things that a description or a caption names."""
    kinds = {name: PACK.statements[name] for name in ("description", "caption")}
    return set(_read(kinds, statement)[1]["list"].split(", "))


def given_away(conversations: Iterable[Turns]) -> tuple[list[str], Counter[str]]:
    """The questions that need no picture, and how often each kind was asked."""
    leaks, kinds = [], Counter[str]()
    for turns in conversations:
        heard = Heard()
        for task, slots, answer in asked_in(turns):
            kinds[task] += 1
            if heard.knows(task, slots, answer):
                leaks.append(f"{task} {slots} {answer}: {[turn['content'] for turn in turns]}")
            heard.hear(task, slots, answer)
    return leaks, kinds


@pytest.fixture(scope="module")
def scenes(drawn: Drawings) -> list[Turns]:
    """The conversations of a corpus as large as a study's, without its pictures."""
    divided, random = split(drawn, 250), make_generator(0, 2)
    maker, asker = corpora.Maker(SETTINGS, SPEAKERS, drawn, divided), Asker(divided.concepts)
    talks = (
        corpora.write_conversation(asker, maker.draw(None, random), random) for _ in range(SCENES)
    )
    return [_turns(exchanges) for exchanges in talks]


def _turns(exchanges: Sequence[Any]) -> Turns:
    turns: Turns = corpora.write_conversations(list(exchanges), SPEAKERS)["en"]["turns"]
    return turns


@pytest.mark.slow
def test_no_question_about_a_picture_is_answered_before_it(scenes: list[Turns]) -> None:
    leaks, kinds = given_away(scenes)
    assert not leaks, leaks[:3]
    assert set(kinds) == set(corpora.COUNTS)
    assert kinds["describe"] == SCENES and kinds["present"] > 1.3 * SCENES
    assert min(kinds.values()) > 0.035 * SCENES  # none has become rare


@pytest.mark.slow
def test_the_corpora_on_disk_are_no_other(built: Path) -> None:
    for name in ("instructions", "text"):
        corpus = Corpus.open(built / name)
        leaks, _ = given_away(corpus.row("en", index)["turns"] for index in range(len(corpus)))
        assert not leaks, leaks[:3]


@pytest.mark.slow
def test_no_text_that_the_backbones_read_is_either() -> None:
    rows = text.mix_rows([*SPEAKERS.values()], TEXTS, make_generator(3))
    leaks, kinds = given_away(_turns(exchanges) for exchanges in rows)
    assert not leaks, leaks[:3]
    assert {"caption", "describe", "present", "continent", "odd_one_out"} <= set(kinds)


@pytest.mark.slow
def test_text_only_questions_are_not_repeated(drawn: Drawings, divided: Splits) -> None:
    """Drawn at random, about 1 pair in 100 of so few concepts would be the same."""
    speakers = {**SPEAKERS, "eu": Speaker(language.load("eu"))}
    few = Splits(divided.concepts[:8], (), divided.trained, divided.withheld)
    maker, random = corpora.Maker(SETTINGS, speakers, drawn, few), make_generator(5)
    pairs = [corpora.write_text_pair(maker, random) for _ in range(TEXTS)]
    leaks, _ = given_away(_turns(pair) for pair in pairs)
    assert not leaks, leaks[:3]


@pytest.mark.slow
def test_yes_is_as_likely_as_no_whatever_was_said_before(scenes: list[Turns]) -> None:
    """After every run of answers that comes often enough, within five standard errors."""
    after: dict[str, list[bool]] = {}
    for turns in scenes:
        history = ""
        for task, _, answer in asked_in(turns):
            if task == "present":
                after.setdefault(history, []).append(answer == PACK.yes)
                history += answer[0]
    often = {history: said for history, said in after.items() if len(said) >= 50}
    assert {"", "Y", "N", "NN", "YN", "NY", "NNN"} <= set(often)
    for history, said in often.items():
        assert abs(sum(said) / len(said) - 0.5) < 2.5 / len(said) ** 0.5, (history, len(said))


def test_the_checker_sees_what_it_is_for() -> None:
    def talk(*pairs: tuple[str, str]) -> Turns:
        return [
            {"role": role, "content": content}
            for pair in pairs
            for role, content in zip(("user", "assistant"), pair, strict=True)
        ]

    cow, no_cow = "Do you see this: cow?", "Is this in the picture: cow?"
    told = "In the picture: cow, pig. Number of things: two. The background is red."
    one = "In the picture: cow. Number of things: one. The background is red."
    left, right, beside = "What is on the left?", "What is on the right?", "What is beside the cow?"
    leaky = [
        talk((cow, "Yes"), (no_cow, "Yes")),
        talk(("Describe the picture.", told), (cow, "Yes")),
        talk((beside, "pig"), (cow, "Yes")),
        talk((beside, "pig"), (right, "pig")),
        talk(("What do you see: cow, pig, hen or dog?", "cow"), (left, "cow")),
        talk(("What is this?", "cow"), ("What kind of thing is this?", "Animals")),
        talk(("What is this?", "cow"), ("How many things do you see?", "one")),
        talk(
            ("What is this?", "cow"),
            ("What colour is the background?", "red"),
            ("Describe the picture.", one),
        ),
    ]
    for turns in leaky:
        assert given_away([turns])[0], turns
    fine = talk((left, "cow"), (beside, "pig"), ("Describe the picture.", told))
    assert not given_away([fine])[0]


@pytest.mark.slow
def test_yes_or_no_is_asked_in_second_conversations_alone_where_there_are_any(
    tmp_path: Path, drawn: Drawings, divided: Splits
) -> None:
    rows = {}
    for share in (0.0, 0.25):
        settings = SETTINGS.model_copy(update={"train_scenes": 16, "checked": share})
        maker = corpora.Maker(settings, SPEAKERS, drawn, divided)
        corpora.write_instructions(maker, tmp_path / str(share))
        corpus = Corpus.open(tmp_path / str(share))
        rows[share] = {row["id"]: row for row in corpus.table("en").to_pylist()}
    second = {id: row for id, row in rows[0.25].items() if row["task"] == "present"}
    assert set(rows[0.25]) - set(rows[0.0]) == set(second) == {f"checks-{n:06d}" for n in range(4)}
    assert [row["image_id"] for row in second.values()] == [f"scene-{n:06d}" for n in range(4)]
    answers = {turn["content"] for row in second.values() for turn in row["turns"][1::2]}
    assert answers == {"Yes", "No"}
    asked = dict.fromkeys(rows, 0)
    for share, every in rows.items():
        for row in (row for id, row in every.items() if id not in second):
            assert row["task"] is None
            asked[share] += row["turns"][1]["content"] in answers
    assert asked[0.0] > 0 == asked[0.25]


def test_recipes_without_such_conversations_are_what_they_were() -> None:
    assert "checked" not in SETTINGS.model_dump()
    more = SETTINGS.model_copy(update={"checked": 0.5})
    assert more.model_dump()["checked"] == 0.5 and more.checked_scenes == 20
