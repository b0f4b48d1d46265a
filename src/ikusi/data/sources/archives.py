"""Tar archives as rows, in the layout of WebDataset, read on behind what is damaged."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from tarfile import HeaderError
from typing import Any, BinaryIO

from ikusi.data.sources.damage import BadLine, Row
from ikusi.data.sources.pictures import MAX_BYTES


def read_archive(stream: BinaryIO) -> Iterator[Row | BadLine]:
    """Read neighbouring files of one stem as a row, their endings as its columns.

    A file that is damaged may belong to the row before it or to the one behind: neither is whole,
    and neither is the last row of an archive that breaks off.

    Raises:
        Exception: as tarfile and the libraries below it raise for an archive that breaks off.
    """
    key, row, torn = "", Row(), False
    with _Tar.open(fileobj=stream, mode="r|*", ignore_zeros=True) as archive:
        try:
            for member in archive:
                folder, _, base = member.name.rpartition("/")
                stem, dot, column = base.partition(".")
                if not member.isfile() or not dot or not stem or stem.startswith("__"):
                    continue
                damaged, archive.damaged = archive.damaged, False
                if f"{folder}/{stem}" != key:
                    if row:
                        yield _whole(row, torn or damaged)
                    key, row, torn = f"{folder}/{stem}", Row(__key__=stem), False
                torn = torn or damaged
                file = archive.extractfile(member)
                row[column.lower()] = file.read(MAX_BYTES) if file else b""
            archive.expect_end()
        except Exception:
            if row:
                yield _whole(row, torn=True)
            raise
        if row:
            yield _whole(row, torn or archive.damaged)


def _whole(row: Row, torn: bool) -> Row | BadLine:
    if not torn:
        return row
    reason = "row: expected whole files in the archive, found a damaged one beside this row's"
    return BadLine(str(row["__key__"]), reason)


class _Member(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, tarfile: Any) -> Any:
        """Read the next header; one that is no header is noted, and then the next one is sought."""
        try:
            member = super().fromtarfile(tarfile)
        except HeaderError as error:
            kind = type(error).__name__
            tarfile.damaged = tarfile.damaged or kind == "InvalidHeaderError"
            tarfile.ended = tarfile.ended or kind == "EOFHeaderError"
            raise
        tarfile.ended = False  # archives may be joined, one behind the other
        return member


class _Tar(tarfile.TarFile):
    """An archive that is read on behind a damaged header, and knows that there was one."""

    tarinfo = _Member
    damaged = False
    ended = False  # a block of zeros stands behind the last member

    def expect_end(self) -> None:
        """Raise ReadError where an archive was cut between two members, or within a header."""
        if not self.ended:
            raise tarfile.ReadError("no mark of its end")
