"""The promises of the documents are true: the tree, the commands, the links."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_cli import open_ikusi

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CHEAP = [
    ["--help"],
    ["recipe", "show"],
    ["recipe", "check"],
    ["recipe", "schema"],
    ["language", "list"],
    ["language", "show"],
    ["data", "list"],
]


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


def test_the_tree_names_every_room_and_nothing_else() -> None:
    """The files of each room stand in docs/architecture.md, which is made from them."""
    inside = (ROOT / "src" / "ikusi").iterdir()
    outside = (ROOT / name for name in ("examples", "recipes", "docs", "bench", "tests"))
    rooms = [path for path in inside if path.is_dir() and path.name != "__pycache__"]
    assert {"src/ikusi", *map(name, [*rooms, *outside])} == set(tree_of_readme())


def test_the_tree_fits_on_a_screen() -> None:
    assert len(tree_of_readme()) <= 32
    assert all(len(purpose) <= 70 for purpose in tree_of_readme().values())


def test_the_tree_has_the_rooms_in_the_order_in_which_data_flows() -> None:
    from test_architecture import LINE

    rooms = [Path(path).name for path in tree_of_readme() if path.startswith("src/ikusi/")]
    flow = [room for room in rooms if room in LINE]
    assert flow == sorted(flow, key=LINE.index)


def test_every_file_of_code_is_named_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed: set[str] = set()
    for title, body in re.findall(r"\n### (.+?)\n(.*?)(?=\n##|\Z)", text, flags=re.DOTALL):
        folder = {"The package itself": "src/ikusi/"}.get(title, title.strip("`"))
        here = folder if (ROOT / folder).is_dir() else f"src/ikusi/{folder}"
        listed |= {f"{here}{file}" for file in re.findall(r"^\| `([^`]+)` \|", body, re.MULTILINE)}
    code = [path for path in ROOT.glob("src/ikusi/**/*.py") if path.name != "__init__.py"]
    more = [*ROOT.glob("bench/*.py"), *ROOT.glob("examples/*.py"), *ROOT.glob("recipes/**/*.yaml")]
    assert {name(path) for path in [*code, *more]} <= listed


@pytest.mark.parametrize(("page", "words"), commands("make"))
def test_make_targets_exist(page: str, words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {word for word in words[1:] if "=" not in word} <= set(targets), page


@pytest.mark.parametrize(("page", "words"), commands("ikusi"))
def test_ikusi_commands_exist_with_their_options(page: str, words: list[str]) -> None:
    command, rest = open_ikusi(), words[1:]
    while (known := getattr(command, "commands", None)) and rest and rest[0][0] != "-":
        assert rest[0] in known, f"{page}: ikusi has no command {' '.join(words[1:])}"
        command = known[rest.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    used = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert used <= options, page


def cheap_commands() -> list[list[str]]:
    """The shown commands that answer at once and write nothing, each once."""
    shown = {tuple(words[1:]) for _, words in commands("ikusi")}
    cheap = (list(words) for words in sorted(shown) if any(is_a(words, one) for one in CHEAP))
    # A recipe that the reader is to write is checked where the test has written it.
    return [words for words in cheap if all((ROOT / w).exists() for w in words if ".yaml" in w)]


def is_a(words: tuple[str, ...], command: list[str]) -> bool:
    return list(words[: len(command)]) == command


@pytest.mark.slow
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
