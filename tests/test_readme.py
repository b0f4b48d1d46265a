"""What the documents promise is true: the tree, the commands, the links."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CHEAP = [
    ["--help"],
    ["recipe", "show"],
    ["recipe", "check"],
    ["recipe", "schema"],
    ["language", "list"],
    ["language", "show"],
    ["data", "list"],
]

# Rooms and folders shown file by file. The others are one line each.
SHOWN = {
    "src/ikusi": "*.py",
    "src/ikusi/languages": "*.yaml",
    "src/ikusi/statistics": "*.py",
    "src/ikusi/language": "*.*",
    "src/ikusi/recipe": "*.py",
    "src/ikusi/server": "*.py",
    "src/ikusi/data": "*.py",
    "src/ikusi/data/rows": "*.py",
    "src/ikusi/data/web": "*.py",
    "src/ikusi/translate": "*.py",
    "src/ikusi/model": "*.py",
    "src/ikusi/answer": "*.py",
    "src/ikusi/answer/engines": "*.py",
    "src/ikusi/train": "*.py",
    "src/ikusi/evaluate": "*.py",
    "src/ikusi/judgements": "*.py",
    "src/ikusi/judgements/formats": "*.py",
    "src/ikusi/compare": "*.py",
    "src/ikusi/report": "*.*",
    "src/ikusi/publish": "*.py",
    "src/ikusi/miniature": "*.*",
    "src/ikusi/miniature/pictures": "*.py",
    "src/ikusi/miniature/words": "*.*",
    "src/ikusi/miniature/bases": "*.py",
    "src/ikusi/study": "*.py",
    "src/ikusi/study/launch": "*.py",
    "recipes": "*.yaml",
    "recipes/translate": "*.yaml",
    "docs": "*.md",
    "bench": "*.py",
    "examples": "*.py",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of_readme() -> dict[str, str]:
    """Path -> half-line, from the indented block that starts with the package's folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = next(block for block in readme.split("```") if block.startswith("text\nsrc/ikusi/"))
    entries: dict[str, str] = {}
    parents: list[str] = []
    for line in block.splitlines()[1:]:
        match = re.fullmatch(r"( *)(\S+) {2,}(\S.*)", line)
        assert match, f"not 'name, two spaces or more, half a line': {line!r}"
        depth = len(match[1]) // 2
        parents = [*parents[:depth], match[2]]
        entries["".join(parents).rstrip("/")] = match[3]
    return entries


def shell_commands(page: Path) -> Iterator[list[str]]:
    """The commands of the ```sh blocks, without comments, continued lines joined."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|bash)\n(.*?)```", text, flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


def inline_commands(page: Path) -> Iterator[list[str]]:
    """The commands quoted in prose, such as `ikusi study RECIPE` or `make demo`."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for command in re.findall(r"`((?:ikusi|make) [^`\n]+)`", text):
        yield shlex.split(command)


def commands(program: str) -> list[tuple[str, list[str]]]:
    return [
        (name(page), [Path(words[0]).name, *words[1:]])
        for page in PAGES
        for words in [*shell_commands(page), *inline_commands(page)]
        if Path(words[0]).name == program
    ]


def test_the_tree_names_every_file_that_is_there() -> None:
    files = {
        name(path)
        for folder, pattern in SHOWN.items()
        for path in (ROOT / folder).glob(pattern)
        if path.name != "__init__.py"
    }
    assert not files - set(tree_of_readme())


def test_everything_in_the_tree_is_there() -> None:
    assert [path for path in tree_of_readme() if not (ROOT / path).exists()] == []


def test_the_tree_is_short() -> None:
    assert all(len(purpose) <= 90 for purpose in tree_of_readme().values())


@pytest.mark.parametrize(("page", "words"), commands("make"))
def test_make_targets_exist(page: str, words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {word for word in words[1:] if "=" not in word} <= set(targets), page


@pytest.mark.parametrize(("page", "words"), commands("ikusi"))
def test_ikusi_commands_exist_with_their_options(page: str, words: list[str]) -> None:
    from ikusi.cli import app

    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while (known := getattr(command, "commands", None)) and rest and rest[0][0] != "-":
        assert rest[0] in known, f"{page}: ikusi has no command {' '.join(words[1:])}"
        command = known[rest.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    used = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert used <= options, page


def cheap_commands() -> list[list[str]]:
    """The shown commands that answer at once and write nothing, each once."""
    shown = {tuple(words[1:]) for _, words in commands("ikusi")}
    return [list(words) for words in sorted(shown) if any(is_a(words, cheap) for cheap in CHEAP)]


def is_a(words: tuple[str, ...], command: list[str]) -> bool:
    return list(words[: len(command)]) == command


@pytest.mark.parametrize("words", cheap_commands(), ids=" ".join)
def test_cheap_commands_run(words: list[str]) -> None:
    code = "from ikusi.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []
