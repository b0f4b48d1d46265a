"""The games that a judge was asked, with its answers: kept beside the table of judgements.

A game is written before the judgement that it is, so that nothing that was paid for is lost; what
a killed process did not get to is added from the games when the table is opened again. Controls
are in the games alone: no figure of the models ever sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ikusi import jsonfile, yamlfile
from ikusi.errors import InputError
from ikusi.judge.games import Game
from ikusi.judgements import journal
from ikusi.judgements.journal import Journal
from ikusi.judgements.judgement import Judgement

GAMES = "games.jsonl"


class Played(jsonfile.Record):
    """A game that was played: what was shown to whom, what was sent and what came.

    ``asked`` is what all games of a rater share: prompt, sampling, limit. ``content`` names what
    was shown. ``lengths``, ``families`` and ``masks`` are of answers A and B. ``fields`` are those
    that the server takes otherwise; ``tries`` says why earlier answers were of no use.
    """

    benchmark: str
    language: str
    id: str
    control: str
    rater: str
    judge: str
    family: str
    left: str
    right: str
    families: list[str]
    lengths: list[int]
    masks: list[int]
    content: str
    picture: str
    picture_bytes: int
    asked: dict[str, Any]
    server: str
    fields: dict[str, str | None]
    schema_kept: bool
    verdict: str
    criteria: dict[str, str] = Field(default_factory=dict)
    note: str = ""
    raw: str = ""
    thought: str = ""
    ended: str = ""
    answered_as: str = ""
    system: str = ""
    tokens_read: int = 0
    tokens_written: int = 0
    tries: list[str] = Field(default_factory=list)
    seconds: float
    made: str

    @property
    def key(self) -> tuple[str, ...]:
        """Its key in records: the rater, and `Game.key`."""
        return (self.rater, self.benchmark, self.language, *self.game)

    @property
    def game(self) -> tuple[str, str, str, str]:
        """`Game.key`."""
        return self.control, self.id, self.left, self.right

    def judgement(self) -> Judgement:
        """The judgement that it is, where it is no control."""
        same = ("benchmark", "language", "id", "rater", "left", "right", "verdict")
        also = ("criteria", "note", "raw", "seconds", "made")
        return Judgement(
            task="compare",
            kind="model",
            seed=self.asked["seed"],
            prompt_hash=self.asked["prompt_hash"],
            **{name: getattr(self, name) for name in (*same, *also)},
        )


def read(folder: Path) -> Iterator[Played]:
    """Yield the games of a table, the oldest first; none where no judge was asked.

    Raises:
        InputError: a line is damaged.
    """
    path = Path(folder) / GAMES
    if not path.is_file():
        return
    for number, line in enumerate(journal.read_lines(path), 1):
        try:
            yield Played.model_validate_json(line)
        except ValidationError as problem:
            document = yamlfile.Document({}, {}, f"{path}:{number}")
            names = list(Played.model_fields)
            raise yamlfile.explain(problem.errors()[0], document, names) from None


class Record:
    """An opened table: the games of one rater that are there, and a place for further ones."""

    def __init__(self, table: Journal, played: Iterable[Played]) -> None:
        self._table = table
        self._known = {one.key: one for one in played}

    def has(self, rater: str, game: Game, about: tuple[str, str], asked: dict[str, Any]) -> bool:
        """Whether a game was played.

        Raises:
            InputError: it was, but with other answers, another prompt or other settings.
        """
        earlier = self._known.get((rater, *about, *game.key))
        if earlier is None:
            return False
        where = f"{self._table.folder / GAMES}: {rater}: row {game.pair.id}"
        if earlier.asked != asked:
            name = next(key for key in asked if earlier.asked.get(key) != asked[key])
            problem = (
                f"expected {earlier.asked.get(name)}, as in earlier games, found {asked[name]}"
            )
            raise InputError(f"{where}: {name}: {problem}; judge into another table")
        if earlier.content != game.fingerprint():
            problem = "expected the question, picture and answers that were judged, found others"
            raise InputError(f"{where}: {problem}; judge into another table")
        return True

    def add(self, played: list[Played]) -> None:
        """Keep games, and the judgements that they are; all is on the disk on return."""
        self._table.append_lines([one.model_dump_json() for one in played], GAMES)
        self._table.append([one.judgement() for one in played if not one.control])
        self._known |= {one.key: one for one in played}


@contextmanager
def open_record(folder: Path, inputs: Iterable[Path] = ()) -> Iterator[Record]:
    """Open a table to add games to, or begin one.

    Raises:
        InputError: the folder is not ours, or another process adds to it.
    """
    with journal.open_journal(folder, inputs, beside=[GAMES]) as table:
        played = list(read(table.folder))
        judged = (one.judgement().to_json() for one in played if not one.control)
        table.append_lines(table.unknown(judged))
        yield Record(table, played)
