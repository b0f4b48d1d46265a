"""Amounts of rows in corpora, and their lengths: counted, as the recipe says, or published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikusi import yamlfile
from ikusi.errors import InputError
from ikusi.plan.shapes import Place
from ikusi.plan.span import Span
from ikusi.recipe import Miniature, Recipe
from ikusi.recipe.folder import MINIATURE, StudyFolder, list_places
from ikusi.recipe.values import Positive, Share, Text
from ikusi.yamlfile import Section

if TYPE_CHECKING:
    from ikusi.data.integrity import About

TABLE = Path(__file__).with_name("corpora.yaml")
ABOUT = "corpus.json"
USUAL = ((320, 240), (640, 480), (960, 720))  # pixels of pictures that are not here
SAMPLED = 200  # rows of a corpus whose texts are measured
CHARACTERS = Span(5.0, 3.5, 2.5)  # of a token, where no tokenizer is here: most, likeliest, least
TEMPLATE = Span(8, 25, 60)  # tokens that a chat template adds to a conversation
UNSEEN = 3  # ways of being unseen, each with `miniature.test_scenes`
STAMPS = 68  # of Tux Paint's, that show one of 250 concepts, in Basque and English
FACTS = 375  # rows of the miniature's questions about countries, in Basque and English


def count_tests(made: Miniature) -> int:
    """Pictures that each of the miniature's benchmarks asks about."""
    return UNSEEN * made.test_scenes + (made.stamps is not False) * STAMPS


class Range(Section):
    """Bounds of a figure."""

    low: Positive
    high: Positive

    def span(self) -> Span:
        """The figure between these bounds."""
        return Span.between(self.low, self.high)


class Role(Section):
    """Lengths of the rows of a kind."""

    text: Range
    supervised: Share
    source: Text


class Published(Section):
    """A public data set."""

    rows: int
    source: Text


class Questions(Section):
    """Lengths of benchmarks' questions and answers."""

    read: Range
    option: Range
    shot: Range
    written: Range
    source: Text


class Asking(Section):
    """Lengths of what a translating server is sent, and of what it writes."""

    prompt: Range
    longer: Range
    source: Text


class Judging(Section):
    """Lengths of what a judge reads and writes."""

    read: Range
    written: Range
    source: Text


class Table(Section):
    """All that `corpora.yaml` says."""

    roles: dict[str, Role]
    published: dict[str, Published]
    miniature: dict[str, Role]
    questions: Questions
    asking: Asking
    judging: Judging


def read_table() -> Table:
    """Read what is known of corpora that are not here."""
    return yamlfile.validate(Table, yamlfile.read(TABLE), yamlfile.list_field_names(Table))


@dataclass(frozen=True)
class Amount:
    """The rows of a corpus: how many, and how long.

    Attributes:
        text: tokens of a row's text.
        supervised: share of these that is learnt.
        pictures: whether its rows have one.
        source: where the number of rows is from; `length`: where that of tokens is.
        assumed: whether any of it was not counted.
    """

    rows: int
    text: Span
    supervised: float
    pictures: bool
    source: str
    length: str
    assumed: bool


@dataclass(frozen=True)
class Pictures:
    """Sizes of pictures.

    Attributes:
        sizes: widths and heights of some, in pixels; where assumed, from the least to the most.
        source: where that is from.
        assumed: whether it was not counted.
    """

    sizes: Sequence[tuple[int, int]]
    source: str
    assumed: bool


