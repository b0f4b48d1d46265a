"""Write the miniature's corpora: captions, instructions, text, and the five benchmarks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ikusi import disk, language, recipe
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.language import LanguagePack
from ikusi.miniature.packages import write_attribution
from ikusi.miniature.pictures.drawings import Drawings, load_drawings
from ikusi.miniature.pictures.scenes import GROUNDS, choose_colour, choose_places, compose, to_png
from ikusi.miniature.pictures.splits import UNSEEN, Splits, make_generator, split
from ikusi.miniature.words.concepts import Concept, select_named
from ikusi.miniature.words.knowledge import (
    EMOJI_TASKS,
    FACTS,
    ask_emoji,
    ask_fact,
    ask_translation,
    choose_fact,
    is_held_out,
    select_speakable,
)
from ikusi.miniature.words.questions import COUNTS, Asker, Drawn, ask_present, collect_facts, fits
from ikusi.miniature.words.speaker import VARIANTS, Exchange, Phrase, Speaker, is_given_away

Progress = Callable[[int, int, str], None]
QUESTIONS = 2  # more let names be copied from earlier answers, not read off the picture
CHECKED, CHECKS = 0.45, 8  # share of scenes with yes/no questions instead, and the most of these
SOURCE = "composed of emoji drawings (see ATTRIBUTION.md)"
VQA_TASKS = ("what", "left", "right", "next_to", "how_many", "ground", "category", "keywords")
CHOICE_TASKS = ("what", "which", "left", "right", "next_to")
RARE = ("what", "keywords")  # which few others can stand beside: they name the only thing there is
OPEN = [task for task in COUNTS if task not in ("present", "describe")]


@dataclass(frozen=True)
class Maker:
    """What the corpora of one study are made from."""

    settings: recipe.Miniature
    speakers: Mapping[str, Speaker]  # by language code
    drawings: Drawings
    splits: Splits
    after_picture: Callable[[], None] = lambda: None  # called after each picture

    @property
    def languages(self) -> list[str]:
        """Codes of the languages, in which every row is written."""
        return list(self.speakers)

    def word_columns(self, word: Callable[[Speaker], dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The same columns in every language."""
        return {code: word(speaker) for code, speaker in self.speakers.items()}

    @cached_property
    def _pools(self) -> dict[str | None, tuple[dict[str, list[Concept]], np.ndarray]]:
        """For each kind of unseen: the concepts by style, and how often a style is drawn."""
        return {unseen: self._pool(unseen) for unseen in (None, *UNSEEN)}

    def _pool(self, unseen: str | None) -> tuple[dict[str, list[Concept]], np.ndarray]:
        pool = self.splits.unseen_concepts if unseen == "concept" else self.splits.concepts
        by_style: dict[str, list[Concept]] = {}
        for concept in pool:
            for style in self.splits.styles(concept, unseen):
                by_style.setdefault(style, []).append(concept)
        rich = {style: concepts for style, concepts in by_style.items() if len(concepts) >= 3}
        weights = np.array([len(concepts) for concepts in rich.values()], dtype=float)
        return rich, weights / weights.sum()

    def draw(
        self, unseen: str | None, random: np.random.Generator, count: int | None = None
    ) -> Drawn:
        """A random scene of one style; `unseen` says in which way it is new, if any."""
        count = count or int(random.integers(1, 4))
        rich, weights = self._pools[unseen]
        style = list(rich)[random.choice(len(rich), p=weights)]
        picked = random.choice(len(rich[style]), count, replace=False)
        ground = list(GROUNDS)[random.integers(len(GROUNDS))]
        return Drawn(tuple(rich[style][i] for i in picked), style, ground)

    def picture(self, drawn: Drawn, random: np.random.Generator) -> bytes:
        """PNG bytes of the scene."""
        shown = [self.drawings[concept.id, drawn.style] for concept in drawn.concepts]
        colour = choose_colour(drawn.ground, random)
        boxes = choose_places(len(shown), random)
        data = to_png(compose(shown, boxes, colour, self.settings.image_size, random))
        self.after_picture()
        return data


