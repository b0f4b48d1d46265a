"""LLaVA-NeXT and LLaVA-OneVision: pictures in tiles of a grid that fits their shape."""

from __future__ import annotations

from ikusi.model.families.base import Family


class LlavaNext(Family):
    """The whole picture, then its tiles, each row of them ended by a vector that is learnt."""

    name = "LLaVA-NeXT"
    model_types = ("llava_next",)


class LlavaOnevision(Family):
    """The same, with larger pictures made smaller once they were seen."""

    name = "LLaVA-OneVision"
    model_types = ("llava_onevision",)
    alone = True


FAMILIES = [LlavaNext(), LlavaOnevision()]
