"""Corpora of every row type, spoiled: their tables, pictures and what they say of themselves."""

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_cases import Case, Cases, Harm, Kind, bytes_spoiled, put
from PIL import Image

from ikusi import language
from ikusi.data import rows as row_types
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.data.rows.shape import Gold

CODES = ["en", "eu"]
ROWS = 24
PROMPTS = {code: ["say what you see"] for code in CODES}
BENCHMARKS = {"choice": "aokvqa", "vqa": "vqav2"}
OFF: dict[str, Any] = dict.fromkeys(
    ("language", "copied", "length_ratio", "repetition", "preserved"), "off"
)


def columns(row_type: str, number: int, code: str) -> dict[str, Any]:
    """A row's own columns; every number gives another row."""
    question, text = f"what is in picture {number} ({code})?", f"thing {number} in {code}"
    if row_type == "caption":
        return {"text": text}
    if row_type == "instruction":
        turns = [("user", question), ("assistant", text)] * (1 + number % 2)
        return {"turns": [{"role": role, "content": content} for role, content in turns]}
    if row_type == "vqa":
        return {"question": question, "answers": [language.load(code).yes, text]}
    if row_type == "choice":
        return {"question": question, "choices": [text, "a dog", "a hat"], "answer": number % 3}
    return {"question": question}


def write_corpus(folder: Path, row_type: str, codes: Sequence[str] = CODES) -> Path:
    """A corpus whose every second row has a picture."""
    with CorpusWriter(folder, row_type, codes) as writer:
        for number in range(ROWS):
            image_id = f"picture-{number}" if number % 2 else None
            if image_id:
                buffer = BytesIO()
                Image.new("RGB", (8, 8), (number, 9, 7)).save(buffer, "PNG")
                writer.add_image(image_id, buffer.getvalue(), "png", 8, 8, "made here")
            texts = {code: columns(row_type, number, code) for code in codes}
            writer.add_row(f"r{number}", image_id, texts, group="seen", task="t")
    return folder


def read_corpus(folder: Path) -> Any:
    """All of a corpus: rows, pictures, conversations."""
    corpus = Corpus.open(folder)
    rows = {code: corpus.table(code).to_pylist() for code in corpus.languages}
    names = [name for name in corpus.image_ids if name is not None]
    pictures = [corpus.image(name).tobytes() for name in names]
    talk: list[Any] = []
    if corpus.row_type.gold is not Gold.NOTHING:
        mixture = Mixture([MixturePart(corpus, 0.5, None, PROMPTS)], "eu", "en", 0)
        talk = [sample.messages for sample in mixture]
    return rows, pictures, list(corpus.row_digests()), talk, corpus.find_flagged()


# What can be done to a table: every change says what must become of it.

Change = tuple[str, pa.Table, Harm]


def table_changes(table: pa.Table, own: Iterable[str]) -> Iterator[Change]:
    """Ways of spoiling a table of rows; `own` are the columns of its row type."""
    for name in ("id", *own):
        yield f"{name} left out", table.drop_columns([name]), "refuse"
        yield f"{name} of nothing", with_column(table, name, pa.nulls(len(table))), "refuse"
        kind: list[Any] = [1.5] * len(table)
        for label, values in (
            ("floats", kind),
            ("truths", [True] * len(table)),
            ("bytes", [b"x"] * len(table)),
        ):
            yield f"{name} of {label}", with_column(table, name, pa.array(values)), "refuse"
        number = pa.array(range(len(table)))
        harm: Harm = "any" if name == "answer" else "refuse"
        yield f"{name} of numbers", with_column(table, name, number), harm
        for label, value in spoiled_values(table[name].type):
            cells = table[name].to_pylist()
            cells[random.Random(name).randrange(len(cells))] = value
            yield (
                f"{name}: {label}",
                with_column(table, name, pa.array(cells, table[name].type)),
                "refuse",
            )
    ids = table["id"].to_pylist()
    yield "an id twice", with_column(table, "id", pa.array([*ids[:-1], ids[0]])), "refuse"
    yield "a row twice", pa.concat_tables([table, table.slice(3, 1)]), "refuse"
    yield "a row less", table.slice(1), "refuse"
    yield "no rows", table.slice(0, 0), "refuse"
    yield "rows in another order", table.take(list(range(len(table)))[::-1]), "refuse"
    lost = pa.array([*table["image_id"].to_pylist()[:-1], "no-such"])
    yield "a picture that is not stored", with_column(table, "image_id", lost), "refuse"
    yield (
        "image_id of numbers",
        with_column(table, "image_id", pa.array(range(len(table)))),
        "refuse",
    )
    twice = table.append_column("id", table["id"])
    yield "two columns of one name", twice, "refuse"
    yield "a column more", table.append_column("mine", pa.array(range(len(table)))), "same"
    yield "columns in another order", table.select(table.column_names[::-1]), "either"