def build(
    settings: recipe.Miniature,
    target: str,
    source: str,
    packs: Mapping[str, LanguagePack],
    output: Path,
    progress: Progress | None = None,
) -> None:
    """Write every corpus of a study into `output`.

    Args:
        settings: how many concepts, scenes and rows.
        target: code of the target language.
        source: code of the source language.
        packs: the pack of each of the two.
        output: folder to fill: captions, instructions, text, benchmarks/*, ATTRIBUTION.md.
        progress: called with (done, total, what).

    Raises:
        InputError: a language has no CLDR names or its pack lacks a sentence.
    """
    speakers = {code: load_speaker(packs[code]) for code in (target, source)}
    made = load_drawings(_part_of(progress, 0, 0.5))  # as long as all else, unless they are cached
    splits = _keep_named(split(made, settings.concepts), target, source)
    scenes = settings.caption_scenes + settings.train_scenes + len(UNSEEN) * settings.test_scenes
    composed, report = itertools.count(1), _part_of(progress, 0.5, 1)
    maker = Maker(
        settings, speakers, made, splits, lambda: report(next(composed), scenes, "composing scenes")
    )
    write_captions(maker, output / "captions")
    write_instructions(maker, output / "instructions")
    write_text(maker, output / "text")
    write_benchmarks(maker, output / "benchmarks")
    disk.write_text(output / "ATTRIBUTION.md", write_attribution())


def _part_of(progress: Progress | None, start: float, stop: float) -> Progress:
    """A stretch of a longer progress, from one share of it to another."""

    def report(done: int, total: int, what: str) -> None:
        if progress:
            share = start + (stop - start) * done / max(total, 1)
            progress(round(1000 * share), 1000, what)

    return report


def write_captions(maker: Maker, folder: Path) -> None:
    """Captions for alignment, as CC3M is in the paper."""
    random = make_generator(maker.settings.seed, 1)
    with CorpusWriter(folder, "caption", maker.languages) as writer:
        for number in range(maker.settings.caption_scenes):
            drawn = maker.draw(None, random)
            variant = int(random.integers(VARIANTS))
            row = f"caption-{number:06d}"
            _add_picture(writer, row, maker.picture(drawn, random), maker)
            texts = {
                code: {"text": write_caption(drawn, variant, speaker)}
                for code, speaker in maker.speakers.items()
            }
            writer.add_row(row, row, texts, task="caption")


def write_caption(drawn: Drawn, variant: int, speaker: Speaker) -> str:
    """One sentence that says what is drawn and on which ground."""
    listed = speaker.join_list([speaker.name(concept) for concept in drawn.concepts])
    colour = speaker.pack.colours[drawn.ground]
    return speaker.pack.state("caption", variant, list=listed, colour=colour)


def ask_caption(drawn: Drawn, variant: int) -> Exchange:
    """The caption as the answer to a request for one."""
    every = frozenset(collect_facts(drawn))
    caption: Phrase = lambda speaker: write_caption(drawn, variant, speaker)  # noqa: E731
    return Exchange("caption", variant, {}, caption, about=every, reveals=every)


def write_instructions(maker: Maker, folder: Path) -> None:
    """Conversations of several questions about a scene, as PixMo-AMA is in the paper."""
    random = make_generator(maker.settings.seed, 2)
    asker = Asker(maker.splits.concepts)
    with CorpusWriter(folder, "instruction", maker.languages) as writer:
        for number in range(maker.settings.train_scenes):
            drawn = maker.draw(None, random)
            row = f"scene-{number:06d}"
            _add_picture(writer, row, maker.picture(drawn, random), maker)
            exchanges = write_conversation(asker, drawn, random)
            writer.add_row(row, row, write_conversations(exchanges, maker.speakers))


def write_conversation(asker: Asker, drawn: Drawn, random: np.random.Generator) -> list[Exchange]:
    """Questions about one scene and, last, its description, which names all there is.

    None can be answered from what was said before it.
    """
    last = asker.ask("describe", drawn, random, int(random.integers(VARIANTS)))
    if random.random() < CHECKED:
        return [*write_checks(asker, drawn, random), last]
    return write_questions(asker, drawn, random, OPEN, last)


