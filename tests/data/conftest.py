"""A corpus of questions and answers, written by the real writer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data_rows import instruction, picture
from ikusi.data.corpus import Corpus, CorpusWriter


@pytest.fixture
def instructions(tmp_path: Path) -> Callable[[int], Corpus]:
    def make(rows: int, name: str = "instructions", pictures: bool = True) -> Corpus:
        with CorpusWriter(tmp_path / name, "instruction", ["eu", "en"]) as writer:
            for number in range(rows):
                image_id = f"image-{number // 2}" if pictures else None
                if image_id and number % 2 == 0:
                    writer.add_image(image_id, picture(), "png", 8, 8, "made here")
                writer.add_row(f"row-{number}", image_id, instruction(number), task="count")
        return Corpus.open(tmp_path / name)

    return make
