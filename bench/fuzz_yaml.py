"""Shipped YAML files, spoiled: recipes, translations, language packs, benchmarks, prompts."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from fuzz_cases import Case, Cases, Harm, Kind, flipped, put

import ikusi
from ikusi import language, recipe, yamlfile, yamltext
from ikusi.data import rows as row_types
from ikusi.evaluate import benchmark
from ikusi.translate import prompt, settings
from ikusi.translate.contract import Row

PACKAGE = Path(ikusi.__file__).parent
RECIPES = Path(__file__).parents[1] / "recipes"
Key = tuple[str | int, ...]
Read = Callable[[Path], Any]

FREE = ("backbones", "labels", "sources", "extra", "options", "contractions", "number_words")
"""Keys below which the names of keys are the writer's own."""


def read_recipe(path: Path) -> Any:
    """A recipe as loaded, which reads back equal when written out."""
    loaded = recipe.load(path)
    again = path.with_name("shown.yaml")
    again.write_text(recipe.show(loaded), encoding="utf-8")
    assert recipe.load(again) == loaded
    return loaded, loaded.runs()


def read_pack(path: Path) -> Any:
    """A pack, checked against the English one, and a question of each of its tasks."""
    pack = language.load(path)
    return pack, language.check(pack)


def read_benchmark(path: Path) -> Any:
    """A benchmark, and what it asks."""
    bench = benchmark.read(path)
    return bench, bench.primary, bench.prompt(language.load("en"), "what?", ["a", "b"])


def read_prompt(path: Path) -> Any:
    """Messages that a prompt makes of a row of each type."""
    opened = prompt.load(str(path), "eu")
    packs = language.load("en"), language.load("eu")
    rows = [Row(0, "r", row_types.load(kind), ["a?", "b", "c"]) for kind in ("vqa", "choice")]
    rows += [
        Row(0, "r", row_types.load("caption"), ["a"]),
        Row(0, "r", row_types.load("instruction"), ["a?", "b"]),
    ]
    formats: tuple[prompt.Format, ...] = ("labels", "json")
    return [prompt.Writer(opened, form, *packs).messages(row) for form in formats for row in rows]


