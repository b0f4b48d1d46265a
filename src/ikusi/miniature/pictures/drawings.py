"""Render every style's drawing of every concept, once, into the cache."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ikusi import disk
from ikusi.artifact import fingerprint
from ikusi.miniature.packages import Progress, cache_folder, read_members
from ikusi.miniature.packages import read_catalogue as packages
from ikusi.miniature.words.cldr import load_locale
from ikusi.miniature.words.concepts import Concept, load_concepts, to_code_points

log = logging.getLogger(__name__)

PIXELS = 128
FAMILIES = {  # styles drawn by the same hands are one family, withheld together
    "noto": "noto",
    "noto-v1": "noto",
    "twemoji": "twemoji",
    "emojione": "emojione",
    "fxemoji": "fxemoji",
    "fluent-flat": "fluent",
    "fluent-3d": "fluent",
    "openmoji": "openmoji",
    "emojione-v1": "emojione",
    "emojione-monotone": "emojione",
    "fluent-high-contrast": "fluent",
    "streamline": "streamline",
    "game-icons": "game-icons",
    "mdi": "mdi",
    "icon-park": "icon-park",
}
ICON_SETS = {
    "noto": "@iconify-json/noto",
    "noto-v1": "@iconify-json/noto-v1",
    "twemoji": "@iconify-json/twemoji",
    "emojione": "@iconify-json/emojione",
    "fxemoji": "@iconify-json/fxemoji",
    "fluent-flat": "@iconify-json/fluent-emoji-flat",
}
FURTHER_SETS = {  # in no study; the encoder alone learns from them
    "emojione-v1": "@iconify-json/emojione-v1",
    "emojione-monotone": "@iconify-json/emojione-monotone",
    "fluent-high-contrast": "@iconify-json/fluent-emoji-high-contrast",
    "streamline": "@iconify-json/streamline-emojis",
    "game-icons": "@iconify-json/game-icons",
    "mdi": "@iconify-json/mdi",
    "icon-park": "@iconify-json/icon-park",
}
INK = "#888888"  # of what is drawn in one colour


class Drawings(Mapping[tuple[str, str], np.ndarray]):
    """(concept id, style) -> RGBA [128, 128, 4] uint8; decoded when first asked for."""

    def __init__(self, encoded: Mapping[tuple[str, str], bytes]) -> None:
        self._encoded = encoded
        self._decoded: dict[tuple[str, str], np.ndarray] = {}

    def __getitem__(self, key: tuple[str, str]) -> np.ndarray:
        if key not in self._decoded:
            self._decoded[key] = np.asarray(Image.open(io.BytesIO(self._encoded[key])))
        return self._decoded[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)


@dataclass(frozen=True)
class Source:
    """The source of one drawing: vector text or an encoded raster."""

    concept: str
    style: str
    svg: str | None = None
    raster: bytes | None = None


def load_drawings(progress: Progress | None = None) -> Drawings:
    """All drawings of the catalogue; rendered on first use, then read from the cache.

    Other packages or other concepts are another cache.
    """
    return _read_or_render("drawings", _sources, progress)


def load_further_drawings(progress: Progress | None = None) -> Drawings:
    """Drawings of the catalogue's concepts in other icon sets, found by code point or by name."""
    return _read_or_render("further", _further_sources, progress)


def _read_or_render(
    name: str, sources: Callable[[], Iterator[Source]], progress: Progress | None
) -> Drawings:
    key = fingerprint(PIXELS, INK, packages(), [concept.id for concept in load_concepts()])
    path = cache_folder() / f"{name}-{key}.parquet"
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):  # not there, or damaged
        _render_all(sources(), path, progress)
        table = pq.read_table(path)
    columns = [column.to_pylist() for column in table.columns]
    return Drawings({(concept, style): data for concept, style, data in zip(*columns, strict=True)})


