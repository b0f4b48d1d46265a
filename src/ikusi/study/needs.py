"""Find what a study would stop for here: models, licences, corpora, pictures trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ikusi.errors import InputError
from ikusi.miniature.bases import shipped
from ikusi.recipe import Recipe
from ikusi.recipe.folder import MINIATURE, describe_absence, locate_corpus

if TYPE_CHECKING:
    from ikusi.data.corpus import Corpus


def list_missing(recipe: Recipe) -> list[str]:
    """Every model, corpus, row or picture that a study would stop for, each in one line."""
    trained: dict[Path, Corpus] = {}
    lines = [*_models(recipe), *_training(recipe, trained)]
    return list(dict.fromkeys([*lines, *_benchmarks(recipe, list(trained.values()))]))


def check(recipe: Recipe) -> None:
    """Refuse a recipe whose study could not be made here.

    Raises:
        InputError: something is in the way; where several things are, a line for each.
    """
    lines = list_missing(recipe)
    if len(lines) > 1:
        lines.insert(
            0, f"{recipe.name}: expected all that it needs, found {len(lines)} missing or wrong:"
        )
    if lines:
        raise InputError("\n  ".join(lines))


def fetch_models(recipe: Recipe) -> None:
    """Bring the LLMs of a recipe that a registry has, those that are not here.

    Raises:
        InputError: one cannot be fetched.
    """
    for name in map(recipe.backbone, recipe.list_llms()):
        if shipped.find_package(name):
            from ikusi.miniature.bases import fetched

            fetched.fetch_model(name)


def _models(recipe: Recipe) -> Iterator[str]:
    encoder = [recipe.vision] if recipe.vision else []
    for name in (*encoder, *map(recipe.backbone, recipe.list_llms())):
        if shipped.find_package(name):
            continue  # a study fetches it
        try:
            place = shipped.locate_base(name)
        except InputError as error:
            yield str(error)
            continue
        if Path(place).is_dir():
            continue
        from ikusi.model import hub  # here and below: the miniature needs none of these

        try:
            hub.find_folder(place)
        except InputError as error:
            yield f"{error}{hub.describe_licence(place)}"


def _training(recipe: Recipe, trained: dict[Path, Corpus]) -> Iterator[str]:
    """Corpora that are absent, lack a language or have too few rows; fills ``trained``."""
    stages, text_only = recipe.stages, recipe.text_only
    used: list[tuple[str, str, Sequence[float | None]]] = [
        ("stages.instruct.corpus", stages.instruct.corpus, recipe.grid.ratios),
    ]
    if stages.align:
        used.insert(0, ("stages.align.corpus", stages.align.corpus, [stages.align.ratio]))
    if text_only and any(recipe.grid.text_only):
        used.append(("text_only.corpus", text_only.corpus, [text_only.ratio]))
    for key, name, ratios in used:
        if not name.startswith(MINIATURE):
            rows = text_only.rows if text_only and key == "text_only.corpus" else 0
            yield from _corpus(recipe, key, name, ratios, rows, trained)


def _corpus(
    recipe: Recipe,
    key: str,
    name: str,
    ratios: Sequence[float | None],
    rows: int,
    trained: dict[Path, Corpus],
) -> Iterator[str]:
    folder = locate_corpus(name)
    if not folder.is_dir():
        yield f"{key}: {describe_absence(name)}"
        return
    from ikusi.data.corpus import Corpus

    try:
        corpus = trained[folder] = Corpus.open(folder)
    except InputError as error:
        yield f"{key}: {error}"
        return
    shares = [ratio for ratio in ratios if ratio is not None]
    languages = [recipe.language] * any(shares) + [recipe.source_language] * (min(shares) < 1)
    if set(languages) - set(corpus.languages):
        actual = ", ".join(corpus.languages)
        yield f"{key}: {folder}: expected {' and '.join(languages)}, found {actual}"
    if len(corpus) < rows:
        yield f"text_only.rows: expected at most the {len(corpus)} rows of {folder}, found {rows}"


def _benchmarks(recipe: Recipe, trained: Sequence[Corpus]) -> Iterator[str]:
    """Corpora of benchmarks that are absent, or have pictures of the corpora trained on."""
    given = [name for name in recipe.benchmarks if not name.startswith(MINIATURE)]
    if not given:
        return
    from ikusi.evaluate import benchmark, corpora

    languages = (recipe.language, recipe.source_language)
    for name in given:
        try:
            pairs = corpora.find([benchmark.load(name)], languages)
            if name not in recipe.seen_pictures:
                yield from _list_seen(name, pairs[0][1], trained, recipe.benchmark_rows)
        except InputError as error:
            yield str(error)


def _list_seen(
    name: str, asked: Corpus, trained: Sequence[Corpus], limit: int | None
) -> Iterator[str]:
    from ikusi.evaluate import overlap

    shared = overlap.find(asked, trained, limit)
    if shared.seen:
        where = " and ".join(map(str, shared.folders))
        yield (
            f"{name}: expected pictures that are not trained on, found {shared.seen} of "
            f"{shared.pictures} in {where}, such as {shared.example}; "
            f"seen_pictures=[{name}] allows it"
        )
