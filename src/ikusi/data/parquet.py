"""Parquet tables, read so that a damaged one is an error of one line: file, column, what is
wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ikusi.errors import InputError

CHECKSUMS: dict[str, Any] = {"write_page_checksum": True}
"""For `ParquetWriter`: with them, a byte that changes on a disk is seen when its page is read."""
BYTES_IN_GROUP = 4 * 2**20  # of pictures: reading one reads its whole row group


@contextmanager
def guard_reading(path: Path, expected: str = "a Parquet table") -> Iterator[None]:
    """Turn what pyarrow raises at a file that is missing, cut or damaged into InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: expected {expected}, found no such file") from None
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: expected {expected}, found: {reason[:200]}") from error


def open_table(
    path: Path, schema: pa.Schema, optional: Collection[str] = (), *, mapped: bool = True
) -> pq.ParquetFile:
    """Open a table and check that it has the columns of `schema`, of fitting types.

    `mapped` files are fast where rows are looked up. What is read through once is better read into
    memory that is free again afterwards.

    Raises:
        InputError: it is no Parquet, lacks a column that is not `optional`, or a column holds
            another kind of value.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a table, found no such file")
    with guard_reading(path):
        file = pq.ParquetFile(path, memory_map=mapped, page_checksum_verification=True)
        own_schema = file.schema_arrow
    for field in schema:
        places = own_schema.get_all_field_indices(field.name)
        if not places and field.name in optional:
            continue
        if len(places) != 1:
            actual = "it twice" if places else "none"
            raise InputError(f"{path}: expected a column {field.name}, found {actual}")
        own = own_schema.field(places[0]).type
        if not fits(own, field.type) and not (pa.types.is_null(own) and field.name in optional):
            raise InputError(f"{path}: column {field.name}: expected {field.type}, found {own}")
    return file


def fits(actual: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type are of the same kind as those of another, of whatever width.

    >>> fits(pa.large_string(), pa.string()), fits(pa.int64(), pa.int32())
    (True, True)
    >>> fits(pa.bool_(), pa.int32()), fits(pa.float64(), pa.int32())
    (False, False)
    """
    is_ = pa.types
    if is_.is_dictionary(actual):
        actual = actual.value_type
    if is_.is_list(wanted):
        listed = (is_.is_list, is_.is_large_list, is_.is_fixed_size_list)
        return any(kind(actual) for kind in listed) and fits(actual.value_type, wanted.value_type)
    if is_.is_struct(wanted):
        return is_.is_struct(actual) and _same_fields(actual, wanted)
    if is_.is_string(wanted):
        return any(
            kind(actual) for kind in (is_.is_string, is_.is_large_string, is_.is_string_view)
        )
    if is_.is_binary(wanted):
        return any(
            kind(actual) for kind in (is_.is_binary, is_.is_large_binary, is_.is_binary_view)
        )
    if is_.is_integer(wanted):
        return bool(is_.is_integer(actual))
    if is_.is_floating(wanted):
        return bool(is_.is_floating(actual) or is_.is_integer(actual))
    return bool(actual == wanted)


def _same_fields(actual: pa.StructType, wanted: pa.StructType) -> bool:
    names = [
        [kind.field(place).name for place in range(kind.num_fields)] for kind in (actual, wanted)
    ]
    return sorted(names[0]) == sorted(names[1]) and all(
        fits(actual.field(name).type, wanted.field(name).type) for name in names[1]
    )


def select_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table's columns that `schema` names, in the table's order, with the schema's types.

    Raises:
        pyarrow.ArrowInvalid: a text is no UTF-8, or a value does not fit into its type.
    """
    table.validate(full=True)
    wanted = pa.schema([schema.field(name) for name in table.column_names if name in schema.names])
    if table.schema.equals(wanted):
        return table
    return table.select(wanted.names).cast(wanted)


def complete_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows with all columns of a schema, in its order; what is absent is null."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


class TableWriter:
    """A Parquet file written row group by row group, made when the first row comes."""

    def __init__(self, path: Path, schema: pa.Schema, rows_in_group: int) -> None:
        self.path, self.schema, self.rows_in_group = path, schema, rows_in_group
        self.written = 0
        self._held: list[dict[str, Any]] = []
        self._held_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        path.unlink(missing_ok=True)  # an earlier attempt's

    def add(self, row: dict[str, Any], size: int = 0) -> None:
        """Add a row; `size` is that of the pictures in it, in bytes."""
        self._held.append(row)
        self._held_bytes += size
        self.written += 1
        if len(self._held) >= self.rows_in_group or self._held_bytes >= BYTES_IN_GROUP:
            self._flush()

    def write(self, rows: pa.Table) -> None:
        """Rows of other tables, a row group at once."""
        if self._held:
            self._flush()
        if len(rows):
            self.written += len(rows)
            self._write(complete_columns(rows, self.schema))

    def close(self, always: bool = False) -> None:
        """Write what is held; `always` a file, even of no rows."""
        if self._held or (always and self._writer is None):
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        self._write(pa.Table.from_pylist(self._held, schema=self.schema))
        self._held, self._held_bytes = [], 0

    def _write(self, rows: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, self.schema, compression="zstd", **CHECKSUMS)
        self._writer.write_table(rows)