def nodes(data: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every value of a document with its place."""
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for name, value in inner:
        yield (*key, name), value
        yield from nodes(value, (*key, name))


def placed(data: Any, key: Key, value: Any) -> Any:
    """A copy of a document with another value in one place."""
    data = copy.deepcopy(data)
    holder = data
    for part in key[:-1]:
        holder = holder[part]
    holder[key[-1]] = value
    return data


def other_kinds(value: Any, key: Key) -> list[tuple[str, Any, Harm]]:
    """Values of another kind than what is in a place, and whether they must be refused there."""
    free: Harm = "any" if any(part in FREE for part in key) else "refuse"
    values: list[tuple[str, Any, Harm]] = [("nothing", None, "any"), ("empty text", "", "any")]
    if not isinstance(value, dict):
        values.append(("a mapping", {"x": 1}, free))
    if not isinstance(value, list):
        values.append(("a list", [["x"]], free))
    if isinstance(value, str):
        values += [("a number", 7, "any"), ("a sign of control", value + "\x1b[31m", "any")]
        if {"prompts", "statements"} & set(key):
            values += [
                ("an open brace", value + "{", "any"),
                ("a field {0.x}", value + "{0.x}", "any"),
            ]
    elif isinstance(value, bool):
        values += [("a number", 7, free), ("a word", "perhaps", free)]
    elif isinstance(value, int | float):
        values += [("a word", "many", free), ("a truth", True, free), ("a text", str(value), "any")]
        values += [("infinity", float("inf"), free), ("no number", float("nan"), free)]
        values += [("less than nothing", -1, "any"), ("a huge number", 10**30, "any")]
    elif isinstance(value, list | dict):
        values += [("a word", "all", free), ("a number", 7, free)]
        if isinstance(value, list):
            values += [("all of it twice", [*value, *value], "any"), ("an empty list", [], "any")]
    return values


def spoiled(text: str, rng: random.Random) -> tuple[str, bytes, Harm]:
    """A YAML text changed in one way: what was done, the bytes, what must become of it."""
    document = yamlfile_data(text)
    way = rng.choice(["value"] * 6 + ["key", "key", "bytes", "bytes", "line", "line"])
    if way == "value":
        key, value = rng.choice(list(nodes(document)))
        what, new, harm = rng.choice(other_kinds(value, key))
        return f"{yamlfile.spell(key)}: {what}", dumped(placed(document, key, new)), harm
    if way == "key":
        return key_spoiled(document, rng)
    if way == "line":
        return line_spoiled(text, rng)
    data = text.encode()
    at = rng.randrange(len(data))
    ways: list[tuple[str, bytes, Harm]] = [
        (f"cut at {at}", data[:at], "any"),
        (f"a bit of byte {at}", flipped(data, at, rng), "any"),
        (f"no UTF-8 at {at}", data[:at] + b"\xff\xfe" + data[at:], "refuse"),
        (f"NUL at {at}", data[:at] + b"\0" + data[at:], "refuse"),
        ("empty", b"", "refuse"),
    ]
    return rng.choice(ways)


def key_spoiled(document: dict[str, Any], rng: random.Random) -> tuple[str, bytes, Harm]:
    """A key more, less, or of another name."""
    mappings = [((), document), *((k, v) for k, v in nodes(document) if isinstance(v, dict) and v)]
    key, held = rng.choice(mappings)
    name = rng.choice(list(held))
    rest = {other: value for other, value in held.items() if other != name}
    free: Harm = (
        "any"
        if len(key) and (key[0] in ("prompts", "statements") or set(key) & set(FREE))
        else "refuse"
    )
    what, new, harm = rng.choice(
        [
            (f"{name} left out", rest, "any"),
            (f"{name} called otherwise", {**rest, f"{name}x": held[name]}, free),
            ("a key more", {**held, "surprise": 1}, free),
        ]
    )
    whole = placed(document, key, new) if key else new
    return f"{yamlfile.spell(key) or 'top'}: {what}", dumped(whole), harm


def line_spoiled(text: str, rng: random.Random) -> tuple[str, bytes, Harm]:
    """A line twice, of a tag, an alias, or other brackets."""
    lines = text.splitlines()
    tops = [n for n, line in enumerate(lines) if line[:1].isalpha() and ":" in line]
    at = rng.choice(tops)
    name = lines[at].partition(":")[0]
    ways: list[tuple[str, list[str], Harm]] = [
        ("key twice", [f"{name}: x", *lines[at:]], "refuse"),
        ("tag", [f"{name}: !!python/tuple [1]"], "refuse"),
        ("alias", [f"{name}: &a [1]", "again: *a"], "refuse"),
        ("bracket", [f"{name}: [1, {{"], "refuse"),
        ("many levels", [f"{name}: {'[' * 2000}{']' * 2000}"], "refuse"),
        ("list for a key", ["? [a, b]", ": 1", *lines[at:]], "refuse"),
    ]
    what, new, harm = rng.choice(ways)
    return f"{name}: {what}", "\n".join([*lines[:at], *new]).encode(), harm


def yamlfile_data(text: str) -> dict[str, Any]:
    """Content of a YAML text, by the rules of `ikusi.yamltext`."""
    data: dict[str, Any] = yaml.load(text, Loader=yamltext._Loader)
    return data


def dumped(document: Any) -> bytes:
    """A document as YAML: JSON is, but for what JSON cannot say."""
    text = json.dumps(document, ensure_ascii=False)
    return text.replace("Infinity", ".inf").replace("NaN", ".nan").encode()


def files(paths: list[Path], read: Read, folder: Path, rng: random.Random) -> Cases:
    """Cases from shipped files, one of which is spoiled at a time."""
    yield Case("nothing", paths[0], lambda: None, "any")
    while True:
        shipped = rng.choice(paths)
        for beside in shipped.parent.glob("*.yaml"):  # which it may extend
            put(folder / beside.name, beside.read_bytes())
        done, data, harm = spoiled(shipped.read_text("utf-8"), rng)
        path = folder / shipped.name
        put(path, data)
        yield Case(done, path, partial(read, path), harm)


def of(paths: list[Path], read: Read) -> Kind:
    """A kind of shipped file."""
    return partial(files, sorted(paths), read)


FILES: dict[str, Kind] = {
    "recipes": of(list(RECIPES.glob("*.yaml")), read_recipe),
    "translation settings": of(list((RECIPES / "translate").glob("*.yaml")), settings.load),
    "language packs": of(list((PACKAGE / "languages").glob("*.yaml")), read_pack),
    "benchmarks": of(list((PACKAGE / "benchmarks").rglob("*.yaml")), read_benchmark),
    "prompts": of(list((PACKAGE / "translate" / "prompts").rglob("*.yaml")), read_prompt),
}
