"""Sizes of models that see already, and the tokens they take for a picture, from their
configurations alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isqrt, sqrt
from typing import Any

from ikusi import catalogue, jsonfile
from ikusi.errors import InputError
from ikusi.plan import shapes, tiles
from ikusi.plan.shapes import Place, Seen
from ikusi.train.estimates import Sizes

Size = tuple[int, int]

PROCESSORS = ("preprocessor_config.json", "processor_config.json")
FEWEST, MOST = 56 * 56, 12_845_056
"""Pixels that Qwen's processors bring a picture to, where no file says: those of Qwen2.5-VL."""


@dataclass(frozen=True)
class Eyes:
    """The places and tokens of a picture in a model that sees.

    Attributes:
        count: tokens of a picture, by its width and height.
        look: places of it that the encoder sees, those of all its tiles together.
    """

    count: Callable[[Size], int]
    look: Callable[[Size], int]


def read_seeing(place: Place) -> tuple[Sizes, Eyes]:
    """The sizes of a model that sees, and how it takes pictures.

    Raises:
        InputError: it is of a kind whose weights are not known, or its configuration lacks a key.
    """
    kind = str(place.config.get("model_type"))
    if kind not in KINDS:
        raise catalogue.make_unknown_error(f"{place.name}: model_type", kind, KINDS)
    text = {**LLMS.get(kind, {}), **lay_apart(place)["text_config"]}
    text["model_type"] = TEXTS.get(kind, str(text.get("model_type")))
    if "tie_word_embeddings" in place.config or kind == "internvl":
        text["tie_word_embeddings"] = place.config.get("tie_word_embeddings", True)
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
    kind = str(place.config["model_type"])
    vision = {**QWENS[kind], **place.config.get("vision_config", {})}
    read = shapes.make_reader(place, vision)
    second, third = kind == "qwen2_vl", kind == "qwen3_vl"
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
        connector += len(vision["deepstack_visual_indexes"]) * deep
    fewest, most = _find_bounds(place)

    def count(size: Size) -> int:
        return _fit(size, side * merge, fewest, most)

    eyes = Eyes(count, lambda size: merge**2 * count(size))
    return _join(llm, body, connector, (hidden, inner, depth)), eyes


