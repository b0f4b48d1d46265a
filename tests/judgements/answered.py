"""Two runs' answers to an open-ended benchmark, as evaluations leave them, with its corpus."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ikusi.data.corpus import CorpusWriter
from ikusi.evaluate.rows import SCHEMA

CODES = ("eu", "en")
BENCHMARK = "wildvision"


def picture(number: int) -> bytes:
    """A small picture of one colour, another for each number."""
    file = io.BytesIO()
    colour = (number * 37 % 256, number * 101 % 256, number * 199 % 256)
    Image.new("RGB", (24, 16), colour).save(file, "PNG")
    return file.getvalue()


def question(code: str, number: int) -> str:
    return f"{code}: what is <b>{number}</b> & why?"


def corpus(folder: Path, rows: int = 6) -> Path:
    """Open questions about a picture each, in both languages."""
    with CorpusWriter(folder, "open", list(CODES)) as writer:
        for number in range(rows):
            writer.add_image(f"picture-{number}", picture(number), "png", 24, 16, "a test")
            texts = {code: {"question": question(code, number)} for code in CODES}
            writer.add_row(f"q{number}", f"picture-{number}", texts)
    return folder


def run(
    folder: Path, said: str = "", rows: int = 6, changes: Mapping[str, Mapping[str, Any]] = {}
) -> Path:
    """An evaluation whose answer to row q3 in Basque is `SAID eu 3`.

    ``changes``: columns of some rows, by id.
    """
    folder.mkdir(parents=True)
    made = [_row(code, number, said or folder.name) for code in CODES for number in range(rows)]
    made = [row | dict(changes.get(row["id"], {})) for row in made]
    pq.write_table(pa.Table.from_pylist(made, SCHEMA), folder / "rows.parquet")
    return folder


def _row(code: str, number: int, said: str) -> dict[str, Any]:
    return dict.fromkeys(SCHEMA.names) | {
        "benchmark": BENCHMARK,
        "language": code,
        "position": number,
        "id": f"q{number}",
        "image_id": f"picture-{number}",
        "question": question(code, number),
        "prediction": f"{said} {code} {number}",
        "metrics": "{}",
        "prompt_hash": "0",
    }
