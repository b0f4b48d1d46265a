"""The command as somebody starts it; how it ends stands in `test_stopping.py`."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import tiny_llava as tiny
from ikusi import cli
from ikusi.model import fusion


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, engine = tmp_path_factory.mktemp("models") / "llava", tiny.engine()
    fusion.save(engine.model, engine.processor, folder)
    return folder


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "0.0.0.0"], "--host: expected none with a conversation in the terminal"),
        (["--web", "--question", "what ?"], "--question: expected none with --web, found what ?"),
        (["--engine", "server"], "expected --engine server and --url together"),
        (["--url", "http://127.0.0.1:1/v1"], "expected --engine server and --url together"),
        (["--engine", "local", "vllm"], "--engine: expected one, or one of each model, found 2"),
        (["--engine", "lokal"], "--engine: expected one of local, server, vllm, found lokal"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    checkpoint: Path, words: Sequence[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["chat", str(checkpoint), *words])
    assert end.value.code == 3 and told in capsys.readouterr().err
