"""Finds the corpora of benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ikusi import yamlfile
from ikusi.data.alike import warn_if_alike
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate.benchmark import Benchmark
from ikusi.recipe.folder import CORPORA, HUB, describe_absence, list_places


def find(
    benchmarks: Sequence[Benchmark],
    languages: Sequence[str],
    data: Path = CORPORA,
    given: Mapping[str, Path] | None = None,
) -> list[tuple[Benchmark, Corpus]]:
    """Return each benchmark with its corpus, in all languages asked for.

    A corpus is looked for in ``given``, then where `list_places` says.

    Raises:
        InputError: there is none, or none with all languages.
    """
    named = given or {}
    unknown = sorted(set(named) - {bench.corpus for bench in benchmarks})
    if unknown:
        known = sorted({bench.corpus for bench in benchmarks})
        near = yamlfile.suggest(unknown[0].rpartition("/")[2], known)
        hint = f" (did you mean {near}?)" if near else ""
        raise InputError(
            f"corpus: expected the name of one that is asked for ({', '.join(known)}), "
            f"found {unknown[0]}{hint}"
        )
    return [(bench, _corpus(bench, languages, data, named)) for bench in benchmarks]


def _corpus(
    bench: Benchmark, languages: Sequence[str], data: Path, given: Mapping[str, Path]
) -> Corpus:
    own = given.get(bench.corpus)
    places = [own] if own else list(dict.fromkeys(list_places(bench.corpus, languages, data)))
    others = []
    for place in places:
        if not (place / "corpus.json").is_file():
            continue
        corpus = Corpus.open(place)
        if set(languages) <= set(corpus.languages):
            warn_if_alike(corpus, corpus.languages)
            return corpus
        others.append(f"{place} in {', '.join(corpus.languages)}")
    if bench.corpus.startswith(HUB) and not (own or others):
        raise InputError(f"{bench.name}: {describe_absence(bench.corpus)}")
    looked = ", ".join(map(str, places))
    raise InputError(
        f"{bench.name}: expected a corpus in {', '.join(languages)} at one of {looked}; "
        f"found {'; '.join(others) or 'none'}"
    )
