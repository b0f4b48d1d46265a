"""Translations beside those of people: captions of Tux Paint's stamps, in some 75 languages.

    python bench/translate_captions.py recipes/translate/apertium-gl.yaml

A recipe of `ikusi translate` translates the English captions; people translated the same ones. For
all captions, and for short and long ones apart: how many were translated and how many were refused,
chrF++ against the person's (the mean of the captions', with its 95 % interval, and of all of them
together), and how many are the person's words exactly, but for capitals and the last stop. Stamps
that are not installed are fetched; `--stamps` names a folder of them, or Debian's package.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from sacrebleu.metrics import CHRF

from ikusi import processes, statistics
from ikusi.data.corpus import Corpus
from ikusi.data.importing import import_corpus
from ikusi.data.sources.tuxpaint import locate_stamps
from ikusi.translate import settings as translations
from ikusi.translate.run import translate

LENGTHS = {"all": (1, 10**6), "1 to 3 words": (1, 3), "4 to 8": (4, 8), "9 or more": (9, 10**6)}
"""Captions by the words of the English one, the first and last number that count."""

Captions = Mapping[str, str]  # by the stamp's id


def read_captions(folder: Path, language: str) -> dict[str, str]:
    """The captions of a corpus in a language."""
    table = Corpus.open(folder).table(language)
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


def is_same(one: str, other: str) -> bool:
    """Whether two captions have the same words."""
    first, second = (text.strip().rstrip(".").casefold() for text in (one, other))
    return first == second


def measure(ids: Sequence[str], ours: Captions, theirs: Captions) -> str:
    """Figures of some captions, as cells of a table's row."""
    done = [id for id in ids if id in ours]
    if not done:
        return f"{len(ids)} | 0 | | | "
    metric = CHRF(word_order=2)
    scores = [metric.sentence_score(ours[id], [theirs[id]]).score for id in done]
    mean, low, high = statistics.bootstrap_interval(scores)
    whole = metric.corpus_score([ours[id] for id in done], [[theirs[id] for id in done]]).score
    same = sum(is_same(ours[id], theirs[id]) for id in done)
    return f"{len(ids)} | {len(done)} | {mean:.1f} [{low:.1f}, {high:.1f}] | {whole:.1f} | {same}"


def main() -> None:
    """Translate, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", type=Path, help="a recipe of `ikusi translate`, from English")
    parser.add_argument("--stamps", type=Path, help="a folder of stamps, or Debian's package")
    parser.add_argument("--limit", type=int, help="only the first captions")
    asked = parser.parse_args()
    recipe, stamps = translations.load(asked.recipe), locate_stamps(asked.stamps)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        import_corpus("tuxpaint", folder / "both", stamps, languages=["en", recipe.language])
        import_corpus("tuxpaint", folder / "en", stamps, languages=["en"])
        began = time.monotonic()
        translate(recipe, folder / "en", folder / "ours", limit=asked.limit)
        seconds = time.monotonic() - began
        english, theirs = (read_captions(folder / "both", code) for code in ("en", recipe.language))
        ours = read_captions(folder / "ours", recipe.language)
        first = set(Corpus.open(folder / "en").ids[: asked.limit])
    ids = [id for id in english if id in first]
    print(f"{recipe.name}, English to {recipe.language}, {seconds:.0f} s, with what checks it")
    print(f"{processes.name_processor()}, sacrebleu {version('sacrebleu')}, {platform.system()}")
    print("\n| captions | by people | translated | chrF++ of each | of all | same words |")
    print("| --- | --- | --- | --- | --- | --- |")
    for title, (least, most) in LENGTHS.items():
        those = [id for id in ids if least <= len(english[id].split()) <= most]
        print(f"| {title} | {measure(those, ours, theirs)} |")


if __name__ == "__main__":
    main()
