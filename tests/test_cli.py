import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from ikusi import cli, language, recipe, study
from ikusi.errors import InputError
from ikusi.recipe.folder import StudyFolder
from ikusi.study import layout

ROOT = Path(__file__).parents[1]
RECIPE = str(ROOT / "recipes/emoji-eu.yaml")

# The whole command line. A new knob belongs into a recipe; think twice before adding one here.
COMMANDS = {
    "translate": [
        *["recipe", "--corpus", "--output", "overrides", "--limit", "--rank", "--world"],
        *["--retry", "--dry-run", "--show-prompt", "--report"],
    ],
    "data list": [],
    "data import": [
        *["source", "--output", "options", "--path", "--split", "--limit", "--sample", "--seed"],
        *["--on-mismatch", "--retry-dead", "--drop-repeated", "--use-proxy"],
    ],
    "data show": ["corpus", "--count", "--seed", "--flagged", "--html"],
    "merge": [
        *["run", "--plus", "--minus", "--output", "--weight", "--method", "--density", "--part"],
    ],
    "judgements import": ["file", "--output", "given", "--format"],
    "judgements export": ["table", "--output", "--format"],
    "judgements report": ["table", "--output"],
    "annotate serve": ["project", "--host", "--port", "--consent", "--name"],
    "annotate export": ["project", "--output", "--third-opinions"],
    "annotate plan validate": [
        *["corpus", "--language", "--output", "--annotators", "--shared", "--own", "--all"],
        *["--flagged", "--margin", "--seed", "--dry-run"],
    ],
    "annotate plan compare": [
        *["runs", "--benchmark", "--language", "--output", "--annotators", "--shared", "--own"],
        *["--corpus", "--difference", "--seed", "--dry-run"],
    ],
    "annotate apply": ["project", "--output", "--corpus", "--only-judged"],
    "annotate simulate": ["project", "--agreement", "--seed"],
    "annotate plan select": [
        *["corpus", "--language", "--output", "--annotators", "--shared", "--seed", "--dry-run"],
    ],
    "annotate plan own": [
        *["--language", "--output", "--annotators", "--own", "--rows", "--benchmark"],
        *["--held-out", "--seed", "--dry-run"],
    ],
    "study": ["recipe", "overrides", "--studies", "--workers", "--status", "--redo"],
    "train": ["recipe", "--stage", "--run", "overrides", "--studies", "--nproc"],
    "inspect": [
        *["checkpoint", "corpus", "--language", "--count", "--id", "--html", "--max-length"],
    ],
    "evaluate": [
        *["model", "--benchmark", "--language", "--data", "--corpus", "--output", "--engine"],
        *["--url", "--batch-size", "--dtype", "--limit", "--bootstrap"],
    ],
    "plan": [
        *["recipe", "overrides", "--gpu", "--gpus", "--machine", "--measure", "--price"],
        *["--translate", "--judge", "--price-read", "--price-written", "--rows", "--studies"],
        *["--json", "--html"],
    ],
    "compare": ["runs", "--metric", "--group", "--seeds", "--show", "--output", "--bootstrap"],
    "judge": [
        *["run_a", "run_b", "--benchmark", "--language", "--model", "--url", "--output"],
        *["--prompt", "--rubric", "--controls", "--limit", "--corpus", "--family"],
        *["--temperature", "--max-tokens", "--seed", "--concurrency", "--deadline", "--dry-run"],
        *["--price-in", "--price-out"],
    ],
    "tasks": ["suite", "--benchmark", "--language", "--output", "--data"],
    "chat": [
        *["runs", "--image", "--question", "--max-new-tokens", "--engine", "--url", "--dtype"],
        *["--web", "--host", "--port", "--name", "--blind", "--language", "--output"],
    ],
    "export": ["checkpoint", "--to", "--output", "--llama-cpp"],
    "publish": [
        *["made", "--to", "--with", "--llama-cpp", "--allow", "--pictures", "--licence", "--split"],
        *["--used-by", "--push", "--private", "--revision", "--dry-run"],
    ],
    "report": ["study", "--output"],
    "recipe show": ["recipe", "overrides"],
    "recipe check": ["recipe", "overrides"],
    "recipe schema": [],
    "language list": [],
    "language show": ["code"],
    "language check": ["code"],
    "language new": ["code", "--output"],
    "miniature fetch": ["model"],
    "miniature build": ["recipe", "overrides", "--studies"],
    "miniature bases": ["--language", "--share", "--output"],
    "miniature sheet": ["--output"],
}


@cache
def open_ikusi() -> Any:
    """The command `ikusi` with all that it holds, built once for all tests."""
    return typer.main.get_command(cli.app)


