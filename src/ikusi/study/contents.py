"""Fingerprints of all that steps read besides other steps; each thing is read once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ikusi import artifact, content, language
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.evaluate.benchmark import Benchmark
from ikusi.miniature import packages
from ikusi.miniature.bases import shipped
from ikusi.recipe.folder import MINIATURE, describe_absence, locate_corpus


class Contents:
    """Fingerprints of what the steps of one study read, by the names that manifests give them."""

    def __init__(self) -> None:
        # Of this object alone: files may change before the next study is laid out.
        self.benchmark = cache(benchmark.load)
        self._pack = cache(lambda code: artifact.fingerprint(language.load(code)))
        self._model, self._folder = cache(_model), cache(content.hash_folder)

    def packs(self, *codes: str) -> dict[str, str]:
        """Language packs."""
        return {f"language {code}": self._pack(code) for code in codes}

    def models(self, *names: str) -> dict[str, str]:
        """Base models; of one on the hub its name and revision must do."""
        return {name: self._model(name) for name in names}

    def corpora(self, *names: str) -> dict[str, str]:
        """Corpora that are trained on and that the study does not make itself.

        Raises:
            InputError: one is not there.
        """
        given = [name for name in names if not name.startswith(MINIATURE)]
        for name in given:
            if not locate_corpus(name).is_dir():
                raise InputError(describe_absence(name))
        return {name: self._folder(locate_corpus(name)) for name in given}

    def judgements(self, names: Sequence[str]) -> dict[str, str]:
        """The judgements of people and models so far, in tables and projects of annotation."""
        if not names:
            return {}
        from ikusi.compare.judged import read_judgements  # heavy, and most recipes name none

        rows = {name: read_judgements([name]) for name in names}
        return {
            f"judgements {name}": artifact.fingerprint([one.to_json() for one in own])
            for name, own in rows.items()
        }

    def drawings(self) -> dict[str, str]:
        """The tables that say where the miniature's pictures and words come from."""
        return {
            f"{MINIATURE}{table.name}": artifact.fingerprint(table.read_bytes())
            for table in packages.list_tables()
        }

    def stamps(self, asked: bool | str) -> dict[str, str]:
        """The pictures by others that the miniature is tested on; they are fetched if need be.

        Raises:
            InputError: they are asked for, and are not to be had.
        """
        if asked is False:
            return {}
        from ikusi.miniature.pictures import stamps  # heavy, and most recipes ask for none

        folder = stamps.locate(asked)
        return {"stamps": self._folder(folder)} if folder else {}

    def benchmarks(self, names: Sequence[str], languages: Sequence[str]) -> dict[str, str]:
        """The definitions of benchmarks, and the corpora of those not made by the study itself."""
        known = [self.benchmark(name) for name in names]
        definitions = {
            f"benchmark {name}": artifact.fingerprint(benchmark.read_content(one))
            for name, one in zip(names, known, strict=True)
        }
        pairs = zip(names, known, strict=True)
        given = [one for name, one in pairs if not name.startswith(MINIATURE)]
        return definitions | (self._read_asked(given, languages) if given else {})

    def _read_asked(
        self, benchmarks: Sequence[Benchmark], languages: Sequence[str]
    ) -> dict[str, str]:
        from ikusi.evaluate import corpora  # heavy, and the miniature needs none of it

        pairs = corpora.find(benchmarks, languages)
        return {f"corpus {known.name}": self._folder(corpus.folder) for known, corpus in pairs}


def _model(name: str) -> str:
    place = Path(shipped.locate_base(name))
    return content.hash_folder(place) if place.is_dir() else name
