"""The lists of rows that trainings read are those of the training's own order."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data_rows import instruction
from ikusi import artifact, content
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.publish import data
from ikusi.publish.used import find_trainings
from ikusi.train.steps import Steps

SEED = 7
RUN = "instruct/english-eu050-text"


def write_rows(folder: Path, rows: int) -> Path:
    with CorpusWriter(folder, "instruction", ["en", "eu"]) as writer:
        for number in range(rows):
            task = "count" if number % 2 else None
            writer.add_row(f"{folder.name}-{number}", None, instruction(number), task=task)
    return folder


def train(study: Path, pictures: Path, text: Path, rows: int, grouped: bool = False) -> None:
    """A study's folder as a training of so many rows leaves it."""
    study.mkdir(exist_ok=True)
    (study / "recipe.yaml").write_text("name: made-up\n", encoding="utf-8")
    settings: dict[str, Any] = {
        "stage": {"corpus": str(pictures), "ratio": 0.5, "batch_size": 3},
        "text_only": {"corpus": str(text), "ratio": 0.8, "rows": 4},
        "seed": SEED,
        "language_code": "eu",
        "source_code": "en",
    }
    if grouped:
        settings["stage"]["group_by_task"] = True
    inputs = {str(path): content.hash_folder(path) for path in (pictures, text)}
    with artifact.write_folder(
        study / RUN, fingerprint=f"of {rows}", settings=settings, inputs=inputs
    ) as staging:
        artifact.write_json(staging / "summary.json", {"counts": {"rows": rows}})


class Reader:
    """An encoder that says which sample of a mixture is read, and in which language."""

    pixels = None

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def encode(self, indices: Sequence[int]) -> list[tuple[str, str]]:
        return [(sample.id, sample.language) for sample in self.mixture.take(indices)]


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "grouped"), [(5, False), (14, False), (31, False), (17, True)])
def test_the_rows_listed_are_those_that_the_training_reads(
    tmp_path: Path, rows: int, grouped: bool
) -> None:
    pictures, text = write_rows(tmp_path / "seen", 10), write_rows(tmp_path / "text", 6)
    train(tmp_path / "study", pictures, text, rows, grouped)
    parts = [MixturePart(Corpus.open(pictures), 0.5), MixturePart(Corpus.open(text), 0.8, 4)]
    mixture = Mixture(parts, "eu", "en", SEED, 3 if grouped else None)
    reader: Any = Reader(mixture)
    steps = Steps(mixture, reader, batch_size=3, epochs=rows / len(mixture))
    assert steps.rows == rows
    wanted = Counter(one for step in range(len(steps)) for one in steps.samples(step))
    found = Counter[Any]()
    for corpus in (pictures, text):
        (training,) = find_trainings(Corpus.open(corpus), tmp_path / "study")
        for row in training.tabulate().to_pylist():
            found[row["id"], row["language"]] += row["times"]
    assert found == wanted


def test_a_release_lists_them_and_the_card_counts_them(tmp_path: Path) -> None:
    pictures, text = write_rows(tmp_path / "seen", 10), write_rows(tmp_path / "text", 6)
    train(tmp_path / "study", pictures, text, 14)
    data.publish_corpus(pictures, tmp_path / "made", used_by=tmp_path / "study")
    listed = pq.read_table(tmp_path / "made" / "used" / "instruct-english-eu050-text.parquet")
    assert listed.column_names == ["id", "language", "times"]
    assert listed["id"].to_pylist() == [f"seen-{number}" for number in range(10)]
    card = (tmp_path / "made" / "README.md").read_text(encoding="utf-8")
    assert f"| {RUN} | 10 | " in card and "5 eu" in card and "5 en" in card
    before = (tmp_path / "made" / "manifest.json").read_bytes()
    data.publish_corpus(pictures, tmp_path / "made", used_by=tmp_path / "study")
    assert (tmp_path / "made" / "manifest.json").read_bytes() == before
    train(tmp_path / "study", pictures, text, 3)
    data.publish_corpus(pictures, tmp_path / "made", used_by=tmp_path / "study")
    assert (tmp_path / "made" / "manifest.json").read_bytes() != before


def test_a_corpus_that_no_training_read_or_that_has_changed_is_refused(tmp_path: Path) -> None:
    pictures, text = write_rows(tmp_path / "seen", 10), write_rows(tmp_path / "text", 6)
    train(tmp_path / "study", pictures, text, 14)
    other = Corpus.open(write_rows(tmp_path / "other", 3))
    with pytest.raises(InputError, match=r"expected trainings that read .*other, found none"):
        find_trainings(other, tmp_path / "study")
    with pytest.raises(InputError, match=r"expected the folder of a study, found no recipe\.yaml"):
        find_trainings(other, tmp_path)
    write_rows(text, 7)
    with pytest.raises(InputError, match="has changed since"):
        find_trainings(Corpus.open(text), tmp_path / "study")
