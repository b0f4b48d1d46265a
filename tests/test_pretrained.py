"""Models that others have trained are opened without running their code or waiting for a pipe."""

import ast
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from ikusi import packaged, pretrained
from ikusi.answer.engines.here import open_local
from ikusi.errors import InputError
from ikusi.model import parts

SOURCE = Path(pretrained.__file__).parent


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Path]:
    """A model that asks to run a file of its own, which would leave a trace."""
    folder = shutil.copytree(packaged.BASES / "llama-en", tmp_path / "mine")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["model_type"] = "mine"
    config["auto_map"] = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    trace = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    yield folder
    assert not trace.exists()


@pytest.mark.parametrize("kind", [AutoConfig, AutoModelForCausalLM])
def test_code_of_a_checkpoint_is_refused_in_one_line_and_not_asked_about(
    checkpoint: Path, kind: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    with pytest.raises(InputError, match=r"found one that asks to run code of its own$"):
        pretrained.load(kind, checkpoint)


def test_rooms_that_open_models_refuse_it_too(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    for opened in (parts.load_language_model, open_local):
        with pytest.raises(InputError, match="code of its own"):
            opened(checkpoint)


@pytest.mark.slow
def test_every_call_says_that_no_code_is_run() -> None:
    silent = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""
            words = {word.arg: word.value for word in getattr(node, "keywords", [])}
            said = words.get("trust_remote_code")
            says = isinstance(said, ast.Constant) and said.value is False
            opens = name in ("from_pretrained", "from_config", "TransformersConverter")
            elsewhere = name == "from_pretrained" and path.name != "pretrained.py"
            if elsewhere or ((opens or said) and not says):
                silent.append(f"{path.name}: {ast.unparse(node)}")
    assert not silent


def test_a_pipe_in_a_checkpoint_is_refused_at_once(tmp_path: Path) -> None:
    folder = shutil.copytree(packaged.BASES / "llama-en", tmp_path / "model")
    (folder / "tokenizer_config.json").unlink()
    os.mkfifo(folder / "tokenizer_config.json")
    with pytest.raises(InputError, match=r"tokenizer_config.json: expected a file or folder"):
        pretrained.load(AutoTokenizer, folder)
