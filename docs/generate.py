"""Write the parts of the documentation that are made from the code and the data.

Run `python docs/generate.py` after changing a language pack, a benchmark, the recipe's fields, the
miniature's packages, its encoder, a notebook, or the first sentence of a file or of a public
docstring; `--check` only says which pages are stale (a test runs it).
"""

import ast
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import notebooks
from ikusi import language, packaged, recipe
from ikusi.data import sources
from ikusi.evaluate import benchmark
from ikusi.miniature import packages
from ikusi.plan import card, planning
from ikusi.plan import table as plan_table
from ikusi.recipe import Stage
from ikusi.recipe.folder import StudyFolder
from ikusi.translate import settings

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
RECIPES = ROOT / "recipes"


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; bars inside cells are escaped, lines broken with <br>."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    cells = [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in line] for line in lines]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def to_review() -> str:
    """The Basque words and sentences that no speaker has checked, beside the English ones."""
    basque, english = language.load("eu").model_dump(), language.load("en").model_dump()
    keys = language.load("eu").to_review
    rows = [(f"`{key}`", _shown(basque, key), _shown(english, key)) for key in keys]
    return f"{len(rows)} keys wait for a speaker.\n\n{table(('key', 'Basque', 'English'), rows)}"


def _shown(pack: dict[str, Any], key: str) -> str:
    value: Any = pack
    for part in key.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {item}" for name, item in value.items())
    if isinstance(value, list):
        return ("\n" if any(" " in item for item in value) else ", ").join(value)
    return str(value)


def pack_fields() -> str:
    """Every key of a language pack."""
    schema = language.LanguagePack.model_json_schema()
    rows = [
        (f"`{key}`", _type(field), "yes" if key in schema["required"] else "", field["description"])
        for key, field in schema["properties"].items()
    ]
    return table(("key", "type", "required", "meaning"), rows)


def benchmark_table() -> str:
    """Every benchmark with what it mirrors, how it is scored, and by what."""
    benchmarks = [benchmark.load(name) for name in benchmark.list_benchmarks()]
    rows = [(f"`{b.name}`", b.mirrors, b.scorer, b.primary, b.description) for b in benchmarks]
    return table(("benchmark", "mirrors", "scorer", "primary metric", "what"), rows)


def benchmark_fields() -> str:
    """Every key of a benchmark with its type, default and meaning."""
    return _fields_table(benchmark.Benchmark.model_json_schema())


def recipe_fields() -> str:
    """Every key of a recipe with its type, default and meaning, from the fields themselves."""
    return _fields_table(recipe.make_json_schema())


def settings_compared() -> str:
    """Settings of the paper's recipe and the miniature's, side by side, from the two recipes."""
    recipes = [recipe.load(RECIPES / name) for name in ("basque-8b.yaml", "emoji-eu.yaml")]
    rows: dict[str, Callable[[recipe.Recipe], str]] = {
        "vision encoder": lambda r: r.encoder,
        "connector": lambda r: r.connector,
        "backbones": lambda r: ", ".join(map(r.backbone, r.grid.backbones)),
        "alignment": lambda r: _stage(r.stages.alignment),
        "instruction tuning": lambda r: _stage(r.stages.instruct),
        "shares of Basque": lambda r: ", ".join(f"{ratio:.0%}" for ratio in r.grid.ratios),
        "text-only rows": lambda r: (
            f"{r.text_only.rows:,}, {r.text_only.ratio:.0%} Basque" if r.text_only else "none"
        ),
    }
    lines = [(name, *map(describe, recipes)) for name, describe in rows.items()]
    return table(("", "`recipes/basque-8b.yaml`", "`recipes/emoji-eu.yaml`"), lines)


def _stage(stage: Stage) -> str:
    share = "" if stage.ratio is None else f", {stage.ratio:.0%} Basque"
    return (
        f"{' and '.join(stage.trainable)}{share}, {stage.optimizer}, "
        f"learning rate {stage.learning_rate:g}, {stage.scheduler}, "
        f"warm-up {stage.warmup_ratio:g}, weight decay {stage.weight_decay:g}, "
        f"batch {stage.batch_size}, epochs {stage.epochs:g}"
    )


def translation_fields() -> str:
    """Every key of a translation's recipe, those of each kind of engine included."""
    return _fields_table(settings.Translation.model_json_schema())


def _fields_table(schema: dict[str, Any]) -> str:
    rows = [
        (f"`{key}`", _type(field), _default(field), field.get("description", ""))
        for key, field in _fields(schema, schema, "", set())
    ]
    return table(("key", "type", "default", "meaning"), rows)


