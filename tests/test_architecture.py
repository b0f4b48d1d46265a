"""The house rules that no single room can check for itself."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ikusi"
FILES = sorted(SOURCE.rglob("*.py"))
ALL_FILES = FILES + sorted((ROOT / "tests").rglob("*.py"))

# Upstream first. A room imports what stands before it and nothing else: data flows one way.
FOUNDATIONS = [
    *["errors", "terminal", "processes", "disk", "lock", "claim", "artifact", "content"],
    *["pretrained", "yamlfile", "yamltext", "jsonfile", "writing", "language", "recipe"],
]
LINE = [
    *FOUNDATIONS,
    *[
        "server",
        "data",
        "translate",
        "model",
        "train",
        "evaluate",
        "report",
        "study",
        "chat_terminal",
        "api",
        "cli",
    ],
]
MAY_IMPORT = {room: set(LINE[:place]) for place, room in enumerate(LINE)}
# The miniature stands beside the line: a supplier of pictures, texts and small base models.
MAY_IMPORT["miniature"] = {*FOUNDATIONS, "data", "model", "train"}
MAY_IMPORT["study"].add("miniature")
MAY_IMPORT["api"].add("miniature")
MAY_IMPORT["cli"].add("miniature")

HEAVY = ["torch", "transformers", "accelerate", "pyarrow", "matplotlib", "scipy"]
LIGHT = [*FOUNDATIONS, "study", "cli"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Every absolute module that a file imports, anywhere in it."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: write imports in full"
            modules.add(node.module or "")
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


def imported_rooms(path: Path) -> set[str]:
    modules = (module.split(".") for module in imported_modules(path))
    return {parts[1] for parts in modules if parts[0] == "ikusi" and len(parts) > 1} & set(
        MAY_IMPORT
    )


def test_every_room_has_a_place_in_the_line() -> None:
    assert {room(path) for path in FILES} - {"__init__", "__main__"} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in MAY_IMPORT], ids=name)
def test_no_room_imports_a_room_downstream(path: Path) -> None:
    assert imported_rooms(path) - {room(path)} <= MAY_IMPORT[room(path)]


@pytest.mark.parametrize("path", ALL_FILES, ids=name)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400


@pytest.mark.parametrize("path", FILES, ids=name)
def test_functions_are_short(path: Path) -> None:
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 65
    }
    assert not long


@pytest.mark.parametrize("path", FILES, ids=name)
def test_library_code_reads_no_environment(path: Path) -> None:
    """Settings come from recipes and arguments. Only a worker sets variables, for libraries, and
    reads one: the job queue tells no other way which GPUs it may use. (`study.torchrun` passes on
    those that say which process of how many this is.)"""
    text = path.read_text(encoding="utf-8")
    if name(path) == "src/ikusi/study/worker.py":
        text = text.replace('os.environ.get("CUDA_VISIBLE_DEVICES")', "")
    assert not re.search(r"getenv|environ\.get\b|environ\.setdefault|= os\.environ\b", text)


def test_every_package_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    extras = [packages for name, packages in optional.items() if name not in ("dev", "docs")]
    wanted = [*project["dependencies"], *(package for some in extras for package in some)]
    declared = {re.split(r"[^\w-]", package)[0].lower().replace("-", "_") for package in wanted}
    called = {"PIL": "pillow", "yaml": "pyyaml", "pydantic_core": "pydantic"}
    imported = {module.split(".")[0] for path in FILES for module in imported_modules(path)}
    # What calls us needs no declaration; lmms-eval's own requirements break torch on a CPU.
    outside = imported - set(sys.stdlib_module_names) - {"ikusi", "lmms_eval"}
    assert {called.get(module, module) for module in outside} <= declared


def test_nothing_is_called_utils() -> None:
    assert not [name(path) for path in ALL_FILES if "util" in path.stem]


def test_code_holds_no_word_of_the_studied_language() -> None:
    """What is true of Basque stands in languages/eu.yaml and nowhere in the code."""
    from ikusi import language

    ours, theirs = (
        {*pack.colours.values(), *pack.numbers, pack.yes, pack.no}
        for pack in (language.load("eu"), language.load("en"))
    )
    telling = {word for word in ours - theirs if len(word) > 3 and word.isascii()}
    pattern = re.compile(rf"\b({'|'.join(sorted(telling))})\b")
    found = {name(path): pattern.findall(path.read_text(encoding="utf-8")) for path in FILES}
    assert not {path: words for path, words in found.items() if words}


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = (
        f"import json, sys, ikusi, ikusi.{module}; "
        f"print(json.dumps([heavy for heavy in {HEAVY} if heavy in sys.modules]))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(output) == []


def test_help_is_light() -> None:
    """`ikusi --help` answers at once because it loads no tensor library."""
    code = (
        "import json, sys\nfrom ikusi.cli import main\nsys.argv = ['ikusi', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print(json.dumps([heavy for heavy in {HEAVY} if heavy in sys.modules]))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(output.splitlines()[-1]) == []
