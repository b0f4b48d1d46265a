"""Pictures that are asked about and trained on."""

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_rows import coloured, picture
from ikusi import artifact, cli, recipe
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.errors import InputError
from ikusi.evaluate import overlap

ROOT = Path(__file__).parents[2]


def opened(folder: Path, row_type: str, *colours: str | None) -> Corpus:
    return Corpus.open(coloured(folder, row_type, colours))


def test_pictures_are_told_by_their_bytes_each_once(tmp_path: Path) -> None:
    asked = opened(tmp_path / "asked", "vqa", "red", None, "blue", "green", "blue", "red")
    other = opened(tmp_path / "other", "instruction", "white", None)
    train = opened(tmp_path / "train", "instruction", "green", "blue", "green")
    text = opened(tmp_path / "text", "instruction", None, None)
    found = overlap.find(asked, [other, train, text])
    assert found == (3, 2, (train.folder,), "asked-blue")
    both = overlap.find(asked, [train, opened(tmp_path / "more", "instruction", "blue", "red")])
    assert both == (3, 3, (train.folder, tmp_path / "more"), "asked-red")
    assert overlap.find(asked, [other, text]) == (3, 0, (), "")
    assert overlap.find(text, [train]) == (0, 0, (), "")


def test_only_rows_that_are_asked_count(tmp_path: Path) -> None:
    asked = opened(tmp_path / "asked", "vqa", "red", None, "blue")
    train = opened(tmp_path / "train", "instruction", "blue")
    assert overlap.find(asked, [train], limit=2) == (1, 0, (), "")
    assert overlap.find(asked, [train], limit=3).seen == 1


def test_a_picture_that_no_row_shows_is_not_trained_on(tmp_path: Path) -> None:
    asked = opened(tmp_path / "asked", "vqa", "red")
    with CorpusWriter(tmp_path / "train", "instruction", ["en"]) as writer:
        writer.add_image("left over", picture("red"), "PNG", 8, 8, "test")
    assert not overlap.find(asked, [Corpus.open(tmp_path / "train")]).seen


def study(folder: Path) -> Path:
    """A study's folder with a run that has no checkpoint, trained on red and blue."""
    train = coloured(folder.parent / "train", "instruction", ["red", "blue"])
    text = coloured(folder.parent / "text", "instruction", [None])
    changes = [f"stages.{stage}.corpus={train}" for stage in ("align", "instruct")]
    loaded = recipe.load(ROOT / "recipes/emoji-eu.yaml", [*changes, f"text_only.corpus={text}"])
    for stage in ("instruct/english-eu020", "align/english"):
        (folder / stage).mkdir(parents=True)
    artifact.write_text(folder / "recipe.yaml", recipe.show(loaded))
    return folder


def warnings(run: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    asked = coloured(run.parents[2] / "asked", "vqa", ["red", "green"])
    command = ["evaluate", str(run), "--benchmark", "vqav2", "--language", "en"]
    command += ["--corpus", f"vqav2={asked}", "--output", str(run.parents[2] / "measured")]
    with caplog.at_level(logging.WARNING, logger="ikusi.cli"):
        done = CliRunner().invoke(cli.app, command)
    assert isinstance(done.exception, InputError), "there is no model"
    return [record.getMessage() for record in caplog.records if record.name == "ikusi.cli.evaluate"]


def test_measuring_a_run_on_pictures_it_was_trained_on_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = study(tmp_path / "study") / "instruct" / "english-eu020"
    assert warnings(run, caplog) == [
        f"vqav2: 1 of 2 pictures were trained on, such as asked-red in {tmp_path / 'asked'}"
    ]
    assert not warnings(tmp_path / "study" / "align" / "english", caplog), "only captions so far"
    (tmp_path / "train").rename(tmp_path / "elsewhere")
    (line,) = warnings(run, caplog)
    assert line.startswith(f"whether {run} was trained on these pictures is not known: ")
