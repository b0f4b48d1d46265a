"""The text of the miniature's backbones: scenes in emoji with questions, facts, translations.

A row is a conversation. Where a study shows a picture, a scene is written in emoji: as a row of the
ground and the things, or as a map with one emoji a cell, as an encoder's features come. Some cells
of a map are misread as a look-alike, as an encoder's are, so that a thing is recognised by most of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ikusi import language
from ikusi.data.corpus import CorpusWriter
from ikusi.miniature.corpora import (
    OPEN,
    ask_caption,
    load_speaker,
    write_checks,
    write_conversations,
    write_questions,
)
from ikusi.miniature.pictures.drawings import load_drawings
from ikusi.miniature.pictures.scenes import GROUND_SIGNS, GROUNDS, choose_places, label_cells
from ikusi.miniature.pictures.splits import make_generator, split
from ikusi.miniature.words.concepts import Concept, select_named
from ikusi.miniature.words.knowledge import (
    EMOJI_TASKS,
    FACTS,
    ask_emoji,
    ask_fact,
    ask_translation,
    select_speakable,
)
from ikusi.miniature.words.questions import Asker, Drawn, InEmoji
from ikusi.miniature.words.speaker import VARIANTS, Exchange, Speaker

CONCEPTS = 250
SOURCE = "en"
SEED = 7
GRID = 8  # cells a side of a map
MAPS, CAPTIONS = 0.5, 0.2  # shares of scenes in emoji: as a map, and with a caption asked for
CHECKED = 0.3  # share of scenes in emoji with yes/no questions alone


@dataclass(frozen=True)
class Blur:
    """Faults of a map: `misread` of its cells, at most, are each one of `look_alikes`."""

    misread: float = 0.5
    look_alikes: int = 4


USUAL = Blur()
HARD = Blur(misread=0.9, look_alikes=8)  # only many cells together then say what is there

Rows = Iterator[list[Exchange]]
Kind = Callable[[Sequence[Speaker], int, np.random.Generator], Rows]


def write_sentences(rows: int) -> Iterator[str]:
    """Yield training text of the shipped tokenizer: the backbones', in both shipped languages."""
    random = make_generator(SEED, 9)
    for code in (SOURCE, "eu"):
        one = load_speaker(language.load(code))
        for exchanges in mix_rows([one], rows, random):
            for exchange in exchanges:
                yield exchange.question(one)
                yield exchange.answer(one)


def write(speakers: Sequence[Speaker], output: Path, rows: Iterable[list[Exchange]]) -> None:
    """Write rows as a corpus of instructions, in the language of each speaker."""
    with CorpusWriter(output, "instruction", [one.code for one in speakers]) as writer:
        for number, exchanges in enumerate(rows):
            texts = write_conversations(exchanges, {one.code: one for one in speakers})
            writer.add_row(f"text-{number:06d}", None, texts, task=exchanges[0].task)


def mix_rows(speakers: Sequence[Speaker], rows: int, random: np.random.Generator) -> Rows:
    """Six in ten rows about scenes in emoji, two about countries, the others about words and
    lists."""
    codes = [one.code for one in speakers]
    concepts, known = _nameable(codes), select_speakable(*codes)
    for _ in range(rows):
        chance = random.random()
        variant = int(random.integers(VARIANTS))
        if chance < 0.6:
            yield _write_scene(concepts, random)
        elif chance < 0.8:
            country = known[random.integers(len(known))]
            yield [ask_fact(country, str(task), variant) for task in random.permutation(FACTS)]
        elif chance < 0.9 and len(codes) > 1:
            pair = codes if random.random() < 0.5 else codes[::-1]
            picked = random.choice(len(concepts), 3, replace=False)
            yield [ask_translation(concepts[i], pair[0], pair[1], variant) for i in picked]
        else:
            tasks = random.choice(EMOJI_TASKS, 2, replace=False)
            yield [ask_emoji(str(task), concepts, random, variant) for task in tasks]


def write_yes_or_no(speakers: Sequence[Speaker], rows: int, random: np.random.Generator) -> Rows:
    """Whether a thing is in a scene that is written as a row; one question each."""
    concepts = _nameable([one.code for one in speakers])
    asker = Asker(concepts)
    for _ in range(rows):
        drawn = _draw(concepts, random)
        asked = next(write_checks(asker, drawn, random))
        yield [InEmoji(**vars(asked), scene="".join(_signs(drawn)))]


def write_yes_or_no_of_maps(
    speakers: Sequence[Speaker], rows: int, random: np.random.Generator
) -> Rows:
    """Whether a thing is in a scene; one question each. Three scenes in four are maps that are hard
    to read, as the features of a drawing by an unknown artist are."""
    concepts = _nameable([one.code for one in speakers])
    asker = Asker(concepts)
    for number in range(rows):
        drawn = _draw(concepts, random)
        asked = next(write_checks(asker, drawn, random))
        as_map = number % 4 > 0
        scene = draw_emoji_map(asker, drawn, random, HARD) if as_map else "".join(_signs(drawn))
        yield [InEmoji(**vars(asked), scene=scene)]


def _nameable(codes: Sequence[str]) -> tuple[Concept, ...]:
    splits = split(load_drawings(), CONCEPTS)
    return select_named((*splits.concepts, *splits.unseen_concepts), *codes)


def _write_scene(concepts: Sequence[Concept], random: np.random.Generator) -> list[Exchange]:
    """A conversation about a scene in emoji."""
    asker, drawn = Asker(concepts), _draw(concepts, random)
    as_map = random.random() < MAPS
    scene = draw_emoji_map(asker, drawn, random) if as_map else "".join(_signs(drawn))
    if random.random() < CHECKED:
        asked = list(write_checks(asker, drawn, random))
    else:
        asked = write_questions(asker, drawn, random, [*OPEN, "describe"])
    if random.random() < CAPTIONS and asked[-1].task != "describe":
        asked[-1] = ask_caption(drawn, int(random.integers(VARIANTS)))  # it would reveal the others
    return [InEmoji(**vars(asked[0]), scene=scene), *asked[1:]]


def _draw(concepts: Sequence[Concept], random: np.random.Generator) -> Drawn:
    picked = random.choice(len(concepts), int(random.integers(1, 4)), replace=False)
    ground = list(GROUNDS)[random.integers(len(GROUNDS))]
    return Drawn(tuple(concepts[i] for i in picked), "emoji", ground)


def _signs(drawn: Drawn) -> list[str]:
    """The ground's sign, then those of the things from left to right."""
    return [GROUND_SIGNS[drawn.ground], *(concept.emoji for concept in drawn.concepts)]


def draw_emoji_map(
    asker: Asker, drawn: Drawn, random: np.random.Generator, blur: Blur = USUAL
) -> str:
    """A scene as text: for each cell of a grid, row by row, the sign of what is there."""
    signs = _signs(drawn)
    alike = [
        [other.emoji for other in asker.near(concept, drawn, random, blur.look_alikes)]
        for concept in drawn.concepts
    ]
    shown = label_cells(choose_places(len(drawn.concepts), random), GRID)
    misread = random.random(len(shown)) < random.uniform(0, blur.misread)
    return "".join(
        alike[cell - 1][random.integers(blur.look_alikes)] if cell and wrong else signs[cell]
        for cell, wrong in zip(shown, misread, strict=True)
    )
