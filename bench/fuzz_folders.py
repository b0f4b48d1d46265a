"""Folders that Ikusi writes, spoiled: evaluations, translations, manifests, features, models."""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_cases import Case, Cases, Kind, bytes_spoiled, put
from fuzz_corpora import (
    BENCHMARKS,
    CODES,
    OFF,
    Change,
    copies,
    read_corpus,
    spoil,
    spoiled_file,
    with_column,
    write_corpus,
)
from PIL import Image

from ikusi import artifact, language
from ikusi.answer.engine import OptionScore, Query, Reply
from ikusi.compare.join import join
from ikusi.compare.reading import Evaluation
from ikusi.compare.rows import Rows
from ikusi.data.corpus import Corpus
from ikusi.evaluate import benchmark
from ikusi.evaluate.run import evaluate
from ikusi.translate.contract import Check, Outcome, Row
from ikusi.translate.engines.command import Command
from ikusi.translate.gather import gather
from ikusi.translate.job import Job
from ikusi.translate.settings import Checks, Translation

# Evaluations.


class Lots:
    """An engine that answers by the question alone."""

    name = "lots"
    sees = scores_options = True
    batch_size = 2

    def identity(self) -> Any:
        """Nothing that changes."""
        return "lots"

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, Image.Image]:
        """Pictures as they are."""
        return pictures

    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Scores and words by lot."""
        return [self._reply(query) for query in queries]

    def _reply(self, query: Query) -> Reply:
        lot = random.Random(query.where)
        drawn = [-lot.random() for _ in query.options]
        scores = tuple(OptionScore(one, one, one, one) for one in drawn)
        return Reply(f"{lot.random()}", scores, "" if scores else lot.choice(["bai", "yes", "no"]))

    def close(self) -> None:
        """Nothing is held."""


def evaluations(folder: Path, rng: random.Random) -> Cases:
    """Cases of an evaluation's folder: measured again, compared, read for a report."""
    asked = [
        (benchmark.load(name), Corpus.open(write_corpus(folder / row_type, row_type)))
        for row_type, name in BENCHMARKS.items()
    ]
    packs = {code: language.load(code) for code in CODES}

    def measure(place: Path) -> Any:
        figures = evaluate(Lots(), asked, CODES, packs, place, bootstrap=20)
        read, rows = Evaluation(place), Rows(place, "run")
        scores = [read.scores(bench.name, code) for bench, _ in asked for code in CODES]
        correct = [(one.ids, list(one.correct)) for one in scores if one]
        joined = [join(rows, rows, key, None).ids for key in rows.asked]
        return (
            figures,
            correct,
            joined,
            pq.read_table(place / "rows.parquet").drop_columns("seconds").to_pylist(),
        )

    whole = folder / "whole"
    measure(whole)
    yield Case("nothing", whole, partial(measure, whole), "same")
    for place in copies(whole, folder / "run"):
        path = rng.choice([place / name for name in ("rows.parquet", "results.json", "run.json")])
        if path.suffix == ".parquet" and rng.random() < 0.7:
            done, harm = spoil(path, result_changes, rng)
        else:
            done, harm = spoiled_file(path, rng)
        yield Case(done, path, partial(measure, place), harm)


def result_changes(table: pa.Table) -> Iterator[Change]:
    """Ways of spoiling the rows of an evaluation."""
    for name in ("benchmark", "language", "position", "id", "question", "metrics", "prompt_hash"):
        yield f"{name} left out", table.drop_columns([name]), "refuse"
        yield f"{name} of floats", with_column(table, name, pa.array([0.5] * len(table))), "refuse"
        cells = [*table[name].to_pylist()[:-1], None]
        yield f"{name}: none", with_column(table, name, pa.array(cells, table[name].type)), "refuse"
    for name, value in (
        ("metrics", "{"),
        ("gold", "[1]"),
        ("correct", 7.0),
        ("metrics", '{"a": "b"}'),
    ):
        cells = [*table[name].to_pylist()[:-1], value]
        yield (
            f"{name}: {value}",
            with_column(table, name, pa.array(cells, table[name].type)),
            "refuse",
        )


