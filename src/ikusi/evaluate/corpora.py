"""Where the corpora of benchmarks and of training are."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ikusi import yamlfile
from ikusi.data.alike import warn_if_alike
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate.benchmark import Benchmark

CORPORA = Path("corpora")
"""Where imported and translated corpora are kept, in the docs and recipes."""


def find(
    benchmarks: Sequence[Benchmark],
    languages: Sequence[str],
    data: Path,
    given: Mapping[str, Path] | None = None,
) -> list[tuple[Benchmark, Corpus]]:
    """Return each benchmark with its corpus, in all languages asked for.

    A corpus called NAME is looked for in ``given``, then, in ``data`` and in ``corpora``, as
    ``benchmarks/NAME``, ``NAME`` and ``NAME-LANGUAGE`` (where a translation is kept), and as NAME
    itself.

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
    found = []
    for place in _places(bench.corpus, languages, data, given):
        if not (place / "corpus.json").is_file():
            continue
        corpus = Corpus.open(place)
        if set(languages) <= set(corpus.languages):
            warn_if_alike(corpus, corpus.languages)
            return corpus
        found.append(f"{place} in {', '.join(corpus.languages)}")
    places = _places(bench.corpus, languages, data, given)
    looked = ", ".join(map(str, dict.fromkeys(places)))
    raise InputError(
        f"{bench.name}: expected a corpus in {', '.join(languages)} at one of {looked}; "
        f"found {'; '.join(found) or 'none'}"
    )


def _places(
    name: str, languages: Sequence[str], data: Path, given: Mapping[str, Path]
) -> Iterator[Path]:
    if name in given:
        yield given[name]
        return
    for folder in dict.fromkeys((data, CORPORA)):
        yield folder / "benchmarks" / name
        yield folder / name
        yield from (folder / f"{name}-{code}" for code in languages)
    yield Path(name)
