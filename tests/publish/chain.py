"""Corpora to release: one with all that a translation adds, one that went the whole way."""

import json
import sys
from pathlib import Path
from typing import Any

from data.rows.test_faults import GOOD
from data_rows import picture
from ikusi.annotate import plan
from ikusi.annotate.apply import apply
from ikusi.annotate.plan import Asked
from ikusi.annotate.store import Given, open_store
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.importing import import_corpus
from ikusi.translate import run
from ikusi.translate.settings import Translation

CODES = ("en", "eu", "gl")
PROGRAM = """
import sys
for line in sys.stdin:
    print("eu " + line.strip() if line.strip() else "")
"""
NOTE = "Ane Etxeberriak esan zidan."


def write_corpus(folder: Path, row_type: str, rows: int = 5, source: str = "photos") -> Corpus:
    """Rows in three languages with all that a translation adds; the last has no picture."""
    with CorpusWriter(folder, row_type, CODES) as writer:
        for number in range(rows - 1):
            if number % 2 == 0:
                data = picture(side=8 + number)
                writer.add_image(f"p{number}", data, "png", 8 + number, 8 + number, source)
        for number in range(rows):
            shown = f"p{number // 2 * 2}" if number < rows - 1 else None
            texts: dict[str, dict[str, Any]] = {code: dict(GOOD[row_type]) for code in CODES}
            texts["gl"] |= {"translator": "nmt", "flags": ["length: 3"], "score": number / 8}
            texts["eu"] |= {"flags": []}
            writer.add_row(f"r{number}", shown, texts, group="a", task=None if number else "t")
    return Corpus.open(folder)


def make_chain(folder: Path) -> Path:
    """Four captions, of which one has a dead picture and one is rejected; in English and Basque."""
    images = folder / "photos" / "images"
    images.mkdir(parents=True)
    for name in ("one", "two", "three"):
        (images / f"{name}.png").write_bytes(picture(side=8 + len(name)))
    (images / "dead.png").write_bytes(b"no picture")
    rows = [
        {"id": name, "image": f"{name}.png", "text": f"a photo of {name} things"}
        for name in ("one", "two", "three", "dead")
    ]
    table = folder / "photos" / "captions.jsonl"
    table.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    import_corpus("table", folder / "imported", table, row_type="caption")
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    translation = Translation.model_validate(
        {
            "name": "by-program",
            "language": "eu",
            "engine": {"kind": "command", "command": [sys.executable, str(program)]},
            "checks": dict.fromkeys(("language", "copied", "repetition"), "off"),
        }
    )
    run.translate(translation, folder / "imported", folder / "translated")
    asked = Asked(annotators=1, shared=3)
    plan.plan_validation(folder / "translated", "eu", asked).make(folder / "project")
    store = open_store(folder / "project")
    store.enter("annotator-1", kind="person")
    given = {"one": Given("accept"), "three": Given("accept")}
    given["two"] = Given("reject", reasons=("meaning",), note=NOTE)
    for item, said in given.items():
        assert store.answer("annotator-1", item, said, item)
    store.close()
    apply(folder / "project", folder / "judged")
    return folder / "judged"