def write_checks(asker: Asker, drawn: Drawn, random: np.random.Generator) -> Iterator[Exchange]:
    """Whether things are in a scene: each answer is a fair coin's, whatever was said before it.

    An absent thing that is asked for resembles a present one that has not been named yet, and the
    questions end where there is none left. Often one thing is never named, so that the description
    which follows has to be read off the picture.
    """
    waiting = [drawn.concepts[place] for place in random.permutation(len(drawn.concepts))]
    waiting = waiting[: max(1, len(waiting) - int(random.integers(2)))]
    asked: set[Hashable] = set()
    for _ in range(min(CHECKS, len(asker.concepts) - len(drawn.concepts))):
        truth, variant = bool(random.random() < 0.5), int(random.integers(VARIANTS))
        exchange = ask_present(asker, drawn, waiting[-1], truth, random, variant, asked)
        asked |= exchange.about
        yield exchange
        if truth:
            waiting.pop()
        if not waiting:
            return


def write_questions(
    asker: Asker,
    drawn: Drawn,
    random: np.random.Generator,
    tasks: Iterable[str],
    last: Exchange | None = None,
) -> list[Exchange]:
    """Different questions about one scene, then `last`; no answer is given away by those before it.

    `tasks`: the kinds of question to choose from; `random` chooses them, wordings and distractors.
    """
    fitting = [task for task in tasks if fits(task, len(drawn.concepts))]
    likely = [*fitting, *(task for task in fitting if task in RARE)]
    first = likely[random.integers(len(likely))]  # always asked, so that each has its share
    fitting.remove(first)

    def draw_once() -> list[Exchange]:
        others = random.permutation(len(fitting))[: QUESTIONS - 1]
        picked = [first, *(fitting[place] for place in others)]
        asked = [
            asker.ask(picked[place], drawn, random, int(random.integers(VARIANTS)))
            for place in random.permutation(len(picked))
        ]
        return [*asked, last] if last else asked

    return _draw_fairly(draw_once)


def _draw_fairly(draw: Callable[[], list[Exchange]]) -> list[Exchange]:
    """What is drawn, again until no question is given away."""
    exchanges = draw()
    while is_given_away(exchanges):
        exchanges = draw()
    return exchanges


def write_text(maker: Maker, folder: Path) -> None:
    """Text-only instructions about the countries that are not held out, and about emoji."""
    random = make_generator(maker.settings.seed, 3)
    with CorpusWriter(folder, "instruction", maker.languages) as writer:
        for number in range(maker.settings.text_rows):
            exchanges = write_text_pair(maker, random)
            texts = write_conversations(exchanges, maker.speakers)
            writer.add_row(f"text-{number:06d}", None, texts, task=exchanges[0].task)


def write_text_pair(maker: Maker, random: np.random.Generator) -> list[Exchange]:
    """Two questions without a picture, the second not answered by the first."""
    return _draw_fairly(lambda: [_text_exchange(maker, random) for _ in range(2)])


def _text_exchange(maker: Maker, random: np.random.Generator) -> Exchange:
    known = [c for c in select_speakable(*maker.languages) if not is_held_out(c)]
    tasks = (*FACTS, *FACTS, *EMOJI_TASKS, "translate", "translate")
    task = tasks[random.integers(len(tasks))]
    variant = int(random.integers(VARIANTS))
    concepts = maker.splits.concepts
    if task in FACTS:
        return ask_fact(known[random.integers(len(known))], task, variant)
    if task == "translate":
        first, second = maker.languages
        pair = (first, second) if random.random() < 0.5 else (second, first)
        return ask_translation(concepts[random.integers(len(concepts))], *pair, variant)
    return ask_emoji(task, concepts, random, variant)


