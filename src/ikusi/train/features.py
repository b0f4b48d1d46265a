"""Features of pictures by a frozen vision encoder: batch by batch, or stored on disk for all.

Features on disk are one array per corpus (`features.npy`) that training processes map into
memory, beside the ids of its rows (`image_ids.json`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ikusi import disk, jsonfile
from ikusi.errors import InputError
from ikusi.model.pixels import prepare
from ikusi.model.vision import compute_tower_features
from ikusi.train.batches import Picture
from ikusi.train.estimates import IMAGES_AT_ONCE

logger = logging.getLogger(__name__)

FEATURES, IMAGE_IDS, GROUPS = "features.npy", "image_ids.json", "groups_done"
_NOT_FINITE = "expected finite features of the encoder, found others"
SPARE = 0.05  # of the disk stays free


@torch.no_grad()
def encode_images(
    tower: Any, pixels: Tensor, layers: int | Sequence[int], strategy: str, *, bf16: bool
) -> Tensor:
    """Features [I, N, D] of `pixels` [I, 3, H, W] by a frozen encoder, some at a time.

    `layers`, `strategy`: as in `compute_tower_features`.
    """
    with torch.autocast(tower.device.type, torch.bfloat16, enabled=bf16):
        groups = [
            compute_tower_features(tower, group.to(tower.device, tower.dtype), layers, strategy)
            for group in pixels.split(IMAGES_AT_ONCE)
        ]
    return groups[0] if len(groups) == 1 else torch.cat(groups)


class StoredFeatures:
    """Features of corpora whose pictures were all encoded once.

    Args:
        folders: number of a corpus in the mixture -> the folder `store` wrote for it.
    """

    def __init__(self, folders: Mapping[int, Path]) -> None:
        self._folders = dict(folders)
        self._open: dict[int, tuple[np.ndarray, dict[str, int]]] = {}

    def __call__(self, pictures: Sequence[Picture]) -> Tensor:
        """Features [I, N, D] of these pictures, in their order."""
        rows = []
        for number, image_id in pictures:
            features, places = self._corpus(number)
            if image_id not in places:
                place = self._folders[number] / IMAGE_IDS
                raise InputError(f"{place}: expected picture {image_id}, found none")
            row = features[places[image_id]]
            if not np.isfinite(row).all():
                raise InputError(f"{self._folders[number]}: picture {image_id}: {_NOT_FINITE}")
            rows.append(row)
        return torch.from_numpy(np.stack(rows))

    def __getstate__(self) -> dict[str, Any]:
        return {"_folders": self._folders, "_open": {}}  # another process maps the file itself

    def _corpus(self, number: int) -> tuple[np.ndarray, dict[str, int]]:
        if number not in self._folders:
            raise InputError(
                f"corpus {number} of the mixture: expected stored features, found none"
            )
        if number not in self._open:
            folder = self._folders[number]
            ids = jsonfile.read(folder / IMAGE_IDS, list[str], "the names of stored features")
            places = {image_id: place for place, image_id in enumerate(ids)}
            array = _map_array(folder / FEATURES)
            if array is None or array.ndim != 3 or not len(array) == len(ids) == len(places):
                problem = f"expected features of {len(ids)} pictures, found them cut or damaged"
                raise InputError(f"{folder / FEATURES}: {problem}; delete {folder} and start again")
            self._open[number] = array, places
        return self._open[number]


def store(
    folder: Path,
    corpus: Any,
    tower: Any,
    image_processor: Any,
    *,
    layers: int | Sequence[int],
    strategy: str,
    bf16: bool,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Encode every picture of a corpus and store its features.

    They are fp16 where they are computed in bf16, else fp32. Logs first how much room that takes.
    A killed run goes on after the last pictures it has stored.

    Args:
        folder: to write to.
        corpus: whose pictures are encoded.
        tower: the frozen encoder.
        image_processor: its own preprocessing.
        layers: as in `compute_tower_features`.
        strategy: as in `compute_tower_features`.
        bf16: compute in bf16.
        workers: processes that read pictures ahead.
        progress: called with (pictures done, pictures in all).

    Raises:
        InputError: a picture cannot be opened, a feature is not finite, or the disk has too little
            room.
    """
    ids = list(dict.fromkeys(image_id for image_id in corpus.image_ids if image_id))
    pictures = _Pictures(corpus, image_processor, ids)
    if not ids:
        raise InputError(f"{corpus.folder}: expected pictures, found none")
    first = encode_images(tower, pictures[0], layers, strategy, bf16=bf16)
    shape, dtype = (len(ids), *first.shape[1:]), np.float16 if bf16 else np.float32
    _afford(folder, corpus, shape, dtype)
    disk.make_folder(folder)
    array, groups = _open_array(folder, shape, dtype)
    rest = range(groups, len(pictures))
    loader = DataLoader(pictures, batch_size=None, sampler=rest, num_workers=workers)
    for group, pixels in zip(rest, loader, strict=True):
        encoded = encode_images(tower, pixels, layers, strategy, bf16=bf16)
        start = group * IMAGES_AT_ONCE
        with np.errstate(over="ignore"):  # which the check below reports
            array[start : start + len(encoded)] = encoded.float().cpu().numpy()
        _check_finite(array, ids, start, start + len(encoded), corpus)
        array.flush()
        disk.write_text(folder / GROUPS, str(group + 1))
        if progress:
            progress(start + len(encoded), len(ids))
    disk.write_text(folder / IMAGE_IDS, json.dumps(ids))
    (folder / GROUPS).unlink(missing_ok=True)


