"""The parts of a study's model, in numbers: an LLM and an encoder, or one that sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ikusi.plan import seeing, shapes
from ikusi.plan.amounts import Pictures
from ikusi.plan.shapes import Place
from ikusi.plan.span import Span
from ikusi.pretrained import describe_shape
from ikusi.recipe import Recipe
from ikusi.train.estimates import Sizes


@dataclass(frozen=True)
class Made:
    """A model in numbers.

    Attributes:
        image: tokens of a picture.
        patches: places of it that the encoder sees, on average.
        shape: what its speed depends on.
        places: where its shape is from.
        assumed: what of its pictures is assumed.
    """

    sizes: Sizes
    image: Span
    patches: float
    shape: str
    places: Sequence[Place]
    assumed: str = ""


def describe(recipe: Recipe, backbone: str, pictures: Pictures) -> Made:
    """A model that starts from a backbone of a recipe.

    Args:
        pictures: that it is given.

    Raises:
        InputError: its shape is not known.
    """
    place = shapes.find(recipe.backbone(backbone))
    if recipe.is_assembled(backbone):
        vision = shapes.find(recipe.encoder)
        sizes = shapes.read_sizes(vision, place, recipe.connector)
        shape = f"{describe_shape(vision.config)} + {describe_shape(place.config)}"
        tokens = shapes.count_image_tokens(vision)
        return Made(sizes, Span.exactly(tokens), tokens, shape, (place, vision))
    sizes, eyes = seeing.read_seeing(place)
    counted = sorted(map(eyes.count, pictures.sizes))
    middle = sum(counted) / len(counted)
    image = Span(counted[0], middle, counted[-1]) if pictures.assumed else Span.exactly(middle)
    patches = sum(map(eyes.look, pictures.sizes)) / len(counted)
    sizes = replace(sizes, patches=round(patches))
    varies = pictures.assumed and counted[0] < counted[-1]
    assumed = f"pictures: {pictures.source}" if varies else ""
    shape = describe_shape(seeing.lay_apart(place))
    return Made(sizes, image, patches, shape, (place,), assumed)
