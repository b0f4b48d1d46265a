"""A judge on the pairs of a benchmark: what it will take, and doing it, from where it stands."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ikusi import claim
from ikusi.errors import InputError
from ikusi.judge import asking, prompt, record
from ikusi.judge.asking import Judge, Sampling, Unanswered
from ikusi.judge.games import Game, list_games, order_pairs
from ikusi.judge.prompt import Writer
from ikusi.judge.record import Played, Record
from ikusi.judgements import journal
from ikusi.judgements.pairs import Pair
from ikusi.language import LanguagePack
from ikusi.progress import Report
from ikusi.server import reasons, schemas
from ikusi.server.client import PATIENCE, Connection
from ikusi.server.stream import ask_in_batches

logger = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 4.0
TOKENS_PER_PICTURE, TOKENS_WRITTEN = 1000, 150  # assumed until games of the table show better


@dataclass(frozen=True)
class Settings:
    """Settings of judging: the judge, and how pairs are put to it.

    Args:
        url: address of the server.
        model: the judge's name there.
        prompt: name of a prompt, or a YAML file.
        rubric: code of the language that the judge is spoken to in.
        sampling: what every request carries.
        controls: how many pairs are asked as each control, too.
        limit: most pairs; all by default.
        concurrency: most requests at once.
        deadline: seconds that one request may take.
        families: model -> family, where its name does not show it.
    """

    url: str
    model: str
    prompt: str = "paper"
    rubric: str = "en"
    sampling: Sampling = field(default_factory=Sampling)
    controls: int = 20
    limit: int | None = None
    concurrency: int = 32
    deadline: float = 300.0
    families: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class About:
    """The pairs of a benchmark in a language that are judged, with that language's pack."""

    pairs: Sequence[Pair]
    benchmark: str
    pack: LanguagePack
    inputs: Sequence[Path] = ()


@dataclass
class Counts:
    """Counts of games by what became of them: ``games`` is the sum of the next three.

    ``verdicts`` counts those played now; ``reasons`` why some have none.
    """

    games: int = 0
    known: int = 0
    played: int = 0
    unanswered: int = 0
    masked: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, done: Played | Unanswered) -> None:
        """Count a game."""
        if isinstance(done, Unanswered):
            self.unanswered += 1
            reasons.count(self.reasons, done.why)
            return
        self.played += 1
        self.masked += bool(sum(done.masks))
        self.verdicts[done.verdict] += 1
        if done.note:
            reasons.count(self.reasons, done.note)


@dataclass(frozen=True)
class Estimate:
    """Requests, tokens and money that the remaining games would take.

    ``measured``: estimated from earlier games; otherwise a rough guess.
    """

    requests: int
    read: int
    written: int
    money: float
    measured: bool


def judge(about: About, settings: Settings, output: Path, progress: Report | None = None) -> Counts:
    """Ask a judge for every game that the table does not have; returns what became of them.

    Stopped, it goes on by the same call: each game is written as it comes. Games that no answer
    came to are not kept, so that the next call asks for them.

    Args:
        about: what is judged.
        settings: by whom, and how.
        output: the table, which is begun where there is none.
        progress: called as games are done.

    Raises:
        InputError: the server is not there, does not have the model or refuses all; the table is
            not ours or holds other answers; or there are no pairs.
    """
    writer = _writer(about, settings)
    if not writer.prompt.reviewed:
        message = "no speaker has checked the words that the judge is asked with"
        logger.warning("prompt %s (%s): %s", writer.name, writer.rubric, message)
    with record.open_record(output, about.inputs) as table:
        counts = Counts()
        left = list(_list_left(about, settings, writer, table, find_judged(output, about), counts))
        counts.games = counts.known + len(left)
        if left:
            for done in _play(about, settings, writer, left, table):
                counts.add(done)
                if progress:
                    finished = counts.known + counts.played + counts.unanswered
                    progress(finished, counts.games, unit="games", known=counts.known)
    return counts


def estimate(
    about: About, settings: Settings, output: Path, price_in: float, price_out: float
) -> Estimate:
    """Say what the games that are left would take, and ask nothing.

    Args:
        price_in: of a million tokens read.
        price_out: of a million tokens written.
    """
    writer = _writer(about, settings)
    place = claim.expect(output, journal.KIND, list(about.inputs))
    played = list(record.read(place))
    table = Record(journal.Journal(place), played)
    left = list(_list_left(about, settings, writer, table, find_judged(output, about), Counts()))
    own = [one for one in played if one.judge == settings.model and one.tokens_read]
    if own:
        read = len(left) * sum(one.tokens_read for one in own) / len(own)
        written = len(left) * sum(one.tokens_written for one in own) / len(own)
    else:
        read = sum(_tokens(game, writer) for game in left)
        written = len(left) * TOKENS_WRITTEN
    money = (read * price_in + written * price_out) / 1e6
    return Estimate(len(left), round(read), round(written), money, bool(own))


def find_judged(output: Path, about: About) -> set[str]:
    """Rows of a benchmark in a language on which the table has people's judgements."""
    if not (Path(output) / journal.TABLE).is_file():
        return set()
    wanted = ("compare", about.benchmark, about.pack.code)
    return {
        one.id
        for one in journal.read(output)
        if one.kind != "model" and (one.task, one.benchmark, one.language) == wanted
    }


def _writer(about: About, settings: Settings) -> Writer:
    if not about.pairs:
        raise InputError(f"{about.benchmark}: expected pairs of answers, found none")
    return prompt.load(settings.prompt, settings.rubric, about.pack)


def _list_left(
    about: About,
    settings: Settings,
    writer: Writer,
    table: Record,
    first: set[str],
    counts: Counts,
) -> Iterator[Game]:
    """The games that were not played; counts the others."""
    name, asked = (
        asking.name_rater(settings.model, writer),
        asking.describe_asking(writer, settings.sampling),
    )
    place = (about.benchmark, about.pack.code)
    pairs = order_pairs(about.pairs, first)
    for game in list_games(pairs, settings.limit, settings.controls, settings.sampling.seed):
        if table.has(name, game, place, asked):
            counts.known += 1
        else:
            yield game


def _play(
    about: About, settings: Settings, writer: Writer, left: Sequence[Game], table: Record
) -> Iterator[Played | Unanswered]:
    """Ask for games; each is on the disk before it is yielded."""
    with Connection(
        settings.url,
        settings.model,
        settings.deadline,
        settings.concurrency,
        patience=max(PATIENCE, 2 * settings.sampling.tries),
    ) as server:
        keeps = writer.has_schema and server.submit(schemas.probe(server)).result()
        judge_ = Judge(
            server,
            settings.model,
            writer,
            settings.sampling,
            about.benchmark,
            about.pack.code,
            _family(settings.model, settings),
            {name: _family(name, settings) for pair in about.pairs for name in pair.answers},
            keeps,
        )
        questions = (asking.make_question(game, writer) for game in left)
        for done in ask_in_batches(server, questions, judge_.play):
            table.add([one for one in done if isinstance(one, Played)])
            yield from done


def _family(model: str, settings: Settings) -> str:
    return settings.families.get(model, asking.find_family(model))


def _tokens(game: Game, writer: Writer) -> int:
    messages = writer.write_messages(game.pair.question, *game.answers, None)
    text = sum(len(message["content"]) for message in messages) / CHARACTERS_PER_TOKEN
    return round(text) + (TOKENS_PER_PICTURE if game.picture is not None else 0)
