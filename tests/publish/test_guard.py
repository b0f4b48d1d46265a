"""A release is searched for secrets before it leaves; of tables, the columns that Ikusi writes."""

from pathlib import Path

import pytest

from data_rows import picture
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.publish import data


def test_what_a_table_says_of_pictures_is_searched_and_what_rows_say_is_not(tmp_path: Path) -> None:
    token = "hf_" + "a" * 34
    for number, (source, said) in enumerate([("https://a.eu/1.png", token), (f"x {token}", "a")]):
        with CorpusWriter(tmp_path / f"rows-{number}", "caption", ["en"]) as writer:
            writer.add_image("p", picture(), "png", 8, 8, source)
            writer.add_row("r", "p", {"en": {"text": f"an API's key, {said}"}})
    data.publish_corpus(tmp_path / "rows-0", tmp_path / "said")
    with pytest.raises(InputError) as error:
        data.publish_corpus(tmp_path / "rows-1", tmp_path / "made")
    table = "images/train-00000-of-00001.parquet"
    told = "column source: expected nothing private, found a token of the hub"
    assert str(error.value) == f"{table}: {told}"
    assert not (tmp_path / "made").exists()
