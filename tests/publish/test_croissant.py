"""The Croissant file of a release is true of its files, and keeps to Croissant's vocabulary."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ikusi.data import corpus as corpora
from ikusi.publish import data, tables
from publish.chain import write_corpus

CROISSANT = {
    "sc:Text", "sc:ImageObject", "cr:Int32", "cr:Float64"
}  # fmt: skip


def test_croissant_names_every_file_with_its_digest_and_every_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "ROWS_IN_GROUP", 2)
    monkeypatch.setattr(tables, "SHARD_BYTES", 1)
    write_corpus(tmp_path / "rows", "instruction")
    data.publish_corpus(tmp_path / "rows", tmp_path / "made")
    told = json.loads((tmp_path / "made" / "croissant.json").read_text(encoding="utf-8"))
    kinds = {part["@id"]: part for part in told["distribution"]}
    files = {key: part for key, part in kinds.items() if part["@type"] == "cr:FileObject"}
    for name, part in files.items():
        assert part["contentUrl"] == name
        assert hashlib.sha256((tmp_path / "made" / name).read_bytes()).hexdigest() == part["sha256"]
    assert set(files) == {
        path.relative_to(tmp_path / "made").as_posix()
        for path in (tmp_path / "made").rglob("*.parquet")
    }
    for table in told["recordSet"]:
        first = next(n for n in files if f"{table['@id']}/" in n)
        columns = pq.read_schema(tmp_path / "made" / first).names
        assert [
            field["source"]["extract"]["column"] if "source" in field else "turns"
            for field in table["field"]
        ] == columns
        for field in table["field"]:
            for part in field.get("subField", [field]):
                ((kind, place),) = [
                    (k, v["@id"]) for k, v in part["source"].items() if k[:4] == "file"
                ]
                assert part["dataType"] in CROISSANT and place in kinds
                assert kinds[place]["@type"] == f"cr:{kind[0].upper()}{kind[1:]}"
    terms = set(told["@context"])
    assert {key for part in walk(told) for key in part} - terms <= {
        *("@context", "@type", "@id", "name", "description", "license", "url", "version"),
        *("datePublished", "inLanguage", "distribution", "contentUrl", "contentSize"),
        *("encodingFormat", "sha256"),
    }  # the last are words of schema.org


def walk(value: Any) -> list[dict[str, Any]]:
    """Every object of JSON but its context."""
    if isinstance(value, list):
        return [part for one in value for part in walk(one)]
    if not isinstance(value, dict):
        return []
    inner = [part for key, one in value.items() if key != "@context" for part in walk(one)]
    return [value, *inner]