def _fields(
    schema: dict[str, Any], part: dict[str, Any], prefix: str, seen: set[str]
) -> Iterable[tuple[str, dict[str, Any]]]:
    for name, field in part.get("properties", {}).items():
        yield f"{prefix}{name}", field
        for option in _options(field):
            if isinstance(value := option.get("additionalProperties"), dict):
                for reference in _references(value):  # under a name that is the user's own
                    inner = schema["$defs"][reference]
                    yield from _fields(schema, inner, f"{prefix}{name}.NAME.", seen)
        for reference in _references(field):
            if kinds := "oneOf" in field:
                if reference in seen:
                    continue
                seen.add(reference)
            inner = schema["$defs"][reference]
            kind = f"[{inner['properties']['kind']['const']}]" if kinds else ""
            yield from _fields(schema, inner, f"{prefix}{name}{kind}.", seen)


def _options(field: dict[str, Any]) -> list[dict[str, Any]]:
    return [field, *field.get("anyOf", []), *field.get("oneOf", [])]


def _references(field: dict[str, Any]) -> list[str]:
    """Names of the mappings that a field may hold."""
    references = [option["$ref"] for option in _options(field) if "$ref" in option]
    return [reference.rpartition("/")[2] for reference in references]


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field or "oneOf" in field:
        return "mapping"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"]))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    names = {"string": "text", "object": "mapping", "integer": "integer", "null": "nothing"}
    return names.get(str(field.get("type")), str(field.get("type")))


def _default(field: dict[str, Any]) -> str:
    if isinstance(default := field.get("default"), dict) and default:
        return "see its keys"
    return f"`{default}`" if "default" in field else "required"


def source_table() -> str:
    """Every public data set that can be imported."""
    rows = [
        (f"`{s.name}`", s.row_type, ", ".join(s.languages), s.about, s.licence, s.home)
        for s in sources.list_sources()
    ]
    return table(("name", "rows", "languages", "what", "licence", "from"), rows)


def source_options() -> str:
    """The settings of each data set that has some."""
    rows = [
        (f"`{s.name}`", f"`{key}`", _type(field), _default(field), field.get("description", ""))
        for s in sources.list_sources()
        for key, field in s.options.model_json_schema().get("properties", {}).items()
    ]
    return table(("data set", "key", "type", "default", "meaning"), rows)


def files() -> str:
    """Every file of code and every recipe, by room, each with its own first sentence."""
    code = ROOT / "src" / "ikusi"
    rooms = sorted({path.parent for path in code.rglob("*.py")})
    folders = [(folder, "*.py") for folder in [*rooms, ROOT / "examples", ROOT / "bench"]]
    folders += [(RECIPES, "*.yaml"), (RECIPES / "translate", "*.yaml")]
    return "\n\n".join(_room(folder, pattern) for folder, pattern in folders)


def _room(folder: Path, pattern: str) -> str:
    named = folder.relative_to(ROOT).as_posix().removeprefix("src/ikusi/")
    title = "The package itself" if named == "src/ikusi" else f"`{named}/`"
    paths = [path for path in sorted(folder.glob(pattern)) if path.name != "__init__.py"]
    front = folder / "__init__.py"
    about = f"{_first_sentence(front)}\n\n" if front.exists() else ""
    rows = ((f"`{path.name}`", _first_sentence(path)) for path in paths)
    return f"### {title}\n\n{about}{table(('file', 'what'), rows) if paths else ''}".rstrip()


