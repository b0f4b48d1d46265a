"""The material of one study's corpora, and the scenes that are drawn for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ikusi import recipe
from ikusi.data.corpus import CorpusWriter
from ikusi.miniature.pictures.drawings import Drawings
from ikusi.miniature.pictures.scenes import GROUNDS, choose_colour, choose_places, compose, to_png
from ikusi.miniature.pictures.splits import UNSEEN, Splits
from ikusi.miniature.pictures.stamps import Stamp
from ikusi.miniature.words.concepts import Concept
from ikusi.miniature.words.questions import Drawn
from ikusi.miniature.words.speaker import Speaker

SOURCE = "composed of emoji drawings (see ATTRIBUTION.md)"


@dataclass(frozen=True)
class Maker:
    """The material of one study's corpora: settings, speakers, drawings and splits."""

    settings: recipe.Miniature
    speakers: Mapping[str, Speaker]  # by language code
    drawings: Drawings
    splits: Splits
    stamps: Sequence[Stamp] = ()  # that are tested on besides
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
        return self.compose(shown, drawn.ground, random)

    def compose(
        self, shown: Sequence[np.ndarray], ground: str, random: np.random.Generator
    ) -> bytes:
        """PNG bytes of pictures in random places on a ground; RGBA, uint8 [H, W, 4] each."""
        colour = choose_colour(ground, random)
        boxes = choose_places(len(shown), random)
        data = to_png(compose(list(shown), boxes, colour, self.settings.image_size, random))
        self.after_picture()
        return data

    def add_picture(self, writer: CorpusWriter, image_id: str, data: bytes) -> None:
        """Write a scene's picture into a corpus."""
        side = self.settings.image_size
        writer.add_image(image_id, data, "png", side, side, SOURCE)
