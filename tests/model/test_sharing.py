"""Others may read a checkpoint, and learn nothing private from it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikusi.model import fusion
from model.families import tokenizer
from model.pairs import llm, tower


@pytest.fixture
def group_may_read() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_checkpoint_has_the_rights_that_the_umask_gives(
    group_may_read: None, tmp_path: Path
) -> None:
    fusion.save(llm(), tokenizer("plain"), tmp_path / "llm")
    rights = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "llm").iterdir()}
    assert "model.safetensors" in rights and set(rights.values()) == {0o640}


def test_a_checkpoint_says_nothing_of_where_its_parts_were(tmp_path: Path) -> None:
    tower().save_pretrained(tmp_path / "vision")
    fusion.save(llm(), tokenizer("plain"), tmp_path / "llm")
    model, processor = fusion.assemble(tmp_path / "vision", tmp_path / "llm")
    fusion.save(model, processor, tmp_path / "out")
    for path in (tmp_path / "out").glob("*.json"):
        assert str(tmp_path) not in path.read_text(), path.name
