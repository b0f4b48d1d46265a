"""Sizes of models by their configurations, held to the models themselves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    CLIPVisionModel,
    LlamaForCausalLM,
)

from ikusi import connectors
from ikusi.errors import InputError
from ikusi.model import fusion
from ikusi.model.learning import set_trainable
from ikusi.plan import shapes
from ikusi.plan.shapes import FAMILIES, Place
from ikusi.recipe import Lora, Stage
from ikusi.train.cost import PEAKS, measure_cost, measure_sizes
from ikusi.train.estimates import Cost, Memory, Sizes

SMALL = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 96,
}
ENCODER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}


def place(kind: str, **config: Any) -> Place:
    return Place(kind, {"model_type": kind, **config}, "made up")


def make_llm(kind: str, **config: Any) -> Any:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(
            AutoConfig.for_model(kind, **config, pad_token_id=None)
        )


def count(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_every_part_of_an_llm_is_counted_as_the_model_has_it(kind: str, tied: bool) -> None:
    config = {**SMALL, "tie_word_embeddings": tied}
    counted, model = shapes.read_llm(place(kind, **config)), make_llm(kind, **config)
    assert counted == measure_sizes(model, None)
    assert counted.llm == count(model)


@pytest.mark.parametrize("bias", ["attention_bias", "mlp_bias"])
def test_biases_are_counted(bias: str) -> None:
    config = {**SMALL, bias: True}
    assert shapes.read_llm(place("llama", **config)).llm == count(make_llm("llama", **config))


@pytest.mark.parametrize("kind", ["clip_vision_model", "siglip_vision_model"])
def test_every_weight_of_an_encoder_is_counted(kind: str) -> None:
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(kind, **ENCODER))
    assert shapes.read_encoder(place(kind, **ENCODER)).encoder == count(model)


def test_an_encoder_is_found_in_the_configuration_of_two_towers() -> None:
    outer = Place("both", {"model_type": "clip", "vision_config": ENCODER}, "made up")
    alone = place("clip_vision_model", **ENCODER)
    assert shapes.read_encoder(outer) == shapes.read_encoder(alone)
    assert shapes.count_image_tokens(outer) == 16


def join(connector: str) -> Any:
    """Encoder and LLM, joined, without weights."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, LlamaConfig

    from ikusi.miniature.bases import shipped

    with torch.device("meta"):
        tower: Any = CLIPVisionModel._from_config(CLIPVisionConfig(**ENCODER))
        llm: Any = LlamaForCausalLM._from_config(LlamaConfig(**{**SMALL, "vocab_size": 4096}))
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size=56)
    words = shipped.find_model("miniature/llama-en")
    return fusion.assemble(tower, llm, words, image_processor=pictures, connector=connector)[0]


@pytest.fixture(scope="module", params=sorted(connectors.REGISTRY.every))
def joined(request: pytest.FixtureRequest) -> tuple[Any, Sizes]:
    """A model, and its sizes by the configurations of its parts."""
    model = join(request.param)
    llm = place("llama", **{**SMALL, "vocab_size": model.config.text_config.vocab_size})
    seen = place("clip_vision_model", **ENCODER)
    return model, shapes.read_sizes(seen, llm, request.param)


def test_a_joined_model_has_the_sizes_of_its_parts(joined: tuple[Any, Sizes]) -> None:
    model, counted = joined
    assert counted == measure_sizes(model, model.model.vision_tower)
    assert counted.total == count(model)


@pytest.mark.parametrize("parts", [["connector"], ["connector", "llm"]])
def test_what_learns_is_counted_as_the_model_is_set(
    joined: tuple[Any, Sizes], parts: list[str]
) -> None:
    model, counted = joined
    set_trainable(model, parts)
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert counted.count_learning(stage(trainable=parts)) == learning


def stage(**changed: Any) -> Stage:
    given = {"corpus": "given", "trainable": ["connector", "llm"], "learning_rate": 1e-4}
    return Stage(**{**given, "batch_size": 1, "epochs": 1, **changed})


def test_the_operations_of_a_step_are_those_that_a_training_reports(
    joined: tuple[Any, Sizes],
) -> None:
    model, counted = joined
    set_trainable(model, ["connector", "llm"])
    told = measure_cost(model, model.model.vision_tower, 16)
    assert told == Cost.of(counted, 16, learns=1, encodes=True, vision_learns=False)
    assert told.step([40, 30], 10, 2) == told.total(70, 40 * 41 / 2 + 30 * 31 / 2, 10, 2)


