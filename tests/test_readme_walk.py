"""The README's walk from a user's own pictures to a user's own model, with its own commands."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from ikusi import cli
from ikusi.data.corpus import Corpus
from test_readme import ROOT, shell_commands
from translate.apertium import needs

README = ROOT / "README.md"


def write_photos(folder: Path) -> None:
    """The two tables that the README shows, each beside the picture that its row names."""
    text = README.read_text(encoding="utf-8")
    for path, row in re.findall(r"^(photos/\S+\.jsonl) +({.*})$", text, re.MULTILINE):
        table = folder / path
        (table.parent / "images").mkdir(parents=True, exist_ok=True)
        table.write_text(row + "\n", encoding="utf-8")
        Image.new("RGB", (64, 48), "green").save(table.parent / "images" / json.loads(row)["image"])


def write_recipe(folder: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "photos.yaml").write_text(blocks[0], encoding="utf-8")


def run(*words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["ikusi", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert not end.value.code


@pytest.mark.system
@pytest.mark.slow
@needs("en-gl")
def test_own_pictures_become_what_a_study_can_start_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    write_photos(tmp_path)
    write_recipe(tmp_path)
    walk = [words[1:] for words in shell_commands(README) if words[0] == "ikusi"]
    for words in walk:
        if words[0] in ("data", "translate"):
            run(*words)
    assert ["study", "photos.yaml", "rehearse=true"] in walk
    run("recipe", "check", "photos.yaml", "rehearse=true")
    assert "1 runs: llama-gl080" in capsys.readouterr().out
    for words, option in zip(walk[-2:], ("--image", "--web"), strict=True):
        assert words[1:3] == ["studies/photos/instruct/llama-gl080", option]
    for name in ("captions-gl", "questions-gl"):
        assert Corpus.open(tmp_path / "corpora" / name).languages == ["en", "gl"]
