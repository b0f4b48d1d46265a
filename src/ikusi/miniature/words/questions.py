"""Questions about a scene, answered from what is drawn in it."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ikusi.miniature.words.concepts import Concept
from ikusi.miniature.words.speaker import (
    Exchange,
    Phrase,
    Speaker,
    list_concept_names,
    name_concept,
    repeat,
)

OPTIONS = 4


@dataclass(frozen=True)
class Drawn:
    """A scene's content: the concepts from left to right and the ground's colour."""

    concepts: tuple[Concept, ...]
    style: str
    ground: str


class Asker:
    """Makes questions about scenes, with distractors from the concepts of one split."""

    def __init__(self, concepts: Sequence[Concept]) -> None:
        self.concepts = list(concepts)

    def ask(
        self, task: str, drawn: Drawn, random: np.random.Generator, variant: int = 0
    ) -> Exchange:
        """One exchange of the given task about a scene that `fits` it."""
        return MAKERS[task](self, drawn, random, variant)

    def near(
        self,
        concept: Concept,
        drawn: Drawn,
        random: np.random.Generator,
        count: int,
        besides: Container[Hashable] = (),
    ) -> list[Concept]:
        """Distractors that are not in the scene: of the same subgroup first, then of the same kind.

        Args:
            concept: what they resemble.
            drawn: the scene.
            random: their order within subgroup and kind.
            count: how many at most.
            besides: concepts that are left out.
        """
        absent = [c for c in self.concepts if c not in drawn.concepts]
        tiers = (
            [c for c in absent if c.subgroup == concept.subgroup],
            [c for c in absent if c.kind == concept.kind and c.subgroup != concept.subgroup],
            [c for c in absent if c.kind != concept.kind],
        )
        shuffled = [tier[i] for tier in tiers for i in random.permutation(len(tier))]
        return list(islice((c for c in shuffled if c not in besides), count))

    def choose(self, task: str, drawn: Drawn, random: np.random.Generator) -> Exchange:
        """The exchange with four options, the right one at a random place."""
        plain = self.ask(task, drawn, random)
        target = _target(task, drawn)
        options = [target, *self.near(target, drawn, random, OPTIONS - 1)]
        order = random.permutation(OPTIONS)
        phrases = tuple(name_concept(options[i]) for i in order)
        right = int(np.flatnonzero(order == 0)[0])
        values = dict(zip("abcd", phrases, strict=True)) if task == "which" else plain.values
        return Exchange(task, 0, values, plain.answer, options=phrases, right=right)


COUNT, GROUND = "count", "ground"  # of a scene, as `Exchange.about` and `reveals` have them


def fits(task: str, count: int) -> bool:
    """Whether a task can be asked of a scene of that many things without ambiguity."""
    return count in COUNTS[task]


def _ask_name(task: str) -> Callable[[Asker, Drawn, np.random.Generator, int], Exchange]:
    def make(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
        target = _target(task, drawn)
        # A question about one thing alone also reveals that there is one.
        reveals = frozenset((target, COUNT) if COUNTS[task] == (1,) else (target,))
        about = frozenset([target])
        return Exchange(task, variant, {}, name_concept(target), about=about, reveals=reveals)

    return make


def _next_to(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    edge = drawn.concepts[0] if len(drawn.concepts) == 2 else drawn.concepts[-1]
    target = _target("next_to", drawn)
    return Exchange(
        "next_to",
        variant,
        {"x": name_concept(edge)},
        name_concept(target),
        about=frozenset([target]),
        reveals=frozenset([target, edge]),
    )


def _keywords(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    (concept,) = drawn.concepts
    return Exchange(
        "keywords",
        variant,
        {},
        lambda speaker: speaker.join_list(speaker.keywords(concept)),
        lambda speaker: speaker.keywords(concept),
        about=frozenset([concept]),  # they go with a name whatever is drawn
        reveals=frozenset([concept, COUNT]),
    )


def _category(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    (concept,) = drawn.concepts
    return Exchange(
        "category",
        variant,
        {},
        lambda speaker: speaker.kind(concept),
        about=frozenset([concept]),
        reveals=frozenset([COUNT]),
    )


def _how_many(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    count = len(drawn.concepts)
    return Exchange(
        "how_many",
        variant,
        {},
        lambda speaker: speaker.number(count),
        lambda speaker: [speaker.number(count), str(count)],
        **repeat(COUNT),
    )


def _ground(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    colour: Phrase = lambda speaker: speaker.pack.colours[drawn.ground]  # noqa: E731
    return Exchange("ground", variant, {}, colour, **repeat(GROUND))


def _present(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    there = drawn.concepts[random.integers(len(drawn.concepts))]
    truth = bool(random.random() < 0.5)
    return ask_present(asker, drawn, there, truth, random, variant)


def ask_present(
    asker: Asker,
    drawn: Drawn,
    there: Concept,
    truth: bool,
    random: np.random.Generator,
    variant: int = 0,
    besides: Container[Hashable] = (),
) -> Exchange:
    """Whether a concept is in the picture.

    Args:
        asker: finds distractors.
        drawn: the scene.
        there: a concept of the scene.
        truth: whether to ask about it; else about a concept that resembles it and is not there.
        random: chooses that concept.
        variant: number of the wording.
        besides: concepts that are not asked about.
    """
    asked = there if truth else asker.near(there, drawn, random, 1, besides)[0]
    options: tuple[Phrase, ...] = (lambda s: s.pack.yes, lambda s: s.pack.no)
    right = 0 if truth else 1
    values = {"x": name_concept(asked)}
    return Exchange(
        "present", variant, values, options[right], options=options, right=right, **repeat(asked)
    )


def _which(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    target = drawn.concepts[random.integers(len(drawn.concepts))]
    options = [target, *asker.near(target, drawn, random, OPTIONS - 1)]
    order = random.permutation(OPTIONS)
    values = {letter: name_concept(options[i]) for letter, i in zip("abcd", order, strict=True)}
    about, reveals = frozenset([target]), frozenset(options)
    return Exchange("which", variant, values, name_concept(target), about=about, reveals=reveals)


def _describe(asker: Asker, drawn: Drawn, random: np.random.Generator, variant: int) -> Exchange:
    def answer(speaker: Speaker) -> str:
        return speaker.pack.state(
            "description",
            0,
            list=list_concept_names(drawn.concepts)(speaker),
            count=speaker.number(len(drawn.concepts)),
            colour=speaker.pack.colours[drawn.ground],
        )

    def golds(speaker: Speaker) -> list[str]:
        return [speaker.name(concept) for concept in drawn.concepts]

    return Exchange("describe", variant, {}, answer, golds, **repeat(*collect_facts(drawn)))


def collect_facts(drawn: Drawn) -> tuple[Hashable, ...]:
    """All that there is to know of a scene."""
    return (*drawn.concepts, GROUND, COUNT)


def _target(task: str, drawn: Drawn) -> Concept:
    """The concept a naming question asks for."""
    if task == "right":
        return drawn.concepts[-1]
    if task == "next_to":
        return drawn.concepts[1]
    return drawn.concepts[0]


Maker = Callable[[Asker, Drawn, np.random.Generator, int], Exchange]
MAKERS: dict[str, Maker] = {
    "what": _ask_name("what"),
    "left": _ask_name("left"),
    "right": _ask_name("right"),
    "next_to": _next_to,
    "keywords": _keywords,
    "category": _category,
    "how_many": _how_many,
    "ground": _ground,
    "present": _present,
    "which": _which,
    "describe": _describe,
}
COUNTS = {
    "what": (1,),
    "left": (2, 3),
    "right": (2, 3),
    "next_to": (2, 3),
    "keywords": (1,),
    "category": (1,),
    "how_many": (1, 2, 3),
    "ground": (1, 2, 3),
    "present": (1, 2, 3),
    "which": (1, 2, 3),
    "describe": (1, 2, 3),
}


@dataclass(frozen=True)
class InEmoji(Exchange):
    """An exchange whose scene is written in emoji before the question, in place of a picture."""

    scene: str = ""

    def question(self, speaker: Speaker) -> str:
        """The scene in emoji, then the question."""
        return f"{self.scene}\n{super().question(speaker)}"
