"""The origin of an imported corpus, asked of tables that may be damaged."""

from pathlib import Path

import pytest

from ikusi.data.originals import has_changed_pictures
from ikusi.errors import InputError


@pytest.mark.parametrize("name", ["images-00000.parquet", "quarantine.parquet"])
def test_a_damaged_table_of_a_corpus_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"half")
    with pytest.raises(InputError, match=rf"{name}: expected a Parquet table, found: [^\n]+$"):
        has_changed_pictures(tmp_path, tmp_path)
