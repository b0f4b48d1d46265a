"""The tasks that people do, as data: one file per task, with its words in each language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ikusi import yamlfile
from ikusi.catalogue import Files
from ikusi.judgements.judgement import VERDICTS
from ikusi.recipe.values import make_error
from ikusi.web.wording import ENGLISH
from ikusi.yamlfile import Section

TASKS = Path(__file__).parent / "tasks"
TIE = "tie"

Key = Annotated[str, Field(pattern="^[a-z0-9]$")]


class Verdict(Section):
    """A verdict that is offered: its key on the keyboard, and how its button looks."""

    name: str
    key: Key
    tone: Literal["good", "bad", "even"] = "even"
    reasons: bool = False


class Correct(Section):
    """Texts may be corrected; what is corrected counts as ``verdict``, as it was not right."""

    verdict: str
    key: Key


class Criterion(Section):
    """One of several questions that are asked in order."""

    title: str
    question: str


class Words(Section):
    """The words of a task in one language; ``help`` is shown before people begin.

    Where people give items themselves, ``pages`` has the further texts of their pages.
    """

    title: str
    question: str
    help: str
    verdicts: dict[str, str]
    said: dict[str, str]
    criteria: dict[str, Criterion] = Field(default_factory=dict)
    reasons: dict[str, str] = Field(default_factory=dict)
    licences: dict[str, str] = Field(default_factory=dict)
    depicted: dict[str, str] = Field(default_factory=dict)
    pages: dict[str, str] = Field(default_factory=dict)


class Task(Section):
    """A task. Where ``criteria`` are asked, the first that is decided gives the verdict.

    Where people give items themselves, they choose one of ``licences``, and say who can be
    recognised in a picture by one of ``depicted``.
    """

    name: str
    verdicts: list[Verdict]
    criteria: list[str] = Field(default_factory=list)
    reasons: list[str] = Field(default_factory=list)
    correct: Correct | None = None
    licences: list[str] = Field(default_factory=list)
    depicted: list[str] = Field(default_factory=list)
    words: dict[str, Words]

    @model_validator(mode="after")
    def _check(self) -> Task:
        """Check that verdicts are those of the task, and that every language has all words."""
        offered = {verdict.name for verdict in self.verdicts}
        if offered != set(VERDICTS.get(self.name, ())):
            raise make_error(" and ".join(VERDICTS.get(self.name, ("no task"))), ("verdicts",))
        if self.correct and self.correct.verdict not in offered:
            raise make_error(
                " or ".join(offered), ("correct", "verdict"), found=self.correct.verdict
            )
        if ENGLISH not in self.words:
            raise make_error("English words", ("words", ENGLISH), found=None)
        for language, words in self.words.items():
            for name, needed in (
                ("verdicts", offered),
                ("said", offered | ({"corrected"} if self.correct else set())),
                ("criteria", set(self.criteria)),
                ("reasons", set(self.reasons)),
                ("licences", set(self.licences)),
                ("depicted", set(self.depicted)),
                ("pages", set(self.words[ENGLISH].pages)),
            ):
                if (given := set(getattr(words, name))) != needed:
                    odd = ", ".join(sorted(given ^ needed))
                    raise make_error("each word once", ("words", language, name), found=odd)
        return self

    @cached_property
    def by_name(self) -> Mapping[str, Verdict]:
        """The verdicts by their names."""
        return {verdict.name: verdict for verdict in self.verdicts}

    def words_in(self, language: str) -> Words:
        """The task's words in a language, else in English."""
        return self.words.get(language, self.words[ENGLISH])

    def follows(self, criteria: Mapping[str, str]) -> str:
        """The verdict that follows from criteria: the first that is no tie; empty while it is open.

        >>> load("compare").follows({"relevance": "tie", "quality": "B"})
        'B'
        """
        for name in self.criteria:
            verdict = criteria.get(name, "")
            if verdict != TIE:
                return verdict
        return TIE if self.criteria else ""


@cache
def load(name: str, folder: Path = TASKS) -> Task:
    """Read a task by its name.

    Raises:
        InputError: there is none, or its file is wrong.
    """
    document = yamlfile.read(Files("task", [folder]).find(name))
    document.expect("name", name)
    return yamlfile.validate(Task, document, yamlfile.list_field_names(Task))