def spoiled_values(kind: pa.DataType) -> list[tuple[str, Any]]:
    """Single values that no good row has in a column of a type."""
    if pa.types.is_string(kind):
        return [("none", None), ("empty", ""), ("blank", " \t\u3000")]
    if pa.types.is_integer(kind):
        return [("none", None), ("below", -1), ("beyond", 3)]
    if kind.value_type == pa.string():
        own = [("none in it", ["a", None]), ("blank first", [" ", "a"])]
        return [("none", None), ("empty", []), *own]
    user, answer = ({"role": role, "content": "a"} for role in ("user", "assistant"))
    lists = [[], [user], [answer], [user, {"role": "assistant", "content": " "}], [user, None]]
    lists += [[{"role": "bot", "content": "a"}, answer], [{"role": None, "content": "a"}, answer]]
    return [("none", None), *((f"turns {number}", turns) for number, turns in enumerate(lists))]


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """A table with another column in place of one."""
    return table.set_column(table.schema.get_field_index(name), name, values)


def picture_changes(table: pa.Table) -> Iterator[Change]:
    """Ways of spoiling a table of pictures."""
    for name in ("image_id", "bytes", "sha256"):
        yield f"{name} left out", table.drop_columns([name]), "refuse"
        yield f"{name} of nothing", with_column(table, name, pa.nulls(len(table))), "refuse"
        cells = table[name].to_pylist()
        for label, value in (("none", None), ("another's", cells[0])):
            held = pa.array([*cells[:-1], value], table[name].type)
            yield f"{name}: {label}", with_column(table, name, held), "refuse"
    yield "a picture less", table.slice(1), "refuse"
    yield "pictures in another order", table.take(list(range(len(table)))[::-1]), "same"


def json_spoiled(path: Path, rng: random.Random) -> tuple[str, bytes, Harm]:
    """A JSON file with a value of another kind, or a key less, in one place at its top."""
    held = json.loads(path.read_text("utf-8"))
    name = rng.choice(list(held))
    way = rng.choice(["none", "other kind", "left out", "not a mapping", "no number"])
    if way == "not a mapping":
        return way, b"[1, 2]", "refuse"
    value: Any = None if way == "none" else 1 if isinstance(held[name], str | dict | list) else "x"
    if way == "left out":
        del held[name]
    else:
        held[name] = float("nan") if way == "no number" else value
    return f"{name}: {way}", json.dumps(held).encode(), "refuse" if way == "no number" else "either"


def spoil(
    path: Path, changes: Callable[[pa.Table], Iterable[Change]], rng: random.Random
) -> tuple[str, Harm]:
    """Change a table in one way."""
    done, table, harm = rng.choice(list(changes(pq.read_table(path))))
    pq.write_table(table, path)
    return done, harm


def spoiled_file(path: Path, rng: random.Random, damage: Harm = "either") -> tuple[str, Harm]:
    """Damage a file's bytes, or what a JSON file says."""
    if path.suffix == ".json" and rng.random() < 0.6:
        done, data, harm = json_spoiled(path, rng)
        put(path, data)
        return done, harm if damage == "either" else damage
    done, left = bytes_spoiled(path.read_bytes(), rng)
    put(path, left)
    return done, damage


def corpora(row_type: str, folder: Path, rng: random.Random) -> Cases:
    """Cases of a corpus of one row type."""
    whole = write_corpus(folder / "whole", row_type)
    yield Case("nothing", whole, partial(read_corpus, whole), "same")
    own = list(row_types.load(row_type).names)
    for case in copies(whole, folder / "c"):
        path = rng.choice(sorted(case.iterdir()))
        if path.suffix == ".parquet" and rng.random() < 0.7:
            rows = not path.name.startswith("images-")
            ways = partial(table_changes, own=own) if rows else picture_changes
            done, harm = spoil(path, ways, rng)
        else:
            done, harm = spoiled_file(path, rng)
        yield Case(done, path, partial(read_corpus, case), harm)


def copies(whole: Path, place: Path) -> Iterator[Path]:
    """The same folder anew, as often as asked for."""
    while True:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        yield place


CORPORA: dict[str, Kind] = {
    f"corpora, {one.name}": partial(corpora, one.name) for one in row_types.list_types()
}
