"""Write the miniature's five benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ikusi.data.corpus import CorpusWriter
from ikusi.miniature.maker import Maker
from ikusi.miniature.pictures.scenes import GROUNDS
from ikusi.miniature.pictures.splits import OTHERS, UNSEEN, make_generator
from ikusi.miniature.words.knowledge import FACTS, choose_fact, is_held_out, select_speakable
from ikusi.miniature.words.questions import Asker, Drawn, ask_present, fits
from ikusi.miniature.words.speaker import Exchange, Speaker

VQA_TASKS = ("what", "left", "right", "next_to", "how_many", "ground", "category", "keywords")
NAMING = "what"
CHOICE_TASKS = ("what", "which", "left", "right", "next_to")
KINDS = {"vqa": "vqa", "aokvqa": "choice", "capqa": "choice", "wildvision": "vqa"}
Test = tuple[str, str, bytes, dict[str, Exchange]]  # row, group, picture, question by benchmark


def write_benchmarks(maker: Maker, folder: Path) -> None:
    """The five benchmarks; those with pictures in every way of being unseen, `group` says which."""
    random = make_generator(maker.settings.seed, 4)
    folder.mkdir(parents=True, exist_ok=True)
    writers = {
        name: CorpusWriter(folder / name, row_type, maker.languages)
        for name, row_type in KINDS.items()
    }
    _write_tests(maker, writers, _draw_tests(maker, random))
    _write_tests(maker, writers, _show_stamps(maker, make_generator(maker.settings.seed, 5)))
    for writer in writers.values():
        writer.close()
    _write_knowledge(maker, folder / "bertaqa", random)


def _write_tests(maker: Maker, writers: Mapping[str, CorpusWriter], tests: Iterator[Test]) -> None:
    for row, group, data, exchanges in tests:
        for name, exchange in exchanges.items():
            maker.add_picture(writers[name], row, data)
            texts = maker.word_columns(COLUMNS[KINDS[name]](exchange))
            writers[name].add_row(row, row, texts, group=group, task=exchange.task)


def _draw_tests(maker: Maker, random: np.random.Generator) -> Iterator[Test]:
    """Scenes of one to three drawings, in each way of being unseen."""
    for unseen in UNSEEN:
        pool = maker.splits.unseen_concepts if unseen == "concept" else maker.splits.concepts
        asker = Asker(pool)
        for number in range(maker.settings.test_scenes):
            drawn = maker.draw(unseen, random, count=1 + number % 3)
            data = maker.picture(drawn, random)
            exchanges = _examination(asker, drawn, number // 3, random)
            yield f"{unseen}-{number:05d}", unseen, data, exchanges


def _show_stamps(maker: Maker, random: np.random.Generator) -> Iterator[Test]:
    """Each stamp alone, once. Questions about ground and number would say nothing of it."""
    asker = Asker(maker.splits.concepts)
    for number, stamp in enumerate(maker.stamps):
        ground = list(GROUNDS)[random.integers(len(GROUNDS))]
        drawn = Drawn((stamp.concept,), stamp.id, ground)
        data = maker.compose([stamp.image], ground, random)
        exchanges = _examination(asker, drawn, number, random, [NAMING])
        yield f"{OTHERS}-{number:05d}", OTHERS, data, exchanges


def _examination(
    asker: Asker,
    drawn: Drawn,
    turn: int,
    random: np.random.Generator,
    tasks: Sequence[str] = VQA_TASKS,
) -> dict[str, Exchange]:
    """One question of each benchmark about a test scene; tasks take turns, answers are balanced."""
    count = len(drawn.concepts)
    open_tasks = [task for task in tasks if fits(task, count)]
    choice_tasks = [task for task in CHOICE_TASKS if fits(task, count)]
    there = drawn.concepts[random.integers(count)]
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