def commands(command: Any = None, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every command there is, by the words that call it."""
    command = command or open_ikusi()
    inner = getattr(command, "commands", None)
    if inner is None:
        return {" ".join(path): command}
    found: dict[str, Any] = {}
    for name, child in inner.items():
        found |= commands(child, (*path, name))
    return found


def run(*arguments: str) -> int:
    """Exit code of a command run in this process."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    code = end.value.code
    return code if isinstance(code, int) else int(code is not None)


def test_no_command_or_option_comes_or_goes_unnoticed() -> None:
    found = {
        name: [parameter.opts[0] for parameter in command.params if parameter.name != "help"]
        for name, command in commands().items()
    }
    assert found == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_an_example(name: str) -> None:
    assert f"Example: ikusi {name}" in commands()[name].help.replace("\b", "")


def test_examples_name_what_the_shipped_recipes_make() -> None:
    known = {step.name for step in layout.list_steps(recipe.load(RECIPE))}
    made = known | {"", "data/instructions"}
    for name, command in commands().items():
        for word in command.help.split():
            if word.startswith("recipes/"):
                assert (ROOT / word).is_file(), f"{name}: {word}"
            if word.startswith("studies/"):
                assert word.removeprefix("studies/emoji-eu").strip("/") in made, f"{name}: {word}"
        if run := re.search(r"--stage (\w+) --run ([\w-]+)", command.help):
            assert "/".join(run.groups()) in known, name


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from ikusi.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'pyarrow', 'numpy', 'rich', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_good_recipe_is_told_with_its_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("recipe", "check", RECIPE, "grid.text_only=[false]") == 0
    assert "good, 8 runs: english-eu000 " in capsys.readouterr().out


def test_bad_input_is_one_line_and_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("recipe", "check", RECIPE, "grid.ratio=3") == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "did you mean grid.ratios?" in shown.err


def test_wrong_usage_is_exit_code_2() -> None:
    assert run("recipe", "check") == 2
    assert run("study", RECIPE, "--worker", "1") == 2


def test_an_internal_fault_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ikusi.recipe.make_json_schema", broken)
    assert run("recipe", "schema") == 1
    shown = capsys.readouterr()
    assert "Traceback" in shown.err and "ZeroDivisionError" in shown.err and shown.out == ""


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("recipe", "schema") == 0
    assert "grid" in json.loads(capsys.readouterr().out)["properties"]


def test_languages_are_listed_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("language", "list") == 0
    assert "eu     Basque" in capsys.readouterr().out
    assert run("language", "check", "eu") == 0
    assert "Basque: can be used, 35 keys wait for a speaker" in capsys.readouterr().out
    assert run("language", "show", "ue") == 3


def test_a_study_says_first_what_no_speaker_has_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["language=gl", "vision=/no/such", "--studies", str(tmp_path)]
    with pytest.raises(SystemExit, match="3"):
        cli.main(["study", RECIPE, *changes])
    first = capsys.readouterr().err.splitlines()[0]
    count = len(language.load("gl").to_review)
    assert first.startswith(f"Galician: {count} parts of the language pack wait")


def test_a_study_is_given_a_plan_of_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its time to go."""
    known = list[str]()

    def note(*_: Any, estimate_steps: Any) -> study.Outcome:
        known.extend(estimate_steps())
        return study.Outcome({}, StudyFolder(tmp_path))

    monkeypatch.setattr(study, "run", note)
    assert run("study", RECIPE, "--studies", str(tmp_path), "--workers", "1") == 0
    assert known == [one.name for one in layout.name_steps(recipe.load(Path(RECIPE), []))]


def test_a_language_given_by_hand_has_its_own_study(tmp_path: Path) -> None:
    from ikusi.cli.arguments import open_study

    plain = open_study(Path(RECIPE), [], tmp_path)[1]
    other = open_study(Path(RECIPE), ["language=eu"], tmp_path)[1]
    assert (plain.name, other.name) == ("emoji-eu", "emoji-eu-eu")


@pytest.mark.slow
def test_python_m_ikusi_is_ikusi() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ikusi", "recipe", "check", "no-such.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "no-such.yaml" in done.stderr


def test_settings_of_an_import_are_read_as_all_else_is() -> None:
    """By YAML 1.2: `no` is a word (and Norwegian's code), `1e-3` a number."""
    from ikusi.cli import data

    given = ["languages=[en, no]", "share=1e-3", "columns={id: nr}", "columns.image=photo"]
    assert data._settings(given) == {
        "languages": ["en", "no"],
        "share": 0.001,
        "columns": {"id": "nr", "image": "photo"},
    }
    for wrong, told in (("word", "key=value, found word"), ("a=[1", "a: expected YAML, found")):
        with pytest.raises(InputError, match=f"command line: .*{told}"):
            data._settings([wrong])
