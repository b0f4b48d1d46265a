"""The house rules that no single room can check for itself."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ikusi"
FILES = sorted(SOURCE.rglob("*.py"))
ALL_FILES = FILES + sorted((ROOT / "tests").rglob("*.py"))

# Upstream first. A room imports what stands before it and nothing else: data flows one way.
FOUNDATIONS = [
    *["errors", "terminal", "progress", "disk", "processes", "lock", "claim", "artifact"],
    *["content", "imports", "pretrained", "packaged", "yamltext", "yamlfile", "jsonfile"],
    *["speeds"],
    *["catalogue", "writing", "page"],
]
LINE = [
    *FOUNDATIONS,
    *["statistics", "language", "connectors", "recipe", "server", "data", "translate", "model"],
    *["answer", "train", "evaluate", "judgements", "judge", "web", "annotate", "talk"],
    *["compare", "report", "publish", "study", "plan"],
    *["api", "cli"],
]
MAY_IMPORT = {room: set(LINE[:place]) for place, room in enumerate(LINE)}
# The miniature stands beside the line: a supplier of pictures, texts and small base models.
MAY_IMPORT["miniature"] = {*FOUNDATIONS, "language", "recipe", "data", "model", "train"}
MAY_IMPORT["publish"].add("miniature")
MAY_IMPORT["study"].add("miniature")
MAY_IMPORT["plan"].add("miniature")
MAY_IMPORT["api"].add("miniature")
MAY_IMPORT["cli"].add("miniature")
# What reads one run at a time, and what only draws, has no need of these.
MAY_IMPORT["report"] -= {"server", "translate", "model", "answer", "train"}
MAY_IMPORT["compare"] -= {"server", "translate", "model", "answer", "train"}
MAY_IMPORT["judgements"] -= {"server", "translate", "model", "answer", "train"}
MAY_IMPORT["annotate"] -= {"server", "translate", "model", "answer", "train"}
MAY_IMPORT["web"] = {*FOUNDATIONS, "data"}
# Pages that people look at are what comes last before the commands; nothing is computed from them.
for beside in ("compare", "report", "publish", "study", "plan"):
    MAY_IMPORT[beside] -= {"web", "talk"}

HEAVY = ["torch", "transformers", "accelerate", "pyarrow", "matplotlib", "scipy"]
LIGHT = [*FOUNDATIONS, "language", "recipe", "study", "plan", "cli"]

# Settings come from recipes and arguments. What is read of the environment all the same, where,
# and why: every other mention of these names in the library is refused.
ENVIRONMENT = {
    *("environ", "environb", "getenv", "getenvb", "expandvars", "posix"),
    *("getproxies", "trust_env", "envvar", "auto_envvar_prefix"),
}
READS_ENVIRONMENT = {
    # The job queue tells no other way which GPUs may be used; libraries are told by no other way.
    "study/launch/hardware.py": {"environ.get", "environ.update"},
    # torchrun and SLURM say by no other way which process of how many this is.
    "study/launch/ranks.py": {"environ.get", "environ.update"},
    "study/launch/torchrun.py": {"environ", "environ.items", "environ.pop"},
    "study/launch/slurm.py": {"environ", "environ.update"},
    # Where torch compiles to, as torch itself finds it.
    "train/compiling.py": {"environ.get"},
    # Proxies, where the user asks to go through them; their passwords, so that none is shown.
    "server/keys.py": {"getproxies"},
    "server/transport.py": {"trust_env"},
    "data/web/addresses.py": {"getproxies"},
    "data/web/fetch.py": {"trust_env"},
    "cli/data.py": {"getproxies"},
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file; nobody changes it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file's tree, from outside in: they are found once."""
    return tuple(ast.walk(parsed(path)))


def mentioning(pattern: str) -> list[Path]:
    """The package's files that have such a text anywhere; others need not be parsed."""
    mentions = re.compile(pattern)
    return [path for path in FILES if mentions.search(path.read_text(encoding="utf-8"))]


def imported_modules(path: Path) -> set[str]:
    """Every absolute module that a file imports, anywhere in it."""
    modules: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: write imports in full"
            modules.add(node.module or "")
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


def named_modules(path: Path) -> set[str]:
    """Modules that a file names in texts, to be imported or run by name."""
    texts = (node.value for node in nodes(path) if isinstance(node, ast.Constant))
    pattern = re.compile(r"(ikusi(?:\.\w+)+)(?::\w+)?")
    found = (pattern.fullmatch(text) for text in texts if isinstance(text, str))
    return {match[1] for match in found if match}


def imported_rooms(path: Path) -> set[str]:
    named = imported_modules(path) | named_modules(path)
    modules = (module.split(".") for module in named)
    return {parts[1] for parts in modules if parts[0] == "ikusi" and len(parts) > 1} & set(
        MAY_IMPORT
    )


