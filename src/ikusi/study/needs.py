"""What a recipe needs that this machine lacks: models, their licences, corpora; all at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ikusi.errors import InputError
from ikusi.miniature.shipped import PREFIX as MINIATURE
from ikusi.recipe import Recipe
from ikusi.study import layout


def missing(recipe: Recipe) -> list[str]:
    """Every model, corpus or row that a study would stop for, each in one line."""
    return list(dict.fromkeys([*_models(recipe), *_training(recipe), *_benchmarks(recipe)]))


def check(recipe: Recipe) -> None:
    """Refuse a recipe whose study could not be made here.

    Raises:
        InputError: something is missing; where several things are, a line for each.
    """
    lines = missing(recipe)
    if len(lines) > 1:
        lines.insert(0, f"{recipe.name}: expected all that it needs, found {len(lines)} missing:")
    if lines:
        raise InputError("\n  ".join(lines))


def _models(recipe: Recipe) -> Iterator[str]:
    for name in (recipe.vision, *map(recipe.backbone, recipe.grid.backbones)):
        try:
            place = layout.base(name)
        except InputError as error:
            yield str(error)
            continue
        if Path(place).is_dir():
            continue
        from ikusi.model import hub  # here and below: the miniature needs none of these

        try:
            hub.folder(place)
        except InputError as error:
            yield f"{error}{hub.licence(place)}"


def _training(recipe: Recipe) -> Iterator[str]:
    """Corpora that are absent, lack a language or have too few rows."""
    stages, text_only = recipe.stages, recipe.text_only
    used: list[tuple[str, str, Sequence[float | None]]] = [
        ("stages.align.corpus", stages.align.corpus, [stages.align.ratio]),
        ("stages.instruct.corpus", stages.instruct.corpus, recipe.grid.ratios),
    ]
    if text_only and any(recipe.grid.text_only):
        used.append(("text_only.corpus", text_only.corpus, [text_only.ratio]))
    for key, name, ratios in used:
        if not name.startswith(MINIATURE):
            rows = text_only.rows if text_only and key == "text_only.corpus" else 0
            yield from _corpus(recipe, key, Path(name), ratios, rows)


def _corpus(
    recipe: Recipe, key: str, folder: Path, ratios: Sequence[float | None], rows: int
) -> Iterator[str]:
    if not folder.is_dir():
        yield f"{key}: {folder}: expected the folder of a corpus, found none"
        return
    from ikusi.data.corpus import Corpus

    try:
        corpus = Corpus.open(folder)
    except InputError as error:
        yield f"{key}: {error}"
        return
    shares = [ratio for ratio in ratios if ratio is not None]
    spoken = [recipe.language] * any(shares) + [recipe.source_language] * (min(shares) < 1)
    if set(spoken) - set(corpus.languages):
        found = ", ".join(corpus.languages)
        yield f"{key}: {folder}: expected {' and '.join(spoken)}, found {found}"
    if len(corpus) < rows:
        yield f"text_only.rows: expected at most the {len(corpus)} rows of {folder}, found {rows}"


def _benchmarks(recipe: Recipe) -> Iterator[str]:
    given = [name for name in recipe.benchmarks if not name.startswith(MINIATURE)]
    if not given:
        return
    from ikusi.evaluate import benchmark, corpora

    languages = (recipe.language, recipe.source_language)
    for name in given:
        try:
            corpora.find([benchmark.load(name)], languages, corpora.CORPORA)
        except InputError as error:
            yield str(error)
