"""Nothing that is printed is obeyed by a terminal, whichever command prints it."""

import ast
import io
import json
import logging
import re
import warnings
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from data.sources.hub import lines
from ikusi import cli, terminal
from ikusi.data.corpus import Corpus, CorpusWriter

SOURCE = Path(terminal.__file__).parent
HOSTILE = "a\x1b[2J\x07b\x9b1mc\u202ed\u2066e\rf"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """Exit code of a command, and all that it printed."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    shown = capsys.readouterr()
    return end.value.code, shown.out + shown.err


@pytest.mark.slow
def test_only_the_door_prints() -> None:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("print", "typer.echo", "typer.secho", "Console", "rich.print"):
                found.append(f"{path.name}: {ast.unparse(node)}")
    assert not found


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\r", "\x9b", "\u202e", "\u2066", "\ud800"])
def test_what_a_terminal_obeys_becomes_a_sign(sign: str) -> None:
    assert terminal.make_harmless(f"a{sign}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_line_ends_tabs_and_all_scripts_stay() -> None:
    text = "a\r\nb\tc · ñ · केला · ئۇيغۇر · 猫 · 👩\u200d🚀"
    assert terminal.make_harmless(text) == text.replace("\r\n", "\n")


COMMANDS = [
    ("data", "show", "{path}"),
    ("data", "import", "table", "--output", "out", "--path", "{path}", "row_type=caption"),
    ("data", "import", "{path}", "--output", "out"),
    ("recipe", "check", "{path}"),
    ("recipe", "show", "recipes/emoji-eu.yaml", "{path}=1"),
    ("recipe", "check", "recipes/emoji-eu.yaml", "name={path}"),
    ("language", "show", "{path}"),
    ("language", "check", "{path}"),
    ("language", "new", "{path}"),
    ("miniature", "bases", "--language", "{path}"),
    ("miniature", "build", "{path}"),
    ("study", "{path}"),
    ("train", "{path}", "--stage", "align", "--run", "{path}"),
    ("translate", "{path}", "--corpus", "c", "--output", "o"),
    ("evaluate", "{path}", "--benchmark", "{path}", "--language", "en"),
    ("tasks", "lm-eval", "--benchmark", "{path}", "--language", "en", "--output", "o"),
    ("compare", "{path}", "{path}"),
    ("report", "{path}", "--output", "o"),
    ("chat", "{path}", "--image", "{path}"),
    ("inspect", "{path}", "{path}"),
    ("export", "{path}", "--to", "llm", "--output", "o"),
    ("{path}",),
    ("study", "--{path}"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_no_error_about_a_hostile_name_is_obeyed(
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipes = Path(__file__).parents[1] / "recipes"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(recipes)
    code, shown = printed(capsys, *(word.replace("{path}", HOSTILE) for word in command))
    # The library that reads the command line writes some escape sequences out by itself.
    assert "a\N{REPLACEMENT CHARACTER}[2J" in shown or r"a\x1b[2J" in shown
    assert code in (2, 3)
    assert not OBEYED.search(shown)


def test_the_texts_of_a_corpus_are_not_obeyed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = lines(tmp_path / "rows.jsonl", [{"id": HOSTILE, "text": HOSTILE, "group": "[red]"}])
    arguments = ("--output", str(tmp_path / "corpus"), "--path", str(table), "row_type=caption")
    assert printed(capsys, "data", "import", "table", *arguments)[0] == 0
    code, shown = printed(capsys, "data", "show", str(tmp_path / "corpus"))
    assert code == 0 and "\N{REPLACEMENT CHARACTER}[2J" in shown and not OBEYED.search(shown)
    kept = Corpus.open(tmp_path / "corpus").row("en", 0)["text"]
    assert kept == HOSTILE, "the file keeps what was given"


def test_reasons_of_quarantined_rows_are_not_obeyed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [{"id": "good", "text": "a cat"}, {"id": "bad", "text": "x", "image": f"{HOSTILE}.jpg"}]
    table = lines(tmp_path / "rows.jsonl", rows)
    arguments = ("--output", str(tmp_path / "corpus"), "--path", str(table), "row_type=caption")
    code, shown = printed(capsys, "data", "import", "table", *arguments)
    assert code == 0 and "quarantined" in shown and not OBEYED.search(shown)


def test_a_console_takes_no_name_for_markup_and_obeys_nothing() -> None:
    file = io.StringIO()
    console = terminal.open_console(file=file, width=80, force_terminal=False)
    table = Table("[bold]head", box=None)
    table.add_row("[red]group[/red] :cat: " + HOSTILE)
    console.print(table)
    console.print("[link=x]y " + HOSTILE)
    console.print(Text(HOSTILE))
    shown = file.getvalue()
    assert not OBEYED.search(shown)
    for name in ("[bold]head", "[red]group[/red] :cat:", "[link=x]y"):
        assert name in shown


def test_logs_and_warnings_of_any_library_are_not_obeyed() -> None:
    factory, shown = logging.getLogRecordFactory(), io.StringIO()
    handler = logging.StreamHandler(shown)
    loggers = [logging.getLogger(name) for name in ("some.package", "py.warnings")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(False)
            terminal.guard_logs()
            loggers[0].warning("of %s", HOSTILE)
            warnings.warn(HOSTILE, stacklevel=1)
    finally:
        logging.captureWarnings(False)
        logging.setLogRecordFactory(factory)
        for logger in loggers:
            logger.removeHandler(handler)
    assert shown.getvalue().count("a\N{REPLACEMENT CHARACTER}[2J") == 2
    assert not OBEYED.search(shown.getvalue())


def test_a_traceback_is_not_obeyed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError(HOSTILE)

    monkeypatch.setattr("ikusi.recipe.make_json_schema", broken)
    code, shown = printed(capsys, "recipe", "schema")
    assert code == 1 and "Traceback" in shown and "ZeroDivisionError: a" in shown
    assert not OBEYED.search(shown)


def test_a_corpus_whose_own_file_is_hostile_is_refused_harmlessly(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with CorpusWriter(tmp_path / "corpus", "caption", ["en"]) as writer:
        writer.add_row("1", None, {"en": {"text": "a cat"}})
    about = json.loads((tmp_path / "corpus" / "corpus.json").read_text("utf-8"))
    about["languages"] = [f"../{HOSTILE}"]
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps(about), "utf-8")
    code, shown = printed(capsys, "data", "show", str(tmp_path / "corpus"))
    assert code == 3 and "languages: expected different codes" in shown and not OBEYED.search(shown)
