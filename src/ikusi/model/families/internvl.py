"""InternVL, as transformers has it: pictures in tiles, a control token before and after them."""

from __future__ import annotations

from ikusi.model.families.base import Family


class InternVL(Family):
    """Tiles of a picture, and the whole of it where there are several."""

    name = "InternVL"
    model_types = ("internvl",)


FAMILIES = [InternVL()]
