"""Sizes of the parts of a model, from what its `config.json` says: nothing else is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ikusi import catalogue, connectors, jsonfile, yamlfile
from ikusi.errors import InputError
from ikusi.miniature.bases import shipped
from ikusi.pretrained import split_place
from ikusi.recipe.values import Positive, Text
from ikusi.train.estimates import Matrix, Sizes
from ikusi.yamlfile import Section

CONFIG = "config.json"
KNOWN = catalogue.Files("model", [Path(__file__).parent / "models"])


class Known(Section):
    """A model whose shape is published.

    Attributes:
        names: what it is called on the hub; models that go on from it have its shape.
        parameters: its weights, as published, to which the tests hold the shape.
        source: where it stands.
        config: what its `config.json` says of its shape.
    """

    names: list[Text]
    parameters: Positive
    source: Text
    config: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """The shape of a model and its source: its folder, or a publication (`source`)."""

    name: str
    config: Mapping[str, Any]
    source: str
    folder: Path | None = None


@cache
def find(name: str) -> Place:
    """Find the shape of a model: of `miniature/...`, a folder or a hub id.

    Raises:
        InputError: it is neither here nor among the published ones, or has no shape that we know.
    """
    place = shipped.find_unfetched(name) or shipped.locate_base(name)
    folder = Path(place) if Path(place).is_dir() else _find_cached(place)
    if folder is not None:
        config = jsonfile.read_object(folder / CONFIG, "the configuration of a model")
        return Place(name, config, f"{folder.name}/{CONFIG}", folder)
    short, _ = split_place(place)
    if known := _find_published(short):
        return Place(name, known.config, known.source)
    names = sorted(one for known in list_known() for one in known.names)
    raise InputError(
        f"{name}: expected a model that is here, or one whose shape is published "
        f"({', '.join(names)}), found neither"
    )


def count_weights(name: str) -> tuple[float, str] | None:
    """Weights of a model, and where that is from; none where nothing says."""
    short, _ = split_place(name)
    if known := _find_published(short):
        return known.parameters, known.source
    try:
        place = find(name)
        return float(read_llm(place).llm), place.source
    except InputError:
        return None


def read_sizes(vision: Place, llm: Place, connector: str) -> Sizes:
    """The sizes of an encoder and an LLM that are joined by a connector.

    Raises:
        InputError: a configuration is of a kind whose weights are not known, or lacks a key.
    """
    llm_sizes, seen = read_llm(llm), read_encoder(vision)
    outer = _linear(seen.encoder_hidden, llm_sizes.hidden)
    inner = _linear(llm_sizes.hidden, llm_sizes.hidden)
    still = connectors.REGISTRY.find(connector).one_layer
    return replace(
        llm_sizes,
        encoder=seen.encoder,
        encoder_hidden=seen.encoder_hidden,
        encoder_inner=seen.encoder_inner,
        encoder_layers=seen.encoder_layers,
        patches=seen.patches,
        connector=outer + inner,
        identity=inner if still else 0,
    )


def count_image_tokens(vision: Place) -> int:
    """Tokens that a picture takes in the LLM: a place each, without the class token."""
    config = _encoder_config(vision)
    return int(config["image_size"] // config["patch_size"]) ** 2


@dataclass(frozen=True)
class _Family:
    """Differences of a kind of LLM's decoder layers from Llama's.

    Attributes:
        queried: queries, keys and values have a bias even where the configuration says nothing.
        norms: normalisations of a layer over the hidden width.
        heads: what the normalisation of queries and keys spans: nothing, a head, or all heads.
        tied: whether embeddings and output are one matrix where the configuration says nothing.
        usual: sizes where it says nothing: transformers' own, by `USUAL`.
    """

    usual: tuple[int | None, ...]
    queried: bool = False
    norms: int = 2
    heads: str = ""
    tied: bool = False


USUAL = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "vocab_size"),
)
FAMILIES = {
    "llama": _Family((4096, 11008, 32, 32, None, None, 32000)),
    "mistral": _Family((4096, 14336, 32, 32, 8, None, 32000)),
    "smollm3": _Family((2048, 11008, 36, 16, 4, None, 128256), tied=True),
    "qwen2": _Family((4096, 22016, 32, 32, 32, None, 151936), queried=True),
    "qwen3": _Family((4096, 22016, 32, 32, 32, 128, 151936), heads="each"),
    "olmo2": _Family((4096, 11008, 32, 32, None, None, 50304), heads="all"),
    "gemma": _Family((3072, 24576, 28, 16, 16, 256, 256000), tied=True),
    "gemma2": _Family((2304, 9216, 26, 8, 4, 256, 256000), norms=4, tied=True),
    "gemma3_text": _Family((2304, 9216, 26, 8, 4, 256, 262208), norms=4, heads="each", tied=True),
}


def read_llm(place: Place) -> Sizes:
    """The sizes of an LLM; see `read_sizes`."""
    kind = str(make_reader(place, place.config)("model_type"))
    if kind not in FAMILIES:
        raise catalogue.make_unknown_error(f"{place.name}: model_type", kind, FAMILIES)
    family = FAMILIES[kind]
    config = {**dict(zip(USUAL, family.usual, strict=True)), **place.config}
    read = make_reader(place, config)
    hidden, inner = read("hidden_size"), read("intermediate_size")
    layers, heads, vocabulary = (
        read("num_hidden_layers"),
        read("num_attention_heads"),
        read("vocab_size"),
    )
    width = config.get("head_dim") or hidden // heads
    queries = heads * width
    keys = (config.get("num_key_value_heads") or heads) * width
    names = (("q_proj", queries), ("k_proj", keys), ("v_proj", keys))
    attention = (*(Matrix(n, out, hidden) for n, out in names), Matrix("o_proj", hidden, queries))
    gates = tuple(Matrix(name, inner, hidden) for name in ("gate_proj", "up_proj"))
    matrices = (*attention, *gates, Matrix("down_proj", hidden, inner))
    biased = place.config.get("attention_bias", False)
    biases = (queries + 2 * keys) * (biased or family.queried) + hidden * biased
    biases += (2 * inner + hidden) * place.config.get("mlp_bias", False)
    spans = {"": 0, "each": 2 * width, "all": queries + keys}[family.heads]
    layer = sum(one.size for one in matrices) + biases + family.norms * hidden + spans
    tied = place.config.get("tie_word_embeddings", family.tied)
    return Sizes(
        hidden=hidden,
        inner=inner,
        layers=layers,
        heads=heads,
        queries=queries,
        keys=keys,
        vocabulary=vocabulary,
        embedding=vocabulary * hidden,
        head=0 if tied else vocabulary * hidden,
        body=layers * layer + hidden,
        matrices=matrices * layers,
    )


@dataclass(frozen=True)
class Seen:
    """An encoder in numbers; names as in `Sizes`."""

    encoder: int
    encoder_hidden: int
    encoder_inner: int
    encoder_layers: int
    patches: int


def read_encoder(place: Place) -> Seen:
    """The sizes of a vision encoder; see `read_sizes`."""
    config = _encoder_config(place)
    hidden, inner, layers = (
        config["hidden_size"],
        config["intermediate_size"],
        config["num_hidden_layers"],
    )
    places = (config["image_size"] // config["patch_size"]) ** 2
    pixels = config.get("num_channels", 3) * config["patch_size"] ** 2 * hidden
    attention = 4 * _linear(hidden, hidden)
    mlp = _linear(hidden, inner) + _linear(inner, hidden)
    body = layers * (attention + mlp + 4 * hidden)
    if config["model_type"] == "clip_vision_model":
        # A class token, a place for it, and normalisations before and after all layers.
        rest = pixels + hidden + (places + 1) * hidden + 4 * hidden
    else:
        rest = pixels + hidden + places * hidden + 2 * hidden
        if config.get("vision_use_head", True):
            # The head pools by attention: a query, its layer, an MLP and a normalisation.
            rest += hidden + attention + mlp + 2 * hidden
    return Seen(body + rest, hidden, inner, layers, places + 1)


ENCODERS = {
    # What the configurations leave out where it is transformers' own value.
    "clip_vision_model": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                          "num_attention_heads": 12, "image_size": 224, "patch_size": 32},
    "siglip_vision_model": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                            "num_attention_heads": 12, "image_size": 224, "patch_size": 16},
}  # fmt: skip


def _encoder_config(place: Place) -> dict[str, Any]:
    whole = place.config.get("vision_config", place.config)
    if not isinstance(whole, dict):
        raise InputError(f"{place.name}: vision_config: expected keys and values, found another")
    outer = str(place.config.get("model_type"))
    kind = str(whole.get("model_type", f"{outer}_vision_model"))
    if kind not in ENCODERS:
        raise catalogue.make_unknown_error(f"{place.name}: model_type", kind, ENCODERS)
    read = make_reader(place, {**ENCODERS[kind], **whole})
    return {**whole, "model_type": kind} | {key: read(key) for key in ENCODERS[kind]}


def make_reader(place: Place, config: Mapping[str, Any]) -> Callable[[str], Any]:
    """Make the function that reads a whole number of a configuration, or its kind.

    Raises:
        InputError: what it returns does, where there is none.
    """

    def read(key: str) -> Any:
        value = config.get(key)
        wanted = str if key == "model_type" else int
        if not isinstance(value, wanted) or isinstance(value, bool) or value in (0, ""):
            raise InputError(
                f"{place.name}: {CONFIG}: {key}: expected "
                f"{'a kind of model' if wanted is str else 'a whole number'}, "
                f"found {yamlfile.show(value)}"
            )
        return value

    return read


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _find_cached(place: str) -> Path | None:
    """The folder of the hub's cache that holds a model's configuration, if any does."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    name, pinned = split_place(place)
    try:
        path = try_to_load_from_cache(name, CONFIG, revision=pinned.get("revision"))
    except HFValidationError:
        return None
    return Path(path).parent if isinstance(path, str) else None


@cache
def _find_published(name: str) -> Known | None:
    """The published shape of a model, if there is one; only a file that names it is parsed."""
    files = map(KNOWN.find, KNOWN.names())
    named = (file for file in files if name in file.read_text(encoding="utf-8"))
    return next((known for known in map(_read_known, named) if name in known.names), None)


def list_known() -> list[Known]:
    """Every published shape."""
    return [_read_known(KNOWN.find(name)) for name in KNOWN.names()]


def _read_known(path: Path) -> Known:
    return yamlfile.validate(Known, yamlfile.read(path), yamlfile.list_field_names(Known))