def parts(folder: Path, rng: random.Random) -> Cases:
    """Cases of an evaluation that was cut: its part files are made anew where they are damaged."""
    from ikusi.evaluate.rows import Parts

    corpus = Corpus.open(write_corpus(folder / "vqa", "vqa"))
    asked, packs = [(benchmark.load("vqav2"), corpus)], {"eu": language.load("eu")}

    def measure(place: Path) -> Any:
        return evaluate(Lots(), asked, ["eu"], packs, place, bootstrap=20)

    kept, whole = folder / "kept", folder / "whole"
    delete = Parts.delete
    setattr(Parts, "delete", lambda own: None)  # noqa: B010 - a method is no plain attribute
    measure(kept)
    setattr(Parts, "delete", delete)  # noqa: B010
    measure(whole)
    yield Case("nothing", whole, partial(measure, whole), "same")
    for place in copies(kept, folder / "run"):
        for name in ("rows.parquet", "results.json", "run.json"):
            (place / name).unlink()
        path = rng.choice(sorted((place / "parts").iterdir()))
        done, _ = spoiled_file(path, rng)
        yield Case(done, path, partial(measure, place), "same")


# Translations.


class Capitals:
    """Writes every text in capitals."""

    name, costly = "capitals", True

    def settings(self) -> dict[str, Any]:
        """Nothing that changes."""
        return {"kind": "capitals"}

    def list_learnt(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def tokens(self, row: Row) -> tuple[int, int]:
        """None."""
        return 0, 0

    def translate(self, rows: Iterable[Row], check: Check) -> Iterator[Outcome]:
        """All rows, one after the other."""
        for row in rows:
            yield Outcome(row.place, [text.upper() for text in row.texts])

    def close(self) -> None:
        """Nothing is held."""


def translations(folder: Path, rng: random.Random) -> Cases:
    """Cases of a translation's folder: shards, journals, its record, the corpus made of them."""
    source = Corpus.open(write_corpus(folder / "source", "vqa", ["en"]))
    chosen = Translation(
        name="fuzz",
        language="eu",
        engine=Command(kind="command", command=["none"]),
        checks=Checks(**{**OFF, "yes_no": "off"}),
        shard_rows=10,
    )

    def translate(place: Path) -> Any:
        job = Job(chosen, source, place / "work", Capitals())
        job.run()
        counts = gather(job, place / "out")
        return counts["rows"], read_corpus(place / "out")

    whole = folder / "whole"
    translate(whole)
    journal(whole / "work")
    yield Case("nothing", whole, partial(translate, whole), "same")
    for place in copies(whole, folder / "run"):
        path = rng.choice([path for path in sorted(place.rglob("*")) if path.is_file()])
        done, harm = spoiled_file(path, rng, damage="same")
        if path.name == "translation.json" or path.parent.name == "out":
            harm = "either"
        yield Case(done, path, partial(translate, place), harm)


def journal(work: Path) -> None:
    """Put a shard back into its journal, as if the job had been killed before it was written."""
    from ikusi.translate.shards import Shards

    shards = Shards(work)
    made = shards.read_made(1)
    assert made is not None
    for row in shards.read(1).to_pylist():
        shards.journal(1, made, row)
    shards.path(1).unlink()


def manifests(folder: Path, rng: random.Random) -> Cases:
    """Cases of a manifest: a damaged one is none, so the folder is made anew or refused."""
    whole = folder / "whole"

    def make(place: Path) -> Any:
        if not artifact.is_current(place, "abc"):
            with artifact.write_folder(place, fingerprint="abc", inputs={"data": "d"}) as staging:
                (staging / "out.txt").write_text("made")
                artifact.add_counts(staging, rows=3)
        record = artifact.read_manifest(place) or {}
        left = sorted(path.name for path in (*place.iterdir(), *place.parent.glob("*.replaced")))
        return dict(record["counts"]), sorted(record["inputs"].items()), left

    make(whole)
    yield Case("nothing", whole, partial(make, whole), "same")
    for place in copies(whole, folder / "run"):
        path = place / artifact.MANIFEST
        done, _ = spoiled_file(path, rng)
        yield Case(done, path, partial(make, place), "any")


def features(folder: Path, rng: random.Random) -> Cases:
    """Cases of stored features. Numbers that are wrong but finite cannot be distinguished from
    others."""
    from ikusi.miniature.bases import shipped
    from ikusi.model import parts as opened
    from ikusi.train.features import FEATURES, StoredFeatures, store

    corpus = Corpus.open(write_corpus(folder / "corpus", "caption"))
    encoder, whole = shipped.find_model("miniature/encoder"), folder / "whole"
    tower = opened.open_vision_tower(encoder)
    images = opened.open_image_processor(encoder, tower.config.image_size)
    store(whole, corpus, tower, images, layers=-2, strategy="full", bf16=False)
    names = list(dict.fromkeys(name for name in corpus.image_ids if name))

    def read(place: Path) -> Any:
        return StoredFeatures({0: place})([(0, name) for name in names]).tolist()

    yield Case("nothing", whole, partial(read, whole), "same")
    for place in copies(whole, folder / "run"):
        path = rng.choice(sorted(place.iterdir()))
        done, left = bytes_spoiled(path.read_bytes(), rng)
        put(path, left)
        yield Case(done, path, partial(read, place), "any" if path.name == FEATURES else "either")


def models(folder: Path, rng: random.Random) -> Cases:
    """Cases of a small LLM's files."""
    from ikusi.miniature.bases import shipped
    from ikusi.model import parts as opened

    def read(llm: Path) -> Any:
        model, words = opened.load_language_model(llm)
        return sorted(model.state_dict()), words("a cat on a mat").input_ids

    needed = ("config.json", "tokenizer.json", "model.safetensors")
    return spoiled_model(shipped.find_model("miniature/llama-en"), read, needed, folder, rng)


def encoders(folder: Path, rng: random.Random) -> Cases:
    """Cases of a small encoder's files: a damaged image processor is not one that is absent."""
    from ikusi.miniature.bases import shipped
    from ikusi.model import parts as opened

    def read(encoder: Path) -> Any:
        tower = opened.open_vision_tower(encoder)
        images = opened.open_image_processor(encoder, tower.config.image_size)
        return sorted(tower.state_dict()), images.to_dict()

    needed = ("config.json", "preprocessor_config.json", "model.safetensors")
    return spoiled_model(shipped.find_model("miniature/encoder"), read, needed, folder, rng)


def spoiled_model(
    whole: Path,
    read: Callable[[Path], Any],
    needed: Sequence[str],
    folder: Path,
    rng: random.Random,
) -> Cases:
    """Cases of a model's files; those that are `needed` must be refused where they are torn."""
    yield Case("nothing", whole, partial(read, whole), "same")
    for place in copies(whole, folder / "model"):
        names = [
            path for path in sorted(place.iterdir()) if path.suffix in (".json", ".safetensors")
        ]
        path = rng.choice(names)
        size = path.stat().st_size
        done, _ = spoiled_file(path, rng)
        gone = not path.exists()
        lost = path.name != "preprocessor_config.json" if gone else path.stat().st_size < size - 2
        torn = lost and path.name in needed and not is_json(path)
        yield Case(done, path, partial(read, place), "refuse" if torn else "any")


def is_json(path: Path) -> bool:
    """Whether a file still holds JSON, if less of it."""
    try:
        return path.exists() and bool(json.loads(path.read_bytes()))
    except ValueError:
        return False


FOLDERS: dict[str, Kind] = {
    "evaluations": evaluations,
    "evaluations that were cut": parts,
    "translations": translations,
    "manifests": manifests,
    "features": features,
    "models": models,
    "encoders": encoders,
}
