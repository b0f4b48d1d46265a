"""Write the miniature's corpora: captions, instructions, text, and the five benchmarks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ikusi import disk, language, recipe
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.language import LanguagePack
from ikusi.miniature.benchmarks import write_benchmarks
from ikusi.miniature.maker import Maker
from ikusi.miniature.packages import write_attribution
from ikusi.miniature.pictures.drawings import load_drawings
from ikusi.miniature.pictures.splits import UNSEEN, Splits, make_generator, split
from ikusi.miniature.pictures.stamps import ATTRIBUTION, load_stamps, locate
from ikusi.miniature.words.concepts import select_named
from ikusi.miniature.words.knowledge import (
    EMOJI_TASKS,
    FACTS,
    ask_emoji,
    ask_fact,
    ask_translation,
    is_held_out,
    select_speakable,
)
from ikusi.miniature.words.questions import COUNTS, Asker, Drawn, ask_present, collect_facts, fits
from ikusi.miniature.words.speaker import VARIANTS, Exchange, Phrase, Speaker, is_given_away

Progress = Callable[[int, int, str], None]
QUESTIONS = 2  # more let names be copied from earlier answers, not read off the picture
CHECKED, CHECKS = 0.45, 8  # share of scenes with yes/no questions instead, and the most of these
RARE = ("what", "keywords")  # which few others can stand beside: they name the only thing there is
OPEN = [task for task in COUNTS if task not in ("present", "describe")]


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
        InputError: a language has no CLDR names, its pack lacks a sentence, or stamps are asked
            for and are not to be had.
    """
    speakers = {code: load_speaker(packs[code]) for code in (target, source)}
    made = load_drawings(_part_of(progress, 0, 0.5))  # as long as all else, unless they are cached
    splits = _keep_named(split(made, settings.concepts), target, source)
    others = locate(settings.stamps)
    stamps = load_stamps(splits.concepts, others) if others else ()
    drawn = settings.caption_scenes + settings.train_scenes + len(UNSEEN) * settings.test_scenes
    composed, report, scenes = itertools.count(1), _part_of(progress, 0.5, 1), drawn + len(stamps)
    maker = Maker(
        settings, speakers, made, splits, stamps,
        lambda: report(next(composed), scenes, "composing scenes"),
    )  # fmt: skip
    write_captions(maker, output / "captions")
    write_instructions(maker, output / "instructions")
    write_text(maker, output / "text")
    write_benchmarks(maker, output / "benchmarks")
    disk.write_text(
        output / "ATTRIBUTION.md", write_attribution() + (ATTRIBUTION if stamps else "")
    )


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
            maker.add_picture(writer, row, maker.picture(drawn, random))
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
    """Conversations of several questions about a scene, as PixMo-AMA is in the paper.

    Scenes may have a second one, of yes/no questions alone, which is a task of its own: among many
    other words to learn, the few that say yes or no teach little of when to say which. Then no
    other conversation asks them.
    """
    random, further = (make_generator(maker.settings.seed, number) for number in (2, 6))
    asker = Asker(maker.splits.concepts)
    share = 0 if maker.settings.checked else CHECKED
    with CorpusWriter(folder, "instruction", maker.languages) as writer:
        for number in range(maker.settings.train_scenes):
            drawn = maker.draw(None, random)
            row = f"scene-{number:06d}"
            maker.add_picture(writer, row, maker.picture(drawn, random))
            exchanges = write_conversation(asker, drawn, random, share)
            writer.add_row(row, row, write_conversations(exchanges, maker.speakers))
            if number < maker.settings.checked_scenes:
                checks = list(write_checks(asker, drawn, further))
                texts = write_conversations(checks, maker.speakers)
                writer.add_row(f"checks-{number:06d}", row, texts, task=checks[0].task)


def write_conversation(
    asker: Asker, drawn: Drawn, random: np.random.Generator, checked: float = CHECKED
) -> list[Exchange]:
    """Questions about one scene and, last, its description, which names all there is.

    None can be answered from what was said before it. `checked`: the share of conversations that
    have yes/no questions in place of others.
    """
    last = asker.ask("describe", drawn, random, int(random.integers(VARIANTS)))
    if random.random() < checked:
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
    """Draw exchanges, again until no question is given away."""
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
