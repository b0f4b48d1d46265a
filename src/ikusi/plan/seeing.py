"""How large models that see already are, and how many tokens they take for a picture, from their
configurations alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from ikusi import catalogue, jsonfile
from ikusi.plan import shapes
from ikusi.plan.shapes import Place
from ikusi.train.estimates import Sizes

Size = tuple[int, int]

PROCESSORS = ("preprocessor_config.json", "processor_config.json")
FEWEST, MOST = 56 * 56, 12_845_056
"""Pixels that Qwen's processors bring a picture to, where no file says: those of Qwen2.5-VL."""


@dataclass(frozen=True)
class Eyes:
    """How a model that sees takes a picture.

    Attributes:
        factor: places that its encoder sees for each token.
        count: tokens of a picture, by its width and height.
    """

    factor: int
    count: Callable[[Size], int]


def read_seeing(place: Place) -> tuple[Sizes, Eyes]:
    """The sizes of a model that sees, and how it takes pictures.

    Raises:
        InputError: it is of a kind whose weights are not known, or its configuration lacks a key.
    """
    kind = str(place.config.get("model_type"))
    if kind not in KINDS:
        raise catalogue.make_unknown_error(f"{place.name}: model_type", kind, KINDS)
    text = dict(lay_apart(place)["text_config"])
    text["model_type"] = TEXTS.get(kind, str(text.get("model_type")))
    if "tie_word_embeddings" in place.config:
        text["tie_word_embeddings"] = place.config["tie_word_embeddings"]
    llm = shapes.read_llm(Place(place.name, text, place.source))
    return KINDS[kind](place, llm)


def lay_apart(place: Place) -> dict[str, Any]:
    """The configuration with what is of the LLM by itself, which older ones have among the rest;
    its parts say of what kind they are, as transformers writes them."""
    vision = place.config.get("vision_config", {})
    text = {name: one for name, one in place.config.items() if name != "vision_config"}
    kind = str(place.config.get("model_type"))
    apart = place.config.get("text_config", {**text, "model_type": f"{kind}_text"})
    own = kind if kind.startswith("qwen2") else f"{kind}_vision"
    return {
        **place.config,
        "text_config": apart,
        "vision_config": {"model_type": own, **vision} if kind.startswith("qwen") else vision,
    }


def _read_qwen(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    read = shapes.make_reader(place, {**QWEN, **place.config.get("vision_config", {})})
    third = place.config["model_type"] == "qwen3_vl"
    second = place.config["model_type"] == "qwen2_vl"
    hidden = read("embed_dim" if second else "hidden_size")
    inner = 4 * hidden if second else read("intermediate_size")
    out = read("hidden_size" if second else "out_hidden_size")
    merge, side = read("spatial_merge_size"), read("patch_size")
    pixels = 3 * read("temporal_patch_size") * side**2 * hidden
    attention = _linear(hidden, 3 * hidden) + _linear(hidden, hidden)
    gated = not (second or third)
    up = _linear(hidden, inner)
    mlp = up * (1 + gated) + _linear(inner, hidden)
    norm = hidden * (1 if gated else 2)
    depth, wide = read("depth"), hidden * merge**2
    body = depth * (attention + mlp + 2 * norm) + pixels
    connector = norm + _linear(wide, wide) + _linear(wide, out)
    if third:
        body += hidden + read("num_position_embeddings") * hidden
        deep = 2 * wide + _linear(wide, wide) + _linear(wide, out)
        connector += len(place.config["vision_config"]["deepstack_visual_indexes"]) * deep
    fewest, most = _find_bounds(place)

    def count(size: Size) -> int:
        return _fit(size, side * merge, fewest, most)

    eyes = Eyes(merge**2, count)
    return _join(llm, body, connector, (hidden, inner, depth)), eyes


def _read_gemma(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    vision = place.config.get("vision_config", {})
    within = Place(place.name, {"model_type": "siglip_vision_model", **vision}, place.source)
    seen = shapes.read_encoder(within)
    tokens = int(place.config.get("mm_tokens_per_image", 256))
    connector = seen.encoder_hidden * llm.hidden + seen.encoder_hidden
    body = (seen.encoder_hidden, seen.encoder_inner, seen.encoder_layers)
    eyes = Eyes((seen.patches - 1) // tokens, lambda size: tokens)
    return _join(llm, seen.encoder, connector, body), eyes


def _read_llava(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    vision = place.config.get("vision_config", {})
    within = Place(place.name, {"model_type": "clip_vision_model", **vision}, place.source)
    seen, tokens = shapes.read_encoder(within), shapes.count_image_tokens(within)
    connector = _linear(seen.encoder_hidden, llm.hidden) + _linear(llm.hidden, llm.hidden)
    body = (seen.encoder_hidden, seen.encoder_inner, seen.encoder_layers)
    return _join(llm, seen.encoder, connector, body), Eyes(1, lambda size: tokens)


KINDS: dict[str, Callable[[Place, Sizes], tuple[Sizes, Eyes]]] = {
    "qwen2_vl": _read_qwen,
    "qwen2_5_vl": _read_qwen,
    "qwen3_vl": _read_qwen,
    "gemma3": _read_gemma,
    "llava": _read_llava,
}
TEXTS = {"qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2", "qwen3_vl": "qwen3", "gemma3": "gemma3_text"}
"""What the LLM in a model is a kind of; else its `text_config` says so."""
QWEN = {"spatial_merge_size": 2, "temporal_patch_size": 2, "patch_size": 14, "depth": 32}
"""What the configurations leave out where it is transformers' own value."""


def _join(llm: Sizes, encoder: int, connector: int, body: tuple[int, int, int]) -> Sizes:
    hidden, inner, layers = body
    return replace(
        llm,
        encoder=encoder,
        encoder_hidden=hidden,
        encoder_inner=inner,
        encoder_layers=layers,
        connector=connector,
    )


def _find_bounds(place: Place) -> tuple[int, int]:
    """Least and most pixels of a picture, as the model's processor says if it is here."""
    for file in (place.folder / name for name in PROCESSORS) if place.folder else ():
        if not file.is_file():
            continue
        settings = jsonfile.read_object(file, "the settings of a processor")
        settings = settings.get("image_processor", settings)
        size = settings.get("size") or {}
        fewest = settings.get("min_pixels") or size.get("shortest_edge")
        most = settings.get("max_pixels") or size.get("longest_edge")
        if fewest and most:
            return int(fewest), int(most)
    return FEWEST, MOST


def _fit(size: Size, side: int, fewest: int, most: int) -> int:
    """Squares of `side` pixels in a picture that was brought near enough to its own shape, within
    bounds of its pixels; as Qwen's processors do it."""
    width, height = size
    across, down = (max(side, round(length / side) * side) for length in size)
    if across * down > most:
        scale = sqrt(width * height / most)
        across, down = (max(side, int(n / scale / side) * side) for n in size)
    elif across * down < fewest:
        scale = sqrt(fewest / (width * height))
        across, down = (-int(-n * scale // side) * side for n in size)
    return across * down // side**2


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs
