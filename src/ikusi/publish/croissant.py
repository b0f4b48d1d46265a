"""A release described in Croissant, which search engines for data sets and loaders of data read.

Croissant is JSON-LD by MLCommons: files with their digests, and tables with their fields, each
field a column of files (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ikusi.data.released import PICTURES, SHOWN, Release

FILE = "croissant.json"
URL = "README.md"  # its page, beside this file: where it will be published is not known yet
PARQUET = "application/x-parquet"
CONFORMS_TO = "http://mlcommons.org/croissant/1.0"

_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject"),
    *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
    *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""The context that the specification of Croissant 1.0 gives."""


def describe_release(
    release: Release,
    schemas: dict[str, pa.Schema],
    *,
    summary: str,
    licences: Sequence[str],
    date: str,
) -> dict[str, Any]:
    """Describe a release of a corpus.

    Args:
        release: its files, tables and languages.
        schemas: columns of each table.
        summary: what it is, in a sentence.
        licences: addresses or names of those that it is under.
        date: on which it was made, as YYYY-MM-DD.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": re.sub(r"[^\w-]+", "-", release.name),
        "description": summary,
        "license": list(licences),
        "url": URL,
        "citeAs": f"{release.name}, {date}",
        "version": f"{release.format}.0.0",
        "datePublished": date,
        "inLanguage": release.languages,
        "distribution": [part for table in schemas for part in _list_files(release, table)],
        "recordSet": [_describe_table(release, name, schema) for name, schema in schemas.items()],
    }


def _list_files(release: Release, table: str) -> list[dict[str, Any]]:
    """The files of a table; where it has several, also the set of them, which fields name."""
    names = release.tables[table]
    files: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{release.files[name].bytes} B",
            "encodingFormat": PARQUET,
            "sha256": release.files[name].sha256,
        }
        for name in names
    ]
    if len(names) > 1:
        folder = names[0].rpartition("/")[0]
        files.append(
            {
                "@type": "cr:FileSet",
                "@id": f"{table}-files",
                "name": f"{table}-files",
                "encodingFormat": PARQUET,
                "includes": f"{folder}/*.parquet",
            }
        )
    return files


def _describe_table(release: Release, table: str, schema: pa.Schema) -> dict[str, Any]:
    shown = "the pictures" if table == PICTURES else f"the rows in {table}"
    names = release.tables[table]
    several = {"fileSet": {"@id": f"{table}-files"}}
    place = several if len(names) > 1 else {"fileObject": {"@id": names[0]}}
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": f"{shown}, of the split {release.split}",
        "field": [_describe_field(f"{table}/{field.name}", field, place) for field in schema],
    }


def _describe_field(name: str, field: pa.Field, place: dict[str, Any]) -> dict[str, Any]:
    source = {**place, "extract": {"column": field.name}}
    kind = field.type
    described: dict[str, Any] = {"@type": "cr:Field", "@id": name, "name": name.replace("/", "-")}
    if kind == SHOWN:
        picture = source | {"transform": {"jsonPath": "bytes"}}
        return {**described, "dataType": "sc:ImageObject", "source": picture}
    if pa.types.is_list(kind):
        described["repeated"] = True
        kind = kind.value_type
    if pa.types.is_struct(kind):
        parts = [kind.field(place) for place in range(kind.num_fields)]
        return {
            **described,
            "subField": [
                {
                    "@type": "cr:Field",
                    "@id": f"{name}/{part.name}",
                    "name": part.name,
                    "dataType": _find_type(part.type),
                    "source": source | {"transform": {"jsonPath": part.name}},
                }
                for part in parts
            ],
        }
    return {**described, "dataType": _find_type(kind), "source": source}


def _find_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "cr:Int64" if kind == pa.int64() else "cr:Int32"
    return "cr:Float64" if pa.types.is_floating(kind) else "sc:Text"
