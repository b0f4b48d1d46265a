"""Drawings, what is held out of them, scenes, and questions about scenes."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ikusi import language
from ikusi.miniature.pictures import scenes
from ikusi.miniature.pictures.augment import Thumbnails, vary
from ikusi.miniature.pictures.drawings import FAMILIES, PIXELS, Drawings
from ikusi.miniature.pictures.splits import HELD_OUT_STYLE, UNSEEN, Splits, make_generator, split
from ikusi.miniature.words import questions
from ikusi.miniature.words.concepts import Concept, load_concepts, select_named
from ikusi.miniature.words.questions import COUNTS, Asker, Drawn, ask_present
from ikusi.miniature.words.speaker import Speaker

ENGLISH = Speaker(language.load("en"))


def test_drawings_are_square_and_fill_their_square(drawn: Drawings) -> None:
    for key in list(drawn)[::400]:
        drawing = drawn[key]
        assert drawing.shape == (PIXELS, PIXELS, 4) and drawing.dtype == np.uint8
        inside = np.argwhere(drawing[..., 3] > 0)
        assert max(np.ptp(inside, axis=0)) > 0.9 * PIXELS


def test_what_is_held_out_is_never_trained_on(divided: Splits) -> None:
    unseen = {concept.id for concept in divided.unseen_concepts}
    for concept in divided.concepts:
        trained = {FAMILIES[style] for style in divided.trained[concept.id]}
        withheld = {FAMILIES[style] for style in divided.withheld[concept.id]}
        assert len(withheld) == 1 and trained and not trained & withheld
        assert HELD_OUT_STYLE not in divided.trained[concept.id]
        assert concept.id not in unseen
        assert divided.styles(concept, "style") == (HELD_OUT_STYLE,)
    assert unseen and not unseen & set(divided.trained)


@pytest.mark.parametrize("pair", [("noto", "noto-v1"), ("fluent-flat", "fluent-3d")])
def test_styles_by_the_same_hands_are_withheld_together(
    divided: Splits, pair: tuple[str, str]
) -> None:
    first, second = pair
    assert FAMILIES[first] == FAMILIES[second]
    withheld = [styles for styles in divided.withheld.values() if set(pair) & set(styles)]
    assert withheld
    for concept in divided.concepts:
        trained, kept = divided.trained[concept.id], divided.withheld[concept.id]
        assert not (first in trained and second in kept)
        assert not (second in trained and first in kept)


def test_a_smaller_miniature_is_part_of_a_larger_one(drawn: Drawings, divided: Splits) -> None:
    large = split(drawn, 250)
    assert large.concepts[:60] == divided.concepts and len(large.concepts) == 250
    assert large.unseen_concepts == divided.unseen_concepts
    assert all(large.trained[c.id] == divided.trained[c.id] for c in divided.concepts)


@given(st.integers(1, 3), st.integers(0, 10_000))
def test_boxes_lie_side_by_side_inside_the_scene(count: int, seed: int) -> None:
    boxes = scenes.choose_places(count, make_generator(seed))
    edges = [(x - side / 2, x + side / 2, y - side / 2, y + side / 2) for x, y, side in boxes]
    for left, right, top, bottom in edges:
        assert -1e-9 <= left < right <= 1 + 1e-9 and -1e-9 <= top < bottom <= 1 + 1e-9
    for (_, right, *_), (left, *_) in itertools.pairwise(edges):
        assert right <= left + 1e-9


def test_the_same_seed_draws_the_same_picture(drawn: Drawings) -> None:
    shown = [drawn[key] for key in list(drawn)[:2]]

    def make(seed: int) -> bytes:
        random = make_generator(seed)
        colour = scenes.choose_colour("blue", random)
        return scenes.to_png(
            scenes.compose(shown, scenes.choose_places(2, random), colour, 64, random)
        )

    assert make(1) == make(1) != make(2)


def test_the_ground_is_of_the_named_colour(drawn: Drawings) -> None:
    for name, centre in scenes.GROUNDS.items():
        shade = np.array(scenes.choose_colour(name, make_generator(3)))
        nearest = min(scenes.GROUNDS, key=lambda other: abs(shade - scenes.GROUNDS[other]).sum())
        assert nearest == name and abs(shade - centre).max() <= scenes.GROUND_JITTER


@cache
def concepts() -> tuple[Concept, ...]:
    return select_named(load_concepts(), "en")


@pytest.mark.slow
@settings(deadline=None)
@given(st.data())
def test_questions_are_answered_by_what_is_drawn(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    picked = data.draw(
        st.lists(st.sampled_from(concepts()), min_size=count, max_size=count, unique=True)
    )
    drawn = Drawn(tuple(picked), "noto", "green")
    random = make_generator(data.draw(st.integers(0, 999)))
    asker = Asker(concepts())
    names = [ENGLISH.name(concept) for concept in picked]
    for task in [task for task in COUNTS if questions.fits(task, count)]:
        exchange = asker.ask(task, drawn, random, data.draw(st.integers(0, 2)))
        said, asked = exchange.answer(ENGLISH), exchange.question(ENGLISH)
        if task in ("what", "left"):
            assert said == names[0]
        elif task == "right":
            assert said == names[-1]
        elif task == "next_to":
            edge = 0 if count == 2 else 2
            assert names[edge] in asked and said == names[1]
        elif task == "which":
            assert said in names and said in asked
        elif task == "how_many":
            assert exchange.gold(ENGLISH) == [["one", "two", "three"][count - 1], str(count)]
        elif task == "ground":
            assert said == "green"
        elif task == "describe":
            assert all(name in said for name in names) and exchange.gold(ENGLISH) == names


@pytest.mark.slow
@settings(deadline=None)
@given(st.data())
def test_options_are_four_and_only_the_right_one_is_in_the_picture(data: st.DataObject) -> None:
    picked = data.draw(st.lists(st.sampled_from(concepts()), min_size=2, max_size=3, unique=True))
    drawn = Drawn(tuple(picked), "noto", "green")
    task = data.draw(st.sampled_from(["left", "right", "next_to", "which"]))
    chosen = Asker(concepts()).choose(task, drawn, make_generator(data.draw(st.integers(0, 999))))
    options = [option(ENGLISH) for option in chosen.options]
    names = {ENGLISH.name(concept) for concept in picked}
    assert len(set(options)) == 4
    assert options[chosen.right] in names and len(names & set(options)) == 1
    if task == "which":
        assert all(option in chosen.question(ENGLISH) for option in options)


@pytest.mark.slow
@given(st.data())
def test_yes_and_no_are_true(data: st.DataObject) -> None:
    picked = data.draw(st.lists(st.sampled_from(concepts()), min_size=1, max_size=3, unique=True))
    truth = data.draw(st.booleans())
    drawn = Drawn(tuple(picked), "noto", "green")
    exchange = ask_present(Asker(concepts()), drawn, picked[0], truth, make_generator(4))
    asked = exchange.values["x"](ENGLISH)
    assert (asked in {ENGLISH.name(concept) for concept in picked}) is truth
    assert exchange.answer(ENGLISH) == ("Yes" if truth else "No")


def test_distractors_are_near() -> None:
    cow = next(concept for concept in concepts() if ENGLISH.name(concept) == "cow")
    drawn = Drawn((cow,), "noto", "red")
    near = Asker(concepts()).near(cow, drawn, make_generator(0), 3)
    assert {concept.subgroup for concept in near} == {"animal-mammal"} and cow not in near


def test_variations_keep_to_their_square_and_repeat_by_seed(drawn: Drawings) -> None:
    lessons = Thumbnails(drawn, Drawings({}), replace(split(drawn, 8), others=()))
    random = torch.Generator().manual_seed(3)
    concepts = torch.arange(len(lessons)).repeat(10)
    first, second = lessons.pick(concepts, random), lessons.pick(concepts, random)
    many = [vary(first, second, 32, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert many[0].shape == (80, 4, 32, 32)
    assert torch.equal(many[0], many[1]) and not torch.equal(many[0], many[2])
    colours, alpha = many[0][:, :3], many[0][:, 3:]
    assert alpha.min() >= 0 and alpha.max() <= 1 + 1e-6
    assert colours.min() >= 0 and (colours <= alpha + 1e-6).all()  # premultiplied


def test_further_drawings_of_a_held_out_family_are_not_learnt(divided: Splits) -> None:
    withheld = {c: FAMILIES[divided.withheld[c.id][0]] for c in divided.concepts}
    concept = next(c for c, family in withheld.items() if family == "fluent")
    assert not divided.learnable(concept, (concept.id, "fluent-high-contrast"))
    assert divided.learnable(concept, (concept.id, "mdi"))
    assert not divided.learnable(concept, ("1f404-other", "mdi"))


@pytest.mark.parametrize("unseen", UNSEEN)
def test_every_kind_of_unseen_has_enough_to_draw_three_things(divided: Splits, unseen: str) -> None:
    pool = divided.unseen_concepts if unseen == "concept" else divided.concepts
    by_style: dict[str, int] = {}
    for concept in pool:
        for style in divided.styles(concept, unseen):
            by_style[style] = by_style.get(style, 0) + 1
    assert max(by_style.values()) >= 3
