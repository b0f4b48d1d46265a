"""Every row of docs/servers.md, against a server that behaves so, by both who ask servers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ikusi import language
from ikusi.answer.engine import Query
from ikusi.answer.engines.server import Server
from ikusi.data import rows as row_types
from ikusi.errors import InputError
from ikusi.translate.chat import ChatTranslator
from ikusi.translate.contract import Row, Verdict
from ikusi.translate.engines.chat import Chat
from server.behaviours import BEHAVIOURS, Behaviour
from server.peculiar import Peculiar

ROWS = [
    Row(
        place,
        f"row-{place}",
        row_types.load("choice"),
        [f"what is it {place}?", "a cat", f"hat {place}"],
    )
    for place in range(2)
]
PAGE = Path(__file__).parents[2] / "docs" / "servers.md"


def translated(does: Behaviour, server: Peculiar) -> tuple[list[Any], list[str], Any]:
    """Answers, reasons of those without, and what was learnt."""
    chat = Chat(
        kind="chat", url=does.url(server.url), model=does.model, prompt="any", deadline=20.0
    )
    made = ChatTranslator(chat, language.load("en"), language.load("eu"))
    found = list(made.translate(ROWS, lambda *_: Verdict()))
    right = [[text.upper() for text in row.texts] for row in ROWS]
    said = [o.texts for o in sorted(found, key=lambda o: o.place) if o.texts is not None]
    assert not any(outcome.unreached for outcome in found)
    assert made.list_learnt()["keeps_to_schemas"] == server.keeps_schemas
    return (
        [texts in right for texts in said],
        [outcome.attempts[-1].reason for outcome in found if outcome.texts is None],
        made.list_learnt()["fields"],
    )


def evaluated(does: Behaviour, server: Peculiar) -> tuple[list[Any], list[str], Any]:
    """The same of an evaluation."""
    engine = Server(does.url(server.url), does.model)
    queries = [
        Query(row.id, ({"role": "user", "content": [{"type": "text", "text": row.texts[0]}]},),
              max_new_tokens=64)
        for row in ROWS
    ]  # fmt: skip
    try:
        replies = engine.answer(queries, {})
    finally:
        engine.close()
    right = [
        reply.text == row.texts[0].upper()
        for row, reply in zip(ROWS, replies, strict=True)
        if reply.failure is None
    ]
    limit, settings = engine.identity()[4], engine.identity()[3]
    learnt: dict[str, Any] = {} if limit == "max_tokens" else {"max_tokens": limit}
    learnt |= {} if "temperature" in settings else {"temperature": None}
    return right, [reply.failure for reply in replies if reply.failure], learnt


WAYS: Mapping[str, Any] = {"translate": translated, "evaluate": evaluated}


def tries() -> list[tuple[Behaviour, str]]:
    """Every behaviour, by each way of asking that it concerns."""
    return [(does, name) for does in BEHAVIOURS for name in WAYS if does.only in ("", name)]


def hold(does: Behaviour, way: Any) -> None:
    """Ask a server that behaves so, and see that what comes of it is right."""
    with does.server().started() as server:
        if does.ends == "stopped":
            with pytest.raises(InputError, match=re.escape(does.told)) as error:
                way(does, server)
            assert "\n" not in str(error.value)
            assert len(server.requests) <= 1 + len(ROWS), (
                "asked no more once it is refused for good"
            )
            return
        right, reasons, learnt = way(does, server)
    if does.ends == "answered":
        assert right == [True] * len(ROWS) and not reasons
    else:
        assert not right and len(reasons) == len(ROWS)
        assert all(does.told in reason for reason in reasons)
    assert learnt == does.learnt


@pytest.mark.parametrize(
    ("does", "name"), [pytest.param(*one, id=f"{one[0].name}-{one[1]}") for one in tries()]
)
def test_servers_as_they_are(does: Behaviour, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-no-server")
    hold(does, WAYS[name])


def test_the_page_has_a_row_for_every_behaviour_and_no_other() -> None:
    page = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(does.name for does in BEHAVIOURS)
    for way, count in Counter(name for _, name in tries()).items():
        assert f"| {way} | {count} | {count} | 0 |" in page


def test_every_row_of_the_page_says_what_it_rests_on() -> None:
    rows = re.findall(r"^\| `[\w-]+` \|.*\| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(BEHAVIOURS)
    for basis in rows:
        kind, _, source = basis.partition(": ")
        linked = "](https://" in source or re.search(r"\d+\.\d+", source)  # or a version
        assert kind.startswith("kind") or (
            kind.startswith(("documented", "reported", "seen here")) and linked
        ), basis