@dataclass
class Amounts:
    """Looks corpora up, each once.

    Attributes:
        study: where corpora may lie that the study made.
        tokenizer: where the LLM is, whose tokens are counted if it is here.
        given: rows by folder, as the user says.
    """

    recipe: Recipe
    study: StudyFolder
    tokenizer: Place
    given: Mapping[str, int] = field(default_factory=dict)
    table: Table = field(default_factory=read_table)

    def find(self, name: str, role: str, most: int | None = None) -> Amount:
        """Find how many rows a corpus has, and how long they are.

        Args:
            role: what its rows are, where they are not here: caption, instruction, text.
            most: rows that are taken at most, which is enough where the corpus is not known.

        Raises:
            InputError: nothing says how many rows it has.
        """
        pictures = role != "text"
        known = (self.table.miniature if name.startswith(MINIATURE) else self.table.roles)[role]
        amount = Amount(
            0, known.text.span(), known.supervised, pictures, "", f"assumed: {known.source}", True
        )
        folder = self.study.corpus(name)
        if (folder / ABOUT).is_file():
            return self._count(folder, amount)
        if name in self.given:
            return replace(amount, rows=self.given[name], source="as given (--rows)")
        if name.startswith(MINIATURE):
            return replace(amount, rows=self._count_rows_made(name), source="the recipe")
        if published := self.table.published.get(self._strip(name)):
            return replace(amount, rows=published.rows, source=f"published: {published.source}")
        if most is not None:
            return replace(amount, rows=most, source="the recipe's own limit")
        raise InputError(
            f"{name}: expected the folder of a corpus, or one whose rows are published "
            f"({', '.join(self.table.published)}), found neither; --rows {name}=ROWS says how many"
        )

    def find_pictures(self, name: str) -> Pictures:
        """Find the sizes of the pictures of a corpus, or of a benchmark."""
        folder = self.study.corpus(name)
        if name in self.recipe.benchmarks:
            folder = self._locate_questions(name, name.rpartition("/")[2]) or folder
        if sizes := _list_sizes(folder):
            return Pictures(sizes, f"{len(sizes)} of {folder}", False)
        if name.startswith(MINIATURE) and self.recipe.miniature:
            side = self.recipe.miniature.image_size
            return Pictures([(side, side)], "the recipe", False)
        shown = ", ".join(f"{width}x{height}" for width, height in USUAL)
        return Pictures(USUAL, f"assumed: {shown} pixels", True)

    def count_questions(self, benchmark: str, corpus: str) -> tuple[int, str]:
        """Rows of a benchmark, and where that number is from.

        Raises:
            InputError: nothing says how many rows it has.
        """
        limit = self.recipe.benchmark_rows
        if place := self._locate_questions(benchmark, corpus):
            rows, source = read_about(place).rows, f"{place}"
        elif benchmark.startswith(MINIATURE):
            rows, source = self._count_rows_made(benchmark), "the recipe"
        elif corpus in self.table.published:
            published = self.table.published[corpus]
            rows, source = published.rows, f"published: {published.source}"
        elif corpus in self.given:
            rows, source = self.given[corpus], "as given (--rows)"
        else:
            raise InputError(
                f"{benchmark}: expected its corpus, found none; --rows {corpus}=ROWS says how many"
            )
        return (min(rows, limit) if limit else rows), source

    def _locate_questions(self, benchmark: str, corpus: str) -> Path | None:
        if not benchmark.startswith(MINIATURE):
            return locate_questions(self.recipe, corpus)
        made = self.study.data / "benchmarks" / corpus
        return made if (made / ABOUT).is_file() else None

    def _count_rows_made(self, name: str) -> int:
        """Rows that the miniature makes."""
        made = self.recipe.miniature
        assert made is not None  # the recipe's own check
        short = name.removeprefix(MINIATURE)
        rows = {
            "captions": made.caption_scenes,
            "instructions": made.train_scenes + made.checked_scenes,
            "text": made.text_rows,
            "bertaqa": FACTS,
        }
        return rows.get(short, count_tests(made))

    def _strip(self, name: str) -> str:
        """A folder's name without a language's code behind it."""
        codes = f"{self.recipe.language}|{self.recipe.source_language}"
        return re.sub(rf"[-_]({codes})$", "", Path(name).name)

    def _count(self, folder: Path, amount: Amount) -> Amount:
        about = read_about(folder)
        texts = _sample(folder, about)
        if not texts:
            return replace(amount, rows=about.rows, source=str(folder))
        counted = self._counter is not None
        lengths = [self._measure(text) for text in texts]
        each = Span(*(sum(part) / len(part) for part in zip(*lengths, strict=True)))
        how = f"{len(texts)} rows of {folder}, "
        how += "by the LLM's own tokenizer" if counted else "by their letters"
        return replace(
            amount,
            rows=about.rows,
            text=each + TEMPLATE,
            pictures=about.images > 0,
            source=str(folder),
            length=how,
            assumed=not counted,
        )

    def _measure(self, text: str) -> tuple[float, float, float]:
        if self._counter is not None:
            count = float(len(self._counter.encode(text).ids))
            return count, count, count
        size = float(len(text))
        return size / CHARACTERS.low, size / CHARACTERS.middle, size / CHARACTERS.high

    @cached_property
    def _counter(self) -> Any:
        """The LLM's tokenizer, if it is here; it needs no tensor library."""
        file = self.tokenizer.folder / "tokenizer.json" if self.tokenizer.folder else None
        if file is None or not file.is_file():
            return None
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(file))


def locate_questions(recipe: Recipe, corpus: str) -> Path | None:
    """The folder of a benchmark's corpus in both languages; None where it is not here."""
    languages = (recipe.language, recipe.source_language)
    places = (place for place in list_places(corpus, languages) if (place / ABOUT).is_file())
    return next((one for one in places if {*languages} <= {*read_about(one).languages}), None)


def read_about(folder: Path) -> About:
    """Read a corpus's description of itself."""
    from ikusi.data import integrity  # here and below: where no corpus is there, none is opened

    return integrity.read_about(folder)


def _sample(folder: Path, about: About) -> list[str]:
    """The texts of some rows, each row's in one; from every language as many."""
    import pyarrow.parquet as pq

    from ikusi.data import rows as row_types

    kind, texts = row_types.load(about.row_type), list[str]()
    for code in about.languages:
        batches = pq.ParquetFile(folder / f"{code}.parquet").iter_batches(SAMPLED)
        for batch in batches:
            texts += [" ".join(_say(kind, row)) for row in batch.to_pylist()]
            break
    return texts


def _list_sizes(folder: Path) -> list[tuple[int, int]]:
    """Widths and heights of some pictures of a corpus; none where there are none."""
    import pyarrow.parquet as pq

    for file in sorted(folder.glob("images-*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(SAMPLED, columns=["width", "height"]):
            return [(row["width"], row["height"]) for row in batch.to_pylist()]
    return []


def _say(kind: Any, row: Mapping[str, Any]) -> Sequence[str]:
    texts: Sequence[str] = kind.texts(row)
    return texts
