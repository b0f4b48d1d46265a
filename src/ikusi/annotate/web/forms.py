"""From the fields of a form to what somebody says, or to why it could not be taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

from ikusi.annotate.contributions import CHOICE, LEAST_CHOICES, TEXTS, Written
from ikusi.annotate.project import Item
from ikusi.annotate.store import SKIPPED, Given
from ikusi.annotate.task import Task
from ikusi.web.fields import Fields, RefusedError, clean, take_one

CORRECTED, FOLLOWS = "corrected", "follows"
"""Buttons that are no verdicts themselves: save a correction; what follows from the criteria."""

MOST_LETTERS = 4000
"""Of a note; a corrected text may also have twice the letters of the text."""

MOST_NAME = 80
LONGEST_SECONDS = 24 * 3600.0
_NONCE = re.compile("[A-Za-z0-9_-]{8,64}")


def read_nonce(fields: Fields) -> str:
    """Read the nonce, which identifies a form.

    Raises:
        RefusedError: the form was not made here.
    """
    nonce = take_one(fields, "nonce")
    if not _NONCE.fullmatch(nonce):
        _refuse("no_verdict")
    return nonce


def read_name(fields: Fields) -> str:
    """Read the name that a person wants to be called by, on one line."""
    name = " ".join(take_one(fields, "name").split())
    if len(name) > MOST_NAME:
        _refuse("name_long")
    return name


def read_given(task: Task, item: Item, fields: Fields, seconds: float) -> Given:
    """Read the answer to an item from a form.

    Raises:
        RefusedError: the form says nothing, or two things at once.
    """
    button = SKIPPED if "skip" in fields else take_one(fields, "verdict")
    criteria = {
        name: chosen for name in task.criteria if (chosen := take_one(fields, f"criterion.{name}"))
    }
    note = _bound(take_one(fields, "note").strip(), MOST_LETTERS)
    corrected = read_correction(item, fields) if task.correct else {}
    for name, text in corrected.items():
        _bound(text, max(MOST_LETTERS, 2 * len(item.texts[name])))
    reasons = [reason for reason in task.reasons if reason in fields.get("reason", ())]
    for chosen in criteria.values():
        if chosen not in task.by_name:
            _refuse("no_verdict")
    if button == SKIPPED:
        return Given(SKIPPED, correction=corrected, note=note, seconds=seconds)
    verdict = _verdict(task, button, criteria)
    if button == CORRECTED and not corrected:
        _refuse("nothing_changed")
    if button != CORRECTED and corrected:
        _refuse("changed_too")
    if reasons and button != CORRECTED and not task.by_name[verdict].reasons:
        _refuse("reasons_too")
    return Given(verdict, criteria, reasons, corrected, note, seconds)


def _verdict(task: Task, button: str, criteria: Mapping[str, str]) -> str:
    """The verdict that a button stands for, once all criteria are decided that it needs."""
    if button == CORRECTED and task.correct:
        return task.correct.verdict
    if task.criteria:
        follows = task.follows(criteria)
        if not follows:
            _refuse("open")
        button = follows if button in ("", FOLLOWS) else button
    if button not in task.by_name:
        _refuse("no_verdict")
    return button


def read_correction(item: Item, fields: Fields) -> dict[str, str]:
    """The texts that differ from those that were shown, by name."""
    changed = {}
    for place, (name, text) in enumerate(item.texts.items()):
        written = take_one(fields, f"text.{place}")
        if written.strip() and written != clean(text):
            changed[name] = written
    return changed


def read_written(task: Task, rows: str, fields: Fields) -> Written:
    """Read from a form the texts about a picture that a person gives.

    Args:
        task: with the lists to choose from.
        rows: the type of rows that is asked for, one of `contributions.TEXTS`.
        fields: of the form.

    Raises:
        RefusedError: a text is missing or cannot be shown, or something was not chosen or ticked;
            its value ``part`` names the text.
    """
    texts, right = read_texts(rows, fields), take_one(fields, "right")
    for name, text in texts.items():
        if "\ufffd" in text:
            _refuse("strange", part=name)
        _bound(text, MOST_LETTERS)
        if not text and not name.startswith(CHOICE):
            _refuse("empty", part=name)
    if rows == "choice":
        texts, right = _read_choices(texts, right)
    if take_one(fields, "looked") != "yes":
        _refuse("not_looked")
    licence, depicted = take_one(fields, "licence"), take_one(fields, "depicted")
    if licence not in task.licences or depicted not in task.depicted:
        _refuse("not_chosen")
    if take_one(fields, "mine") != "yes":
        _refuse("not_mine")
    return Written(texts, licence, depicted, right if rows == "choice" else "")


def read_texts(rows: str, fields: Fields) -> dict[str, str]:
    """The texts of a form for one type of rows, by name."""
    names = enumerate(TEXTS[rows])
    return {name: take_one(fields, f"text.{place}").strip() for place, name in names}


def _read_choices(texts: Mapping[str, str], right: str) -> tuple[dict[str, str], str]:
    """The texts with choices numbered without gaps, and the name of the right one."""
    others = {name: text for name, text in texts.items() if not name.startswith(CHOICE)}
    names = [name for name, text in texts.items() if text and name.startswith(CHOICE)]
    choices = [texts[name] for name in names]
    if len(choices) < LEAST_CHOICES:
        _refuse("few_choices")
    if len(set(choices)) < len(choices):
        _refuse("same_choices")
    if right not in names:
        _refuse("no_right")
    numbered = {f"{CHOICE}{number}": text for number, text in enumerate(choices, 1)}
    return others | numbered, f"{CHOICE}{names.index(right) + 1}"


def _bound(text: str, most: int) -> str:
    if len(text) > most:
        _refuse("too_long", most=most)
    return text


def _refuse(key: str, **values: object) -> NoReturn:
    raise RefusedError(key, **values)