def write_benchmarks(maker: Maker, folder: Path) -> None:
    """The five benchmarks; those with pictures in every way of being unseen, `group` says which."""
    random = make_generator(maker.settings.seed, 4)
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"vqa": "vqa", "aokvqa": "choice", "capqa": "choice", "wildvision": "vqa"}
    writers = {
        name: CorpusWriter(folder / name, row_type, maker.languages)
        for name, row_type in kinds.items()
    }
    for unseen in UNSEEN:
        pool = maker.splits.unseen_concepts if unseen == "concept" else maker.splits.concepts
        asker = Asker(pool)
        for number in range(maker.settings.test_scenes):
            drawn = maker.draw(unseen, random, count=1 + number % 3)
            data = maker.picture(drawn, random)
            for name, exchange in _examination(asker, drawn, number, random).items():
                row = f"{unseen}-{number:05d}"
                _add_picture(writers[name], row, data, maker)
                texts = maker.word_columns(COLUMNS[kinds[name]](exchange))
                writers[name].add_row(row, row, texts, group=unseen, task=exchange.task)
    for writer in writers.values():
        writer.close()
    _write_knowledge(maker, folder / "bertaqa", random)


def _examination(
    asker: Asker, drawn: Drawn, number: int, random: np.random.Generator
) -> dict[str, Exchange]:
    """One question of each benchmark about a test scene; tasks take turns, answers are balanced."""
    count = len(drawn.concepts)
    open_tasks = [task for task in VQA_TASKS if fits(task, count)]
    choice_tasks = [task for task in CHOICE_TASKS if fits(task, count)]
    there = drawn.concepts[random.integers(count)]
    turn = number // 3
    return {
        "vqa": asker.ask(open_tasks[turn % len(open_tasks)], drawn, random),
        "aokvqa": asker.choose(choice_tasks[turn % len(choice_tasks)], drawn, random),
        "capqa": ask_present(asker, drawn, there, turn % 2 == 0, random),
        "wildvision": asker.ask("describe", drawn, random),
    }


def _write_knowledge(maker: Maker, folder: Path, random: np.random.Generator) -> None:
    """Facts about the held-out countries with four options, as BertaQA is in the paper."""
    known = select_speakable(*maker.languages)
    with CorpusWriter(folder, "choice", maker.languages) as writer:
        for country in filter(is_held_out, known):
            for task in FACTS:
                exchange = choose_fact(country, task, known, random)
                texts = maker.word_columns(_choice_columns(exchange))
                row = f"{country.code}-{task}"
                writer.add_row(row, None, texts, group="knowledge", task=task)


def _vqa_columns(exchange: Exchange) -> Callable[[Speaker], dict[str, Any]]:
    return lambda s: {"question": exchange.question(s), "answers": exchange.gold(s)}


def _choice_columns(exchange: Exchange) -> Callable[[Speaker], dict[str, Any]]:
    return lambda s: {
        "question": exchange.question(s),
        "choices": [option(s) for option in exchange.options],
        "answer": exchange.right,
    }


COLUMNS = {"vqa": _vqa_columns, "choice": _choice_columns}


def write_conversations(
    exchanges: list[Exchange], speakers: Mapping[str, Speaker]
) -> dict[str, dict[str, Any]]:
    """The same questions and answers in every language, as instruction rows have them."""
    return {code: {"turns": _turns(exchanges, one)} for code, one in speakers.items()}


def _turns(exchanges: list[Exchange], speaker: Speaker) -> list[dict[str, str]]:
    turns = []
    for exchange in exchanges:
        turns.append({"role": "user", "content": exchange.question(speaker)})
        turns.append({"role": "assistant", "content": exchange.answer(speaker)})
    return turns


def _add_picture(writer: CorpusWriter, image_id: str, data: bytes, maker: Maker) -> None:
    side = maker.settings.image_size
    writer.add_image(image_id, data, "png", side, side, SOURCE)


def load_speaker(pack: LanguagePack) -> Speaker:
    """A speaker of a language; its pack must have all that the miniature needs.

    Raises:
        InputError: the pack lacks a word or a sentence.
    """
    if faults := language.check(pack):
        more = f" ({len(faults)} such; `ikusi language check {pack.code}`)"
        raise InputError(faults[0] + more)
    return Speaker(pack)


def _keep_named(splits: Splits, *languages: str) -> Splits:
    """Drop the concepts that one of the languages does not name."""
    return Splits(
        select_named(splits.concepts, *languages),
        select_named(splits.unseen_concepts, *languages),
        splits.trained,
        splits.withheld,
        splits.others,
    )