def _render_all(drawings: Iterator[Source], path: Path, progress: Progress | None) -> None:
    sources = sorted(drawings, key=lambda source: (source.concept, source.style))
    rows = []
    for done, source in enumerate(sources):
        if progress and done % 50 == 0:
            progress(done, len(sources), "rendering drawings")
        rows.append((source.concept, source.style, _png(_render(source))))
    concepts, styles, data = zip(*rows, strict=True)
    table = pa.table({"concept": concepts, "style": styles, "png": data})
    with disk.replace_file(path) as aside:
        pq.write_table(table, aside)
    log.info("rendered %d drawings to %s", len(rows), path)


def _sources() -> Iterator[Source]:
    concepts = load_concepts()
    yield from _openmoji(concepts)
    yield from _fluent_3d(concepts)
    names = _icon_names()
    for style, package in ICON_SETS.items():
        yield from _iconify(concepts, style, package, names)


def _further_sources() -> Iterator[Source]:
    words = load_locale("en")
    names = {
        concept.id: re.sub(r"\W+", "-", concept.name(words).lower().replace("’", ""))
        for concept in load_concepts()
    }
    for style, package in FURTHER_SETS.items():
        yield from _iconify(load_concepts(), style, package, names | _icon_names())


def _openmoji(concepts: tuple[Concept, ...]) -> Iterator[Source]:
    ids = {concept.id for concept in concepts}
    for path, data in read_members("openmoji", lambda path: path.startswith("color/svg/")):
        points = to_code_points(path.rpartition("/")[2].removesuffix(".svg"))
        if points in ids:
            yield Source(points, "openmoji", svg=data.decode())


def _fluent_3d(concepts: tuple[Concept, ...]) -> Iterator[Source]:
    ids = {concept.id for concept in concepts}
    for path, data in read_members("@lobehub/fluent-emoji-3d", lambda path: path.endswith(".webp")):
        points = to_code_points(path.rpartition("/")[2].removesuffix(".webp"))
        if points in ids:
            yield Source(points, "fluent-3d", raster=data)


def _icon_names() -> dict[str, str]:
    """Code points -> Noto's icon name, which the sets without a table of their own share."""
    return {to_code_points(points): name for points, name in _characters("noto").items()}


def _characters(style: str) -> dict[str, str]:
    """Characters -> icon names, as the icon set says; empty for sets of no font."""
    package = (ICON_SETS | FURTHER_SETS)[style]
    ((_, data),) = read_members(package, "chars.json".__eq__)
    return dict(json.loads(data))


def _iconify(
    concepts: tuple[Concept, ...], style: str, package: str, names: dict[str, str]
) -> Iterator[Source]:
    ((_, data),) = read_members(package, "icons.json".__eq__)
    icons = json.loads(data)
    by_name = {name.replace("-", ""): icon for name, icon in icons["icons"].items()}
    own = {to_code_points(points): name for points, name in _characters(style).items()}
    own = names | {points: name for points, name in own.items() if name.replace("-", "") in by_name}
    for concept in concepts:
        icon = by_name.get(own.get(concept.id, "").replace("-", ""))
        if icon:
            width = icon.get("width", icons.get("width", 16))
            height = icon.get("height", icons.get("height", 16))
            box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
            body = icon["body"].replace("currentColor", INK)
            head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"'
            link = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
            yield Source(concept.id, style, svg=f"{head} {link}>{body}</svg>")


def _render(source: Source) -> Image.Image:
    if source.svg is not None:
        import resvg_py

        data = bytes(resvg_py.svg_to_bytes(svg_string=source.svg, width=PIXELS, height=PIXELS))
    else:
        assert source.raster is not None
        data = source.raster
    return make_square(data)


def make_square(data: bytes) -> Image.Image:
    """An encoded picture without its empty borders, as large as fits, on 128 x 128 in RGBA."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    box = image.getbbox()
    return _square(image.crop(box) if box else image)


def _square(image: Image.Image) -> Image.Image:
    """Fit a cropped drawing into the square, centred, proportions kept."""
    scale = PIXELS / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    fitted = image.resize(size, Image.Resampling.LANCZOS)  # type: ignore[arg-type]
    canvas = Image.new("RGBA", (PIXELS, PIXELS))
    canvas.paste(fitted, ((PIXELS - size[0]) // 2, (PIXELS - size[1]) // 2))
    return canvas


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
