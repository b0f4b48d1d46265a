"""Models that see, of random weights: a family of each kind as the tests make it, or larger."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from model.seeing import FAMILIES as FAMILIES

SIDES = (
    *("height", "width", "shortest_edge", "longest_edge", "crop_size"),
    *("image_size", "image_grid_pinpoints"),
)
COUNTS = ("image_seq_length", "image_seq_len", "num_image_tokens", "mm_tokens_per_image")
AREAS = "Qwen2VLImageProcessor"
"""The image processor that calls areas in pixels edges."""

WINDOW = 512  # tokens that Gemma 3 sees in some layers, as many as in its 1B
FILES = ("config.json", "preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Size:
    """Size of a model beside that in the tests.

    Attributes:
        width: of the LLM, four heads together.
        layers: of the LLM; or `weights` that the whole model has, as near as its layers allow.
        sides: times the tests' pictures are as high and as wide.
        vocabulary: tokens of the LLM; none: those of its tokenizer.
        eyes: width of the encoder, two heads together; none: as in the tests.
    """

    width: int
    sides: int
    layers: int = 0
    weights: float = 0
    vocabulary: int | None = None
    eyes: int | None = None


def make(name: str, folder: Path, size: Size | None = None) -> Path:
    """Write a model of a family and its processor; without a size as the tests have it."""
    FAMILIES[name](folder)
    if size:
        for file in FILES:
            enlarge_pictures(folder / file, size.sides)
        config = widen(AutoConfig.from_pretrained(folder), size)
        write_model(config, folder)
    return folder


def enlarge_pictures(path: Path, times: int) -> None:
    """Change what a file says of sides of pictures, and of the tokens that stand for one."""
    if not path.exists():
        return
    written = json.loads(path.read_text(encoding="utf-8"))
    area = str(written.get("image_processor_type", "")).startswith(AREAS)
    path.write_text(json.dumps(_grow(written, times, area)), encoding="utf-8")


def _grow(value: Any, times: int, area: bool, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _grow(one, times, area, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_grow(one, times, area, key) for one in value]
    if type(value) is not int:
        return value
    return value * (
        times if key in SIDES and not area else times**2 if key in (*SIDES, *COUNTS) else 1
    )


def widen(config: Any, size: Size) -> Any:
    """The configuration of a model with a wider LLM and encoder, and more layers."""
    text, seen = config.get_text_config(), config.vision_config
    own, width = text.hidden_size, size.width
    text.hidden_size, text.intermediate_size = width, 3 * width
    text.vocab_size = size.vocabulary or text.vocab_size
    if getattr(text, "head_dim", None):
        text.head_dim = width // text.num_attention_heads
    rope = getattr(text, "rope_parameters", None) or {}
    if "mrope_section" in rope:
        rope["mrope_section"] = [one * width // own for one in rope["mrope_section"]]
    if getattr(text, "sliding_window", None):
        text.sliding_window = WINDOW
    second = config.model_type == "qwen2_vl"  # whose encoder's `hidden_size` is that of the LLM
    if size.eyes:
        setattr(seen, "embed_dim" if second else "hidden_size", size.eyes)
        if hasattr(seen, "intermediate_size"):
            seen.intermediate_size = 4 * size.eyes
    for place, key in (
        (config, "projection_dim"),
        (seen, "projection_dim"),
        (seen, "out_hidden_size"),
        *([(seen, "hidden_size")] if second else []),
    ):
        if hasattr(place, key):
            setattr(place, key, width)
    return _deepen(config, size.layers or _fit_layers(config, size.weights))


def _deepen(config: Any, layers: int) -> Any:
    text = config.get_text_config()
    text.num_hidden_layers = layers
    if kinds := getattr(text, "layer_types", None):
        text.layer_types = [kinds[n % 2] for n in range(layers)]
    return config


def _fit_layers(config: Any, weights: float) -> int:
    """Layers of the LLM with which the model has about so many weights."""
    two, four = (count_weights(_deepen(config, layers)) for layers in (2, 4))
    return max(2, round(2 + (weights - two) / ((four - two) / 2)))


def count_weights(config: Any) -> int:
    """Weights of a model of this configuration, those that are shared once."""
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config)
    return sum(one.numel() for one in model.parameters())


def write_model(config: Any, folder: Path) -> None:
    """Write the model anew with random weights."""
    torch.manual_seed(0)
    made: Any = AutoModelForImageTextToText.from_config(config)
    projector: Any = getattr(made.model, "multi_modal_projector", None)
    if hasattr(projector, "mm_input_projection_weight"):
        torch.nn.init.normal_(projector.mm_input_projection_weight, std=0.1)
    made.generation_config.eos_token_id = config.get_text_config().eos_token_id
    made.save_pretrained(folder)
