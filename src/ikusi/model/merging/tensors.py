"""Tensors in safetensors files, read and written a piece at a time: none is ever held whole.

The format (https://huggingface.co/docs/safetensors): 8 bytes with the length of the header, the
header as JSON, then the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import safetensors
import torch
from torch import Tensor

from ikusi import content
from ikusi.errors import InputError

PIECE = 2**22
"""Values that are computed on at once: 16 MiB of them in fp32."""

COPIED = 2**24  # bytes that are copied at once

FORMATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""Number formats that can be computed with, by their names in files."""

Piece = Iterator[Tensor]
"""The values of a tensor from first to last, in fp32, some at a time."""


class Stored(NamedTuple):
    """The place of a tensor in a file, its format and its shape.

    Attributes:
        file: that holds it.
        name: in that file.
        numbers: its number format, as files call it.
        shape: of it.
        begin: byte of the file at which it begins.
        size: bytes.
    """

    file: Path
    name: str
    numbers: str
    shape: tuple[int, ...]
    begin: int
    size: int

    @property
    def length(self) -> int:
        """Number of its values."""
        return prod(self.shape)


Three = tuple[Stored, Stored, Stored]
"""Tensors of the run, of what is added and of what is subtracted."""


def list_stored(folder: Path) -> dict[str, Stored]:
    """Every tensor of a checkpoint by its name, in the order of files and bytes.

    Raises:
        InputError: there is no safetensors file, one is cut or damaged, or two hold the same name.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder}: expected weights as *.safetensors, found none")
    stored: dict[str, Stored] = {}
    for file in files:
        for one in _read_header(file):
            if one.name in stored:
                other = stored[one.name].file.name
                raise InputError(f"{file}: expected new tensors, found {one.name} of {other} again")
            stored[one.name] = one
    return stored


def _read_header(file: Path) -> list[Stored]:
    content.expect_plain(file)
    try:
        with safetensors.safe_open(file, "pt"):
            pass  # it checks that header and size fit together, without gaps
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{file}: expected a safetensors file, found: {error}") from error
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    held = [
        Stored(
            file,
            name,
            about["dtype"],
            tuple(about["shape"]),
            8 + length + about["data_offsets"][0],
            about["data_offsets"][1] - about["data_offsets"][0],
        )
        for name, about in header.items()
    ]
    return sorted(held, key=lambda one: one.begin)


def read_pieces(stored: Stored, count: int | None = None) -> Piece:
    """Its first `count` values, or all, in fp32."""
    numbers, left = FORMATS[stored.numbers], stored.length if count is None else count
    with stored.file.open("rb") as opened:
        opened.seek(stored.begin)
        while left:
            now = min(left, PIECE)
            read = bytearray(opened.read(now * numbers.itemsize))
            yield torch.frombuffer(read, dtype=numbers).float()
            left -= now


def write_changed(
    source: Path,
    target: Path,
    held: Sequence[Stored],
    changed: Mapping[str, Callable[[], Piece]],
) -> Iterator[int]:
    """Write a file anew with other values in some tensors; yields the bytes as they are written.

    Args:
        held: its tensors in their order, as `list_stored` gives them.
        changed: name -> what gives the first values of a tensor, those after them stay.

    Raises:
        InputError: a new value is not finite in the tensor's number format.
    """
    with source.open("rb") as before, target.open("wb") as after:
        after.write(before.read(held[0].begin if held else -1))
        for one in held:
            written = 0
            for piece in changed[one.name]() if one.name in changed else ():
                made = _convert(piece, one)
                after.write(made)
                written += len(made)
                yield len(made)
            before.seek(one.begin + written)
            while written < one.size:
                read = before.read(min(COPIED, one.size - written))
                after.write(read)
                written += len(read)
                yield len(read)


def _convert(piece: Tensor, stored: Stored) -> bytes:
    """Values in the number format of a tensor, as bytes."""
    made = piece.to(FORMATS[stored.numbers])
    if not bool(made.isfinite().all()):
        raise InputError(
            f"{stored.name}: expected finite weights, found a sum that {stored.numbers} cannot hold"
        )
    return made.view(torch.uint8).numpy().tobytes()