def test_every_room_has_a_place_in_the_line() -> None:
    assert {room(path) for path in FILES} - {"__init__", "__main__"} <= set(MAY_IMPORT)


@pytest.mark.slow
def test_no_room_imports_a_room_downstream() -> None:
    placed = [path for path in FILES if room(path) in MAY_IMPORT]
    found = {name(p): imported_rooms(p) - {room(p)} - MAY_IMPORT[room(p)] for p in placed}
    assert not {path: rooms for path, rooms in found.items() if rooms}


def ways_out(tree: ast.AST, package: str) -> list[str]:
    """Expressions by which a file finds files that lie outside its own folder.

    `__file__` may only be asked for its folder or its namesakes, and packages only for files of
    their own room; a text that is a path goes neither up nor through the folder of the package.
    """
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "__file__":
            call = parents[node]
            way = parents.get(call)
            namesakes = ("parent", "with_suffix", "with_name")
            near = isinstance(way, ast.Attribute) and way.attr in namesakes
            above = parents.get(way) if way else None
            climbs = isinstance(above, ast.Attribute) and above.attr in ("parent", "parents")
            if not near or climbs:
                out.append(ast.unparse(way or call))
        elif isinstance(node, ast.Attribute) and node.attr in ("__file__", "__path__"):
            if ast.unparse(node.value).startswith("ikusi"):
                out.append(ast.unparse(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("resources.files"):
            asked = ast.unparse(node.args[0]).strip("'")
            if asked != "__package__" and asked.split(".")[:2] != package.split(".")[:2]:
                out.append(ast.unparse(node))
        elif isinstance(node, ast.BinOp) and ast.unparse(node.right) == "'..'":
            out.append(ast.unparse(node))
    return out


def package_of(path: Path) -> str:
    return ".".join(("ikusi", *path.parent.relative_to(SOURCE).parts))


def test_no_file_reads_in_another_room_by_path() -> None:
    """Files that several rooms read lie where `packaged` says, beside the rooms."""
    ways = r"""__file__|__path__|resources|["']\.\.["']"""
    files = [path for path in mentioning(ways) if path != SOURCE / "packaged.py"]
    found = {name(path): ways_out(parsed(path), package_of(path)) for path in files}
    assert not {path: ways for path, ways in found.items() if ways}


@pytest.mark.parametrize(
    "code",
    [
        "PLACE = Path(__file__).parents[1] / 'evaluate'",
        "PLACE = Path(__file__).parent.parent / 'evaluate'",
        "PLACE = Path(__file__).resolve()",
        "PLACE = os.path.dirname(__file__)",
        "PLACE = Path(__file__).parent / '..' / 'evaluate'",
        "PLACE = Path(ikusi.evaluate.__file__).parent",
        "TEXT = resources.files('ikusi.evaluate').joinpath('a.yaml').read_text()",
    ],
)
def test_no_way_into_another_room_is_overlooked(code: str) -> None:
    assert ways_out(ast.parse(code), "ikusi.recipe")


def test_what_several_rooms_read_belongs_to_none() -> None:
    from ikusi import packaged

    places = [place for place in vars(packaged).values() if isinstance(place, Path)]
    shared = [place for place in places if place != SOURCE]
    assert len(shared) > 2
    for place in shared:
        assert place.parent == SOURCE and place.is_dir() and not list(place.rglob("*.py"))


def test_files_are_short() -> None:
    lines = {name(p): len(p.read_text(encoding="utf-8").splitlines()) for p in ALL_FILES}
    assert not {path: count for path, count in lines.items() if count > 400}


@pytest.mark.slow
def test_functions_are_short() -> None:
    long = {
        f"{name(path)}: {node.name}": node.end_lineno - node.lineno + 1
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    }
    assert not long


def environment_read(tree: ast.AST) -> set[str]:
    """Every way of reading the environment that a file uses, with the method that is called."""
    ways, inner = set[str](), set[ast.AST]()
    for node in ast.walk(tree):  # from outside in: `environ.get` comes before its `environ`
        if isinstance(node, ast.Attribute):
            own = node.value
            name_ = getattr(own, "attr", getattr(own, "id", None))
            if name_ in ENVIRONMENT:
                ways.add(f"{name_}.{node.attr}")
                inner.add(own)
            elif node.attr in ENVIRONMENT and node not in inner:
                ways.add(node.attr)
        elif isinstance(node, ast.Name) and node.id in ENVIRONMENT and node not in inner:
            ways.add(node.id)
        elif isinstance(node, ast.keyword) and node.arg in ENVIRONMENT:
            ways.add(node.arg)
        elif isinstance(node, ast.alias) and node.name in ENVIRONMENT - {"getproxies"}:
            ways.add(f"import {node.name}")
    return ways


def test_library_code_reads_no_environment() -> None:
    """But in the places that `READS_ENVIRONMENT` names, in the ways that it names."""
    files = mentioning("|".join(ENVIRONMENT))
    found = {path.relative_to(SOURCE).as_posix(): environment_read(parsed(path)) for path in files}
    assert {path: ways for path, ways in found.items() if ways} == READS_ENVIRONMENT


@pytest.mark.parametrize(
    "code",
    [
        "import os\nkey = os.environ['KEY']",
        "import os\nkey = os.environ.get('KEY')",
        "import os\nfound = 'KEY' in os.environ",
        "import os\ncopied = {**os.environ}",
        "import os\nkey = os.getenv('KEY')",
        "import os\nplace = os.path.expandvars('$PLACE')",
        "from os import environ",
        "from os import getenv as read",
        "import posix",
        "import typer\noption = typer.Option(envvar='KEY')",
    ],
)
def test_no_way_of_reading_the_environment_is_overlooked(code: str) -> None:
    assert environment_read(ast.parse(code))


def modules_of(root: Path) -> dict[str, Path]:
    """Dotted name -> file, of all modules below a folder."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def circles(root: Path) -> list[str]:
    """A chain of imports that comes back, wherever files below a folder import each other.

    Imports inside functions and those for annotations alone count too.
    """
    files = modules_of(root)
    files.pop("ikusi", None)  # the front door: it names public functions for type checkers alone
    needs = {module: needed_files(path, files) - {module} for module, path in files.items()}
    found: list[str] = []
    done: set[str] = set()

    def follow(module: str, chain: tuple[str, ...]) -> None:
        if module in chain:
            found.append(" -> ".join((*chain[chain.index(module) :], module)))
        elif module not in done:
            for needed in sorted(needs[module]):
                follow(needed, (*chain, module))
            done.add(module)

    for module in sorted(files):
        follow(module, ())
    return found


def needed_files(path: Path, files: Mapping[str, Path]) -> set[str]:
    """Modules that a file needs: `from package import module` needs the module alone."""
    needed = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            needed.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            needed.update(full if full in files else str(node.module) for full in below)
    return needed & set(files)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["src", "bench"])
def test_no_files_import_each_other_in_a_circle(folder: str) -> None:
    assert circles(ROOT / folder) == []


def test_a_circle_is_noticed_wherever_its_imports_stand(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def work():\n    import two\n")
    (tmp_path / "two.py").write_text("from three import name\n")
    (tmp_path / "three.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import one\n"
    )
    assert circles(tmp_path) == ["one -> two -> three -> one"]
    (tmp_path / "three.py").write_text("")
    assert circles(tmp_path) == []


@pytest.mark.slow
def test_every_package_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    extras = [packages for name, packages in optional.items() if name not in ("dev", "docs")]
    wanted = [*project["dependencies"], *(package for some in extras for package in some)]
    declared = {re.split(r"[^\w-]", package)[0].lower().replace("-", "_") for package in wanted}
    called = {"PIL": "pillow", "yaml": "pyyaml", "pydantic_core": "pydantic"}
    called["fasttext"] = "fasttext_community"
    imported = {module.split(".")[0] for path in FILES for module in imported_modules(path)}
    # What calls us needs no declaration; lmms-eval's own requirements break torch on a CPU.
    outside = imported - set(sys.stdlib_module_names) - {"ikusi", "lmms_eval"}
    assert {called.get(module, module) for module in outside} <= declared


def test_nothing_is_called_utils() -> None:
    assert not [name(path) for path in ALL_FILES if "util" in path.stem]


def test_code_holds_no_word_of_the_studied_language() -> None:
    """Words of Basque stand in languages/eu.yaml and nowhere in the code."""
    from ikusi import language

    ours, theirs = (
        {*pack.colours.values(), *pack.numbers, pack.yes, pack.no}
        for pack in (language.load("eu"), language.load("en"))
    )
    telling = {word for word in ours - theirs if len(word) > 3 and word.isascii()}
    pattern = re.compile(rf"\b({'|'.join(sorted(telling))})\b")
    found = {name(path): pattern.findall(path.read_text(encoding="utf-8")) for path in FILES}
    assert not {path: words for path, words in found.items() if words}


@pytest.mark.slow
def test_light_modules_import_nothing_heavy() -> None:
    code = (
        "import importlib, json, sys\nfound, known = {}, set()\n"
        f"for module in {LIGHT}:\n"
        "    importlib.import_module(f'ikusi.{module}')\n"
        f"    found[module] = [heavy for heavy in {HEAVY} if heavy in {{*sys.modules}} - known]\n"
        "    known.update(sys.modules)\n"
        "print(json.dumps(found))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(output) == {module: [] for module in LIGHT}


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
