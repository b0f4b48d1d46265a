"""A release of a translated corpus holds the prompt that asked for it, if it is still the same."""

import shutil
from pathlib import Path

import pytest
import yaml

from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.publish import data, origins, prompts
from ikusi.translate import prompt, run, settings
from translate.servers import MODEL, Faulty

RECIPE = """
name: by-server
language: eu
engine: {{kind: chat, url: {url}, model: {model}, prompt: {prompt}}}
checks: {{language: off, copied: off}}
"""


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that a server translated by a prompt of somebody's own, which lies beside it."""
    root = tmp_path_factory.mktemp("translated")
    own = prompt.PACKAGED / "any" / "caption.yaml"
    text = own.read_text(encoding="utf-8").replace("extends: any", f"extends: {own.parent}/any")
    (root / "own.yaml").write_text(text, encoding="utf-8")
    with CorpusWriter(root / "given", "caption", ["en"]) as writer:
        writer.add_row("one", None, {"en": {"text": "a dog in the rain"}})
    with Faulty().started() as server:
        told = RECIPE.format(url=server.url, model=MODEL, prompt=root / "own.yaml")
        (root / "recipe.yaml").write_text(told, encoding="utf-8")
        run.translate(settings.load(root / "recipe.yaml"), root / "given", root / "corpus")
    return root


def test_the_prompt_goes_along_whole_and_asks_the_same(
    translated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(translated)
    data.publish_corpus(translated / "corpus", tmp_path / "made")
    copied = tmp_path / "made" / "prompts" / "eu-own.yaml"
    assert prompt.load(str(copied), "eu") == prompt.load(str(translated / "own.yaml"), "eu")
    assert "extends" not in yaml.safe_load(copied.read_text(encoding="utf-8"))
    assert Corpus.open(translated / "corpus").row("eu", 0)["text"] == "A DOG IN THE RAIN"


def test_a_prompt_that_has_changed_or_is_gone_is_left_out(
    translated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = origins.trace(translated / "corpus")
    shutil.copy(translated / "own.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert prompts.copy_prompts([*made, *made], tmp_path / "same") == ["prompts/eu-own.yaml"]
    with (tmp_path / "own.yaml").open("a", encoding="utf-8") as file:
        file.write("system: Translate.\n")
    assert prompts.copy_prompts(made, tmp_path / "other") == []
    (tmp_path / "own.yaml").unlink()
    assert prompts.copy_prompts(made, tmp_path / "other") == []
    assert not (tmp_path / "other").exists()


def test_only_a_translation_by_a_prompt_has_one(translated: Path, tmp_path: Path) -> None:
    (made,) = origins.trace(translated / "corpus")
    others = [{**made, "kind": origins.IMPORT}, {**made, "settings": {"engine": {"kind": "x"}}}]
    assert prompts.copy_prompts(others, tmp_path) == []