def test_adapters_learn_little_and_cost_little_more_than_a_frozen_llm(
    joined: tuple[Any, Sizes],
) -> None:
    adapted = stage(lora=Lora(rank=2))
    _, counted = joined
    one = 2 * sum(matrix.outputs + matrix.inputs for matrix in counted.matrices)
    assert counted.count_adapters(adapted) == one
    queries = stage(lora=Lora(rank=2, targets=["q_proj"]))
    assert counted.count_adapters(queries) == 2 * 3 * (64 + 48)


SIZES = Sizes(
    hidden=48,
    inner=80,
    layers=3,
    heads=4,
    queries=64,
    keys=32,
    vocabulary=96,
    embedding=4608,
    head=4608,
    body=66_000,
    matrices=(),
)


def hold(parallel: str, processes: int) -> Memory:
    return Memory.of(
        SIZES,
        stage(trainable=["llm"]),
        half=True,
        tokens=10,
        supervised=5,
        processes=processes,
        parallel=parallel,
    )


def test_what_processes_share_each_holds_less_of() -> None:
    alone = hold("ddp", 1)
    assert hold("ddp", 4).learning == alone.learning
    assert hold("fsdp", 4).optimizer == alone.optimizer / 4
    assert hold("fsdp", 4).learning == alone.learning / 4
    assert hold("zero2", 4).learning > hold("zero3", 4).learning
    assert hold("zero2", 4).gradients == hold("zero3", 4).gradients
    assert hold("ddp", 4).gathered == alone.gradients


def test_a_loss_computed_with_its_gradients_holds_fewer_logits_but_these() -> None:
    logits, states, head = 5 * SIZES.vocabulary, 5 * SIZES.hidden, 4 * 4608
    assert hold("zero3", 4).logits == 12 * logits
    assert hold("ddp", 4).logits == 8 * logits + 4 * states + head


def test_published_shapes_have_the_published_number_of_weights() -> None:
    known = shapes.list_known()
    assert len({name for one in known for name in one.names}) == sum(len(k.names) for k in known)
    for one in known:
        where = Place(one.names[0], one.config, one.source)
        if "patch_size" in one.config:
            counted = shapes.read_encoder(where).encoder
        elif "vocab_size" in one.config:
            counted = shapes.read_llm(where).llm
        else:
            continue  # only its number of weights is known
        assert counted == pytest.approx(one.parameters, rel=0.005), one.names


def test_a_folder_comes_before_what_is_published(tmp_path: Path) -> None:
    config = {"model_type": "llama", **SMALL}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = shapes.find(str(tmp_path))
    assert (found.config, found.folder) == (config, tmp_path)
    assert shapes.find("meta-llama/Llama-3.1-8B-Instruct").folder is None


def test_a_pinned_revision_has_the_shape_of_its_model() -> None:
    name = "HiTZ/Latxa-Llama-3.1-8B-Instruct"
    assert shapes.find(f"{name}@exp_2_101").config == shapes.find(name).config


def test_a_model_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(InputError, match=r"^nobody/nothing: expected a model that is here, or one"):
        shapes.find("nobody/nothing")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"model_type": "mamba"}, "model_type: expected one of .*, found mamba"),
        ({"model_type": "llama", "hidden_size": "48"}, "hidden_size: expected a whole number"),
        ({"hidden_size": 48}, "model_type: expected a kind of model, found nothing"),
    ],
)
def test_a_configuration_that_tells_no_shape_is_refused(config: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        shapes.read_llm(Place("given", config, "made up"))


def test_an_encoder_that_learns_is_refused() -> None:
    with pytest.raises(InputError, match="expected connector and llm"):
        SIZES.count_learning(stage(trainable=["vision"]))


def test_cards_have_the_peak_that_trainings_report_by() -> None:
    from ikusi.plan import card

    for name in card.CARDS.names():
        one = card.load(name)
        peaks = {peak for part, peak in PEAKS.items() if part in one.name.split() or
                 (" " in part and part in one.name)}  # fmt: skip
        assert peaks == {one.peak}, name


def test_a_head_of_its_own_costs_memory() -> None:
    assert replace(SIZES, head=0).llm == SIZES.llm - 4608
