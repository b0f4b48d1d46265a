"""Plan who is asked what: draw the items, deal them out, say what they can show, make the project.

A plan is ready before anything is written; `Plan.make` writes the project's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ikusi import artifact
from ikusi.annotate import making, project, sampling, shows
from ikusi.annotate.making import Pictures
from ikusi.annotate.parts import list_parts, list_source_texts
from ikusi.annotate.project import About, Item, Project, Seat
from ikusi.annotate.sampling import Drawn
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.judgements.judgement import format_time
from ikusi.judgements.pairs import Pair, join_pairs

VERSION = 1  # of what a plan makes of the same input


@dataclass(frozen=True)
class Asked:
    """The size of a plan: number of people, of items that all share, and of each one's own items.

    Without a number of own items all rows are asked about, each that is not shared by one person.
    """

    annotators: int
    shared: int
    own: int | None = None

    def count(self, rows: int, where: object) -> int:
        """Items that are needed.

        Raises:
            InputError: the numbers cannot be, or there are not as many rows.
        """
        for name, least in (("annotators", 1), ("shared", 0), ("own", 0)):
            if (number := getattr(self, name)) is not None and number < least:
                raise InputError(f"{name}: expected {least} or more, found {number}")
        wanted = self.shared + self.annotators * (self.own or 0)
        if self.own is not None and not wanted:
            raise InputError("items: expected shared or own items, found 0 of both")
        if wanted > rows or not rows:
            raise InputError(
                f"{where}: expected {max(wanted, 1)} rows for {self.shared} shared items and "
                f"{self.own or 0} own items of {self.annotators} annotators, found {rows}"
            )
        return rows if self.own is None else wanted


@dataclass(frozen=True)
class Made:
    """A project, and the secret word of each seat; empty where the project was there already."""

    project: Project
    words: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """A plan of what people will be asked; nothing is written yet.

    ``dealt``: what each seat is asked, by the number of an item. ``items`` makes the items.
    """

    about: About
    dealt: Sequence[Sequence[sampling.Share]]
    items: Callable[[Pictures], list[Item]]
    reads: Sequence[Path]

    def make(self, output: Path) -> Made:
        """Write the project where none is; one that was made of the same is left as it is.

        Raises:
            InputError: ``output`` holds something else, or a picture cannot be read.
        """
        about = self.about
        print_ = artifact.fingerprint(
            VERSION, about.model_dump(exclude={"made", "origin", "shows"})
        )
        if artifact.is_current(output, print_):
            return Made(project.read(output), {})
        if artifact.read_manifest(output):
            raise InputError(
                f"{output}: expected a new folder, as a project is not changed once it is made, "
                "found one that was made of something else, or is damaged"
            )
        with artifact.write_folder(
            output, fingerprint=print_, kind=project.KIND, inputs=about.origin, reads=self.reads
        ) as staging:
            items = self.items(Pictures(staging))
            ids = [item.id for item in items]
            seats = [
                Seat(code, tuple(sampling.list_turns(share, ids)))
                for code, share in zip(about.seats, self.dealt, strict=True)
            ]
            words = making.write(staging, about, items, seats)
        return Made(project.read(output), words)


def plan_validation(
    corpus: Path, language: str, asked: Asked, seed: int = 0, flagged: float = 1.0
) -> Plan:
    """Plan that people accept, reject or correct rows of a corpus, their source beside them.

    Args:
        corpus: folder of a corpus.
        language: of the texts that are judged; beside them stands the corpus's first other one.
        asked: how many items of whom.
        seed: of draw and order.
        flagged: how many times as often rows are drawn that a check of the translation flagged.

    Raises:
        InputError: the corpus is bad, too small, or not in this language.
    """
    opened = Corpus.open(corpus)
    source = next((code for code in opened.languages if code != language), "")
    return _of_corpus("validate", opened, language, source, asked, seed, flagged)


def plan_selection(
    corpus: Path, language: str, annotators: int, shared: int, seed: int = 0
) -> Plan:
    """Plan that people keep or drop each row of a corpus.

    Args:
        corpus: folder of a corpus.
        language: of the texts that are shown.
        annotators: how many people are asked.
        shared: rows that all of them see; every other row is seen by one.
        seed: of draw and order.

    Raises:
        InputError: as `plan_validation`.
    """
    asked = Asked(annotators, shared)
    return _of_corpus("select", Corpus.open(corpus), language, "", asked, seed, 1.0)


def _of_corpus(
    task: str, corpus: Corpus, language: str, source: str, asked: Asked, seed: int, flagged: float
) -> Plan:
    if not flagged >= 1:
        raise InputError(f"flagged: expected 1 or more, found {flagged}")
    corpus.expect_language(language)
    count = asked.count(len(corpus), corpus.folder)
    places = _list_flagged(corpus, language) if flagged > 1 else []
    drawn = sampling.draw(len(corpus), count, seed, places, flagged)
    about = About(
        task=task,
        benchmark=corpus.folder.resolve().name,
        language=language,
        source_language=source,
        seed=seed,
        seats=list_seats(asked.annotators),
        origin={"corpus": str(corpus.folder.resolve())},
        content=corpus.content(corpus.languages),
        settings={"shared": asked.shared, "own": asked.own, "flagged": flagged},
        shows=shows.compute_for_shares(
            task, [one.weight for one in drawn], asked.shared, len(corpus)
        ),
        made=format_time(datetime.now(UTC)),
    )
    dealt = sampling.deal(count, asked.annotators, asked.shared, seed)
    return Plan(about, dealt, lambda store: _rows(corpus, about, drawn, store), [corpus.folder])


def _list_flagged(corpus: Corpus, language: str) -> list[int]:
    flags = corpus.table(language)["flags"].to_pylist()
    return [place for place, there in enumerate(flags) if there]


def list_seats(annotators: int) -> tuple[str, ...]:
    """Code names of so many people."""
    return tuple(f"annotator-{number}" for number in range(1, annotators + 1))


def _rows(corpus: Corpus, about: About, drawn: Sequence[Drawn], store: Pictures) -> list[Item]:
    """Rows of a corpus as items, in the order in which they were drawn."""
    places = [one.place for one in drawn]
    rows = corpus.take(about.language, places)
    source = about.source_language
    others = corpus.take(source, places) if source else [None] * len(rows)

    @cache
    def store_once(image_id: str) -> str:
        return store.add(corpus.image_bytes(image_id), f"{corpus.folder}: image {image_id}")

    def item(one: Drawn, row: dict[str, Any], other: dict[str, Any] | None) -> Item:
        shown = list_parts(corpus.row_type, row, other)
        return Item(
            id=row["id"],
            picture=store_once(row["image_id"]) if row["image_id"] else "",
            texts={part.name: part.text for part in shown},
            source=list_source_texts(corpus.row_type, row, other),
            right=tuple(part.name for part in shown if part.right),
            flags=tuple(row.get("flags") or ()),
            stratum=one.stratum,
            weight=one.weight,
        )

    return [item(*three) for three in zip(drawn, rows, others, strict=True)]


def plan_comparison(
    runs: Sequence[Path],
    benchmark: str,
    language: str,
    asked: Asked,
    seed: int = 0,
    corpus: Path | None = None,
) -> Plan:
    """Plan that people compare the answers of two or more models, without knowing whose they are.

    Of more than two models each item has the answers of two of them.

    Args:
        runs: folders of evaluations, or of runs of a study.
        benchmark: whose answers are compared.
        language: in which they were asked.
        asked: how many items of whom.
        seed: of draw, order and sides.
        corpus: folder of the benchmark's corpus, where it is elsewhere; see `join_pairs`.

    Raises:
        InputError: the runs do not fit together, or have too few answers.
    """
    if len(runs) < 2:
        raise InputError(f"runs: expected 2 or more, found {len(runs)}")
    first, *others = runs
    pairs = _join([join_pairs(first, other, benchmark, language, corpus) for other in others])
    count = asked.count(len(pairs), benchmark)
    drawn = [pairs[one.place] for one in sampling.draw(len(pairs), count, seed)]
    models = list(pairs[0].answers)
    about = About(
        task="compare",
        benchmark=benchmark,
        language=language,
        seed=seed,
        seats=list_seats(asked.annotators),
        origin={name: str(Path(run).resolve()) for name, run in zip(models, runs, strict=True)},
        content=artifact.fingerprint([_content(pair) for pair in pairs]),
        settings={"shared": asked.shared, "own": asked.own, "models": models},
        shows=shows.compute_for_preferences(count, len(models), asked.shared),
        made=format_time(datetime.now(UTC)),
    )
    dealt = sampling.deal(count, asked.annotators, asked.shared, seed, models)
    return Plan(about, dealt, lambda store: _make_items(drawn, store), list(map(Path, runs)))


def _join(laid: Sequence[Sequence[Pair]]) -> list[Pair]:
    """The rows that all models have answered, with the answers of all.

    Raises:
        InputError: two models have the same name.
    """
    others = [{pair.id: pair.answers for pair in side} for side in laid]
    pairs = []
    for pair in laid[0]:
        if all(pair.id in side for side in others):
            answers = {name: text for side in others for name, text in side[pair.id].items()}
            if len(answers) <= len(laid):
                names = ", ".join(answers)
                raise InputError(f"runs: expected {len(laid) + 1} different names, found {names}")
            pairs.append(Pair(pair.id, pair.question, pair.picture, answers))
    return pairs


def _content(pair: Pair) -> list[Any]:
    digest = pair.picture.digest if pair.picture else ""
    return [pair.id, pair.question, digest, sorted(pair.answers.items())]


def _make_items(drawn: Sequence[Pair], store: Pictures) -> list[Item]:
    """Answered questions as items."""
    items = []
    for pair in drawn:
        shown = pair.picture
        picture = store.add(shown.read(), f"picture {shown.id}") if shown else ""
        texts = {"question": pair.question}
        items.append(Item(id=pair.id, picture=picture, texts=texts, answers=pair.answers))
    return items
