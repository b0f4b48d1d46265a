"""Tiny data sets in the exact layouts and schemas of the hub's, nasty rows included."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from ikusi.data import sources
from ikusi.data.sources.base import BadRow, Item, LeftOut, SourceRow
from ikusi.data.sources.tables import Origin

TEXT = Value("string")


def jpeg(shade: int = 0, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (side, side), (shade, 255 - shade, 7)).save(buffer, "JPEG")
    return buffer.getvalue()


def cell(data: bytes | None) -> dict[str, Any]:
    return {"bytes": data, "path": None}


def parquet(path: Path, rows: Sequence[Mapping[str, Any]], features: Mapping[str, Any]) -> Path:
    """A Parquet file as `push_to_hub` writes it: features in its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(list(rows), features=Features(dict(features))).to_parquet(path)
    return path


def card(folder: Path, configs: Mapping[str, Mapping[str, str]]) -> None:
    """A data set's card that declares configurations: name -> split -> pattern."""
    lines = ["---", "configs:"]
    for name, splits in configs.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {files}" for split, files in splits.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


def tar(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            file.addfile(about, io.BytesIO(data))
    return path


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def written(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def lines(path: Path, values: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def read(source: str, path: Path | None, split: str | None = None, **options: Any) -> list[Item]:
    found = sources.load(source)
    return list(found.read(Origin(path, split), found.options(**options)))


def good(items: list[Item]) -> list[SourceRow]:
    return [item for item in items if isinstance(item, SourceRow)]


def bad(items: list[Item]) -> dict[str, str]:
    return {item.id: item.reason for item in items if isinstance(item, BadRow)}


def left_out(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, LeftOut)]


IMAGE = Image()