def _read_gemma(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    seen, tokens = _read_tower(place, SIGLIP), int(place.config.get("mm_tokens_per_image", 256))
    connector = seen.encoder_hidden * llm.hidden + seen.encoder_hidden
    eyes = Eyes(lambda size: tokens, lambda size: seen.patches - 1)
    return _join(llm, seen.encoder, connector, _describe(seen)), eyes


def _read_paligemma(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    seen = _read_tower(place, SIGLIP)
    eyes = Eyes(lambda size: seen.patches - 1, lambda size: seen.patches - 1)
    connector = _linear(seen.encoder_hidden, int(place.config.get("projection_dim", 2048)))
    return _join(llm, seen.encoder, connector, _describe(seen)), eyes


def _read_llava(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    seen = _read_tower(place, CLIP)
    eyes = Eyes(lambda size: seen.patches - 1, lambda size: seen.patches - 1)
    return _join(llm, seen.encoder, _count_mlp(seen, llm), _describe(seen)), eyes


def _read_grids(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    """LLaVA-NeXT and -OneVision."""
    second = place.config["model_type"] == "llava_onevision"
    seen, settings = _read_tower(place, SIGLIP if second else CLIP), _read_settings(place)
    tile, resolutions = _find_side(settings.get("size")), settings.get("image_grid_pinpoints")
    if not resolutions or not tile:
        problem = (
            "expected a size and image_grid_pinpoints, by which pictures are cut, found neither"
        )
        raise InputError(f"{place.name}: {PROCESSORS[0]}: {problem}")
    side, most = isqrt(seen.patches - 1), read_most_tiles(place) if second else None

    def count(size: Size) -> int:
        grid = tiles.find_grid(size, tile, resolutions)
        return side**2 + tiles.count_unpadded(size, grid, side, most)

    def look(size: Size) -> int:
        across, down = tiles.find_grid(size, tile, resolutions)
        return side**2 * (1 + across * down)

    connector = _count_mlp(seen, llm) + llm.hidden  # which ends a row
    return _join(llm, seen.encoder, connector, _describe(seen)), Eyes(count, look)


def read_most_tiles(place: Place) -> int:
    """Tiles of a picture that LLaVA-OneVision keeps as they are, read off `anyres_max_9`.

    Raises:
        InputError: the model's aspect ratio ends with no number.
    """
    ratio = str(place.config.get("vision_aspect_ratio", "anyres_max_9"))
    if not (most := ratio.removeprefix("anyres_max_")).isdecimal():
        problem = f"expected anyres_max_ and a number, found {ratio}"
        raise InputError(f"{place.name}: {shapes.CONFIG}: vision_aspect_ratio: {problem}")
    return int(most)


def _read_idefics(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    """Idefics3 and SmolVLM."""
    seen = _read_tower(place, EYES, **SIGLIP, vision_use_head=False)
    settings = _read_settings(place)
    scale = int(place.config.get("scale_factor", 2))
    longest, tile = (_find_side(settings.get(key)) or usual for key, usual in IDEFICS.items())
    cuts, places = settings.get("do_image_splitting", True), seen.patches - 1

    def look(size: Size) -> int:
        return places * (tiles.count_by_edge(size, longest, tile) if cuts else 1)

    connector = seen.encoder_hidden * scale**2 * llm.hidden
    eyes = Eyes(lambda size: look(size) // scale**2, look)
    return _join(llm, seen.encoder, connector, _describe(seen)), eyes


def _read_internvl(place: Place, llm: Sizes) -> tuple[Sizes, Eyes]:
    vision = {**INTERNVL, **place.config.get("vision_config", {})}
    settings = _read_settings(place)
    read = shapes.make_reader(place, vision)
    hidden, inner, layers = (
        read(name) for name in ("hidden_size", "intermediate_size", "num_hidden_layers")
    )
    pair = (vision[name] for name in ("image_size", "patch_size"))
    sides, patch = ([one] * 2 if isinstance(one, int) else one for one in pair)
    places = (sides[0] // patch[0]) * (sides[1] // patch[1])
    attention = 3 * hidden**2 + 3 * hidden * bool(vision.get("attention_bias"))
    attention += _linear(hidden, hidden) + 2 * hidden * bool(vision.get("use_qk_norm"))
    norms = 2 * hidden * (1 if vision.get("norm_type") == "rms_norm" else 2)
    layer = attention + norms + 2 * hidden + _linear(hidden, inner) + _linear(inner, hidden)
    placed = (places + 1) * hidden * bool(vision.get("use_absolute_position_embeddings", True))
    last = 0 if vision.get("use_mean_pooling", True) else 2 * hidden
    body = layers * layer + 3 * patch[0] * patch[1] * hidden + 2 * hidden + placed + last
    wide = round(hidden / float(place.config.get("downsample_ratio", 0.5)) ** 2)
    connector = 2 * wide + _linear(wide, llm.hidden) + _linear(llm.hidden, llm.hidden)
    tile = _find_side(settings.get("size")) or GOT_OCR
    bounds = settings.get("min_patches", 1), settings.get("max_patches", 12)
    cuts, tokens = settings.get("crop_to_patches", False), place.config.get("image_seq_length", 256)

    def count(size: Size) -> int:
        return tiles.count_by_shape(size, tile, *bounds) if cuts else 1

    eyes = Eyes(lambda size: tokens * count(size), lambda size: places * count(size))
    return _join(llm, body, connector, (hidden, inner, layers)), eyes


def _read_tower(place: Place, usual: dict[str, Any], **known: Any) -> Seen:
    """The encoder of a model: `usual` where its configuration leaves something out, `known`
    whatever it says."""
    vision = {**usual, **place.config.get("vision_config", {}), **known}
    return shapes.read_encoder(Place(place.name, vision, place.source))


def _describe(seen: Seen) -> tuple[int, int, int]:
    return seen.encoder_hidden, seen.encoder_inner, seen.encoder_layers


def _count_mlp(seen: Seen, llm: Sizes) -> int:
    return _linear(seen.encoder_hidden, llm.hidden) + _linear(llm.hidden, llm.hidden)


def _find_side(size: Any) -> int:
    """One edge in pixels, as settings of processors say it; 0 where they do not."""
    given = size if isinstance(size, dict) else {}
    edges = [given.get(name) for name in ("shortest_edge", "longest_edge", "height", "width")]
    return next((int(edge) for edge in edges if edge), 0)


KINDS: dict[str, Callable[[Place, Sizes], tuple[Sizes, Eyes]]] = {
    "qwen2_vl": _read_qwen,
    "qwen2_5_vl": _read_qwen,
    "qwen3_vl": _read_qwen,
    "gemma3": _read_gemma,
    "llava": _read_llava,
    "llava_next": _read_grids,
    "llava_onevision": _read_grids,
    "idefics3": _read_idefics,
    "smolvlm": _read_idefics,
    "internvl": _read_internvl,
    "paligemma": _read_paligemma,
}
TEXTS = {"qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2", "qwen3_vl": "qwen3", "gemma3": "gemma3_text"}
"""What the LLM in a model is a kind of; else its `text_config` says so."""
LARGE = {
    "hidden_size": 8192,
    "intermediate_size": 29568,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 152064,
}
LLAMA, QWEN_2 = {"model_type": "llama"}, {"model_type": "qwen2"}
LLMS: dict[str, dict[str, Any]] = {
    "llava": LLAMA,
    "llava_next": LLAMA,
    "llava_onevision": QWEN_2,
    "idefics3": LLAMA,
    "smolvlm": LLAMA,
    "internvl": QWEN_2,
    "paligemma": {"model_type": "gemma"},
    "qwen2_vl": LARGE,
    "qwen2_5_vl": LARGE,
}
QWEN = {"spatial_merge_size": 2, "temporal_patch_size": 2, "patch_size": 14, "depth": 32,
        "hidden_size": 3584, "out_hidden_size": 3584}  # fmt: skip
QWENS: dict[str, dict[str, Any]] = {
    "qwen2_vl": {**QWEN, "embed_dim": 1280},
    "qwen2_5_vl": {**QWEN, "intermediate_size": 3420},
    "qwen3_vl": {**QWEN, "patch_size": 16, "depth": 27, "hidden_size": 1152,
                 "intermediate_size": 4304, "num_position_embeddings": 2304,
                 "deepstack_visual_indexes": [8, 16, 24]},
}  # fmt: skip
CLIP, SIGLIP = {"model_type": "clip_vision_model"}, {"model_type": "siglip_vision_model"}
GOT_OCR, INTERNVL = 384, {"image_size": 448, "patch_size": 14, "hidden_size": 1024,
                          "intermediate_size": 4096, "num_hidden_layers": 24}  # fmt: skip
IDEFICS = {"size": 4 * 364, "max_image_size": 364}
EYES = {"hidden_size": 1152, "num_attention_heads": 16, "patch_size": 32}
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
    settings = _read_settings(place)
    size = settings.get("size") or {}
    fewest = settings.get("min_pixels") or size.get("shortest_edge")
    most = settings.get("max_pixels") or size.get("longest_edge")
    return (int(fewest), int(most)) if fewest and most else (FEWEST, MOST)


def _read_settings(place: Place) -> dict[str, Any]:
    """Read the settings of the model's image processor; empty where it is not here."""
    for file in (place.folder / name for name in PROCESSORS) if place.folder else ():
        if file.is_file():
            settings = jsonfile.read_object(file, "the settings of a processor")
            own: dict[str, Any] = settings.get("image_processor", settings)
            return own
    return {}


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
