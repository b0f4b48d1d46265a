"""The commands whose power is cut: each writes to `root/out`, from what `prepare` has made."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data.sources.hub import jpeg, lines, zipped
from ikusi import artifact
from ikusi.data.importing import import_corpus
from ikusi.yamlfile import Section
from translate.jobs import Capitals, numbered, settings


def prepare(given: Path) -> None:
    """Write what the commands read."""
    given.mkdir()
    rows = [{"id": f"r{n}", "image": f"{n}.jpg", "text": f"Cat {n}."} for n in range(3)]
    lines(given / "rows.jsonl", [*rows, {"id": "bad", "image": "none.jpg", "text": "Cat."}])
    zipped(given / "images.zip", {f"{n}.jpg": jpeg(n) for n in range(3)})
    numbered(given / "corpus", "vqa", 4)


def folder(root: Path, given: Path) -> Any:
    """A folder that is made anew: the old one, then the new one, each whole."""
    for name in ("old", "new"):
        if not artifact.is_current(root / "out", "new") and (
            name == "new" or not (root / "out").exists()
        ):
            with artifact.write_folder(
                root / "out", fingerprint=name, keep_partial=True
            ) as staging:
                (staging / "deep").mkdir(exist_ok=True)
                (staging / "deep" / name).write_text(name * 9)
                artifact.add_counts(staging, rows=1)
    files = {path.name: path.read_text() for path in (root / "out" / "deep").iterdir()}
    return files, (artifact.read_manifest(root / "out") or {})["counts"]


def imports(root: Path, given: Path) -> Any:
    """Import a table with pictures."""
    return import_corpus("table", root / "out", given / "rows.jsonl", row_type="caption")


class Written(Capitals):
    """An engine whose answers are journalled."""

    def close(self) -> None:
        """Nothing is held."""


def translates(root: Path, given: Path) -> Any:
    """Translate a corpus."""
    from ikusi.translate import run

    with pytest.MonkeyPatch.context() as patch:
        translator = "ikusi.translate.engines.base.OfSentences.translator"
        patch.setattr(translator, lambda settings, source, target: Written())
        return run.translate(settings(2), given / "corpus", root / "out")


class Lot:
    """An engine that answers each question in its own way, at once."""

    name, sees, scores_options, batch_size = "lot", True, True, 1

    def identity(self) -> Any:
        return "lot"

    def prepare(self, pictures: Mapping[str, Any]) -> Mapping[str, Any]:
        return pictures

    def answer(self, queries: Sequence[Any], pictures: Mapping[str, Any]) -> list[Any]:
        from ikusi.answer.engine import Reply

        return [Reply(query.where, text=query.question) for query in queries]

    def close(self) -> None:
        pass


@cache
def packs() -> Any:
    """The language pack, read once for all the runs of a process."""
    from ikusi import language

    return {"en": language.load("en")}


def evaluates(root: Path, given: Path) -> Any:
    """Measure a model on one benchmark in one language."""
    from ikusi.data.corpus import Corpus
    from ikusi.evaluate import benchmark, run

    asked = [(benchmark.load("miniature/vqa"), Corpus.open(given / "corpus"))]
    return run.evaluate(Lot(), asked, ["en"], packs(), root / "out", bootstrap=10)


def publishes(root: Path, given: Path) -> Any:
    """Make a release of a corpus; of its tables each row group is handed to the disk at once."""
    from ikusi.publish import data, tables

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "BEHIND", 1)
        return data.publish_corpus(given / "corpus", root / "out", licence="CC0")


class Nothing(Section):
    """A step's settings."""


def step(output: Path, context: Any, settings: Nothing) -> None:
    """A step of a study: write a file of some size."""
    (output / "data").write_bytes(bytes(30_000))