def _first_sentence(path: Path) -> str:
    """The first sentence of a module's docstring, or of the comment at the head of a YAML file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        about = ast.get_docstring(ast.parse(text)) or ""
    else:
        lines = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
        about = "\n".join(line.lstrip("# ") for line in lines)
    return _cut_sentence(about)


def _cut_sentence(about: str) -> str:
    """The first sentence of a text."""
    paragraph = " ".join(about.split("\n\n")[0].split())
    return re.split(r'(?<=[.!?])\s+(?=[A-Z`"])', paragraph)[0]


def api() -> str:
    """Every public name, where its page has it, with the first sentence of its docstring."""
    about = dict(_public())
    rows = [
        (f"[`{name}`]({page.name}#ikusi.{name})", about[name])
        for page in sorted((FOLDER / "api").glob("*.md"))
        for name in re.findall(r"^::: ikusi\.(\w+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    return table(("name", "what"), rows)


def _public() -> Iterable[tuple[str, str]]:
    """The public names, read from the code and not imported: that takes seconds."""
    package = ast.parse((ROOT / "src" / "ikusi" / "__init__.py").read_text(encoding="utf-8"))
    for node in ast.walk(package):
        if isinstance(node, ast.ImportFrom) and (module := node.module or "").startswith("ikusi."):
            path = ROOT / "src" / f"{module.replace('.', '/')}.py"
            defined = {
                thing.name: ast.get_docstring(thing) or ""
                for thing in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(thing, ast.FunctionDef | ast.ClassDef)
            }
            for alias in node.names:
                yield alias.asname or alias.name, _cut_sentence(defined[alias.name])


def retrieval() -> str:
    """Scores of the shipped encoder, as they were measured when it was made."""
    path = packaged.BASES / "encoder" / "retrieval.json"
    measured = json.loads(path.read_text(encoding="utf-8"))
    named = {"trained": "trained", "drawing": "held-out drawing", "style": "held-out style"}
    rows = [
        [words, *(f"{measured[kind][count]:.3f}" for count in "123")]
        for kind, words in named.items()
    ]
    return table(["drawings", "one in the picture", "two", "three"], rows)


PLANS: list[tuple[str, str, str, int, float | None, list[str]]] = [
    ("32 A100", "basque-8b", "a100-80", 32, None, ["compute.processes=32"]),
    ("8 H100, 2.50 an hour each", "basque-8b", "h100", 8, 2.5, ["workers=2"]),
    (
        "One RTX 4090, 0.50 an hour",
        "basque-8b-lora",
        "rtx4090",
        1,
        0.5,
        [
            *("compute.micro_tokens=4096", "stages.align.max_length=4096"),
            *("stages.instruct.max_length=4096", "stages.instruct.lora.quantize=nf4"),
            *("stages.instruct.optimizer=adamw8bit", "compute.eval_batch_size=16"),
        ],
    ),
]
"""Title, recipe, card, how many, price of an hour, and changes of each plan in docs/planning.md."""


def plans() -> str:
    """Plans of the paper's study on some cards, made without measurements."""
    shown = [
        f"{title}:\n\n{_plan(name, gpu, gpus, price, changes)}"
        for title, name, gpu, gpus, price, changes in PLANS
    ]
    return "\n\n".join(shown)


def _plan(name: str, gpu: str, gpus: int, price: float | None, changes: list[str]) -> str:
    made = planning.make_plan(
        recipe.load(RECIPES / f"{name}.yaml", changes),
        card.Hardware(card.load(gpu), gpus, price),
        StudyFolder(Path("nowhere")),
        known=[],
    )
    whole = [line[0].upper() + line[1:] for line in plan_table.write_sums(made)]
    return "\n\n".join([plan_table.write_markdown(made), ". ".join(whole) + "."])


SECTIONS: dict[str, Callable[[], str]] = {
    "api": api,
    "to-review": to_review,
    "attribution": lambda: packages.write_attribution().strip(),
    "attribution-encoder": lambda: packages.write_attribution("encoder").strip(),
    "attribution-llm": lambda: packages.write_attribution("llm").strip(),
    "benchmarks": benchmark_table,
    "files": files,
    "pack-fields": pack_fields,
    "plans": plans,
    "recipe-fields": recipe_fields,
    "retrieval": retrieval,
    "settings-compared": settings_compared,
    "sources": source_table,
    "source-options": source_options,
    "translation-fields": translation_fields,
    "benchmark-fields": benchmark_fields,
}


def rewritten(page: str) -> str:
    """The page with every marked section made anew."""

    def section(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{SECTIONS[match[2]]()}\n\n{match[3]}"

    pattern = r"(<!-- generated: ([a-z-]+) -->).*?(<!-- end -->)"
    return re.sub(pattern, section, page, flags=re.DOTALL)


def write_all() -> Iterable[tuple[Path, bytes]]:
    """Every page as it ought to be, and the pictures of those that are made from notebooks."""
    made = dict(itertools.chain(*map(notebooks.write_page, notebooks.list_notebooks())))
    for path in sorted(set(FOLDER.rglob("*.md")) - set(made)):
        yield path, rewritten(path.read_text(encoding="utf-8")).encode()
    yield from made.items()


def main() -> int:
    """Write what is stale, or with `--check` list it and exit with 1 if there is any."""
    stale = 0
    for path, new in write_all():
        if not path.exists() or path.read_bytes() != new:
            stale += 1
            print(f"{path.name}: {'stale' if '--check' in sys.argv else 'written'}")
            if "--check" not in sys.argv:
                path.write_bytes(new)
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