def _check_finite(array: Any, ids: Sequence[str], start: int, stop: int, corpus: Any) -> None:
    """Refuse what was stored where the encoder, or the format it is stored in, made it none."""
    finite = np.isfinite(array[start:stop]).all(axis=(1, 2))
    if not finite.all():
        image_id = ids[start + int(finite.argmin())]
        raise InputError(f"{corpus.folder}: image {image_id}: {_NOT_FINITE}")


class _Pictures(Dataset[Tensor]):
    """A corpus's pictures in groups, as pixels [I, 3, H, W]."""

    def __init__(self, corpus: Any, image_processor: Any, ids: Sequence[str]) -> None:
        self._corpus, self._processor, self._ids = corpus, image_processor, ids

    def __len__(self) -> int:
        return -(-len(self._ids) // IMAGES_AT_ONCE)

    def __getitem__(self, group: int) -> Tensor:
        ids = self._ids[group * IMAGES_AT_ONCE : (group + 1) * IMAGES_AT_ONCE]
        images = [self._corpus.image(image_id) for image_id in ids]
        pixels: Tensor = prepare(self._processor, images)
        return pixels

    def __iter__(self) -> Iterator[Tensor]:
        return (self[group] for group in range(len(self)))


def _afford(folder: Path, corpus: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Log the size of the array; refuse where the disk has too little room."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    described = (
        f"{shape[0]:,} pictures x {shape[1]} x {shape[2]} x {np.dtype(dtype).itemsize} bytes"
    )
    logger.info("%s: features will take %s = %.2f GB", corpus.folder, described, size / 1e9)
    folder.parent.mkdir(parents=True, exist_ok=True)
    space = shutil.disk_usage(folder.parent)
    already = (folder / FEATURES).stat().st_size if (folder / FEATURES).exists() else 0
    if size - already > space.free - SPARE * space.total:
        raise InputError(
            f"{folder}: expected room for {size / 1e9:.2f} GB of features ({described}), "
            f"found {space.free / 1e9:.2f} GB free"
        )


def _map_array(path: Path, mode: Literal["r", "r+"] = "r") -> np.memmap | None:
    """An array on disk; None where it is absent, cut or damaged."""
    try:
        return np.lib.format.open_memmap(path, mode)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError):
        return None


def _open_array(folder: Path, shape: tuple[int, ...], dtype: Any) -> tuple[np.memmap, int]:
    """The array on disk, and how many groups of its rows are there already."""
    path, note = folder / FEATURES, folder / GROUPS
    groups = note.read_text(encoding="utf-8", errors="replace") if note.exists() else ""
    earlier = _map_array(path, "r+") if groups.isdecimal() else None
    fits = earlier is not None and (earlier.shape, earlier.dtype) == (shape, dtype)
    if earlier is not None and fits and int(groups) <= -(-len(earlier) // IMAGES_AT_ONCE):
        return earlier, int(groups)
    if path.exists() and note.exists():
        logger.warning("%s: damaged, made anew", path)
    array = np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # else a full disk would show as a crash on writing
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array, 0
