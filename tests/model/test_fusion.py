"""Any encoder and any LLM become a stock LLaVA that transformers alone opens, bit for bit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    GemmaConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    SiglipVisionConfig,
)

from ikusi import connectors
from ikusi.errors import InputError
from ikusi.model import chat, fusion
from ikusi.model.learning import set_trainable
from model.families import ENDS, tokenizer
from model.pairs import llm, tower

TALK = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Zer da hau?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Katua da."}]},
]
ANOTHER_TURN = [*TALK, {"role": "user", "content": [{"type": "text", "text": "A dog?"}]}]


class Pair(NamedTuple):
    """An encoder with or without a class token, and an LLM that speaks as its family does."""

    vision: Any
    language: Any
    family: str
    connector: str
    tied: bool = False
    aspect: str = "square"

    def llm(self) -> Any:
        words = len(tokenizer(self.family))
        return llm(self.language, words, tie_word_embeddings=self.tied).eval()


PAIRS = {
    "clip + llama": Pair(CLIPVisionConfig, LlamaConfig, "llama-3.1", "linear"),
    "clip + small llama, tied": Pair(CLIPVisionConfig, LlamaConfig, "chatml", "linear", tied=True),
    "clip + qwen2": Pair(CLIPVisionConfig, Qwen2Config, "chatml", "mlp2x_gelu"),
    "siglip + qwen2": Pair(SiglipVisionConfig, Qwen2Config, "chatml", "linear", aspect="pad"),
    "clip + qwen3, tied": Pair(CLIPVisionConfig, Qwen3Config, "qwen-3", "linear", tied=True),
    "siglip + qwen3": Pair(SiglipVisionConfig, Qwen3Config, "qwen-3", "mlp2x_gelu"),
    "siglip + gemma, tied": Pair(SiglipVisionConfig, GemmaConfig, "gemma", "linear", tied=True),
    "clip + gemma": Pair(CLIPVisionConfig, GemmaConfig, "gemma", "mlp2x_gelu", aspect="pad"),
    "clip + mistral": Pair(CLIPVisionConfig, MistralConfig, "mistral", "linear"),
    "siglip + mistral": Pair(SiglipVisionConfig, MistralConfig, "mistral", "mlp2x_gelu"),
    "siglip + llama": Pair(SiglipVisionConfig, LlamaConfig, "plain", "mlp2x_gelu"),
    "clip + llama, parts": Pair(CLIPVisionConfig, LlamaConfig, "llava-parts", "linear"),
}


def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@dataclass
class Fused:
    pair: Pair
    model: LlavaForConditionalGeneration
    processor: Any
    folder: Path
    stock: LlavaForConditionalGeneration
    stock_processor: Any

    @property
    def inputs(self) -> Any:
        """Inputs that stock transformers alone makes of a question about a picture."""
        return served(self.stock_processor, TALK[:1])

    def encoding(self) -> tuple[int, int]:
        """Features per image, and the image token's id, as training and evaluation ask for them."""
        features = fusion.count_image_tokens(self.model, self.processor)
        return features, self.model.config.image_token_id


def served(processor: Any, talk: list[Any]) -> Any:
    """A conversation about the picture as whoever serves a stock LLaVA hands it to transformers."""
    shown = [
        {
            "role": message["role"],
            "content": [
                part | {"image": picture()} if part["type"] == "image" else part
                for part in message["content"]
            ],
        }
        for message in talk
    ]
    return processor.apply_chat_template(
        shown, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def fuse(pair: Pair, folder: Path) -> Fused:
    model, processor = fusion.assemble(
        tower(pair.vision), pair.llm(), tokenizer(pair.family), pair.connector, aspect=pair.aspect
    )
    fusion.save(model, processor, folder)
    return Fused(pair, model, processor, folder, *opened(folder))


def opened(folder: Path) -> tuple[Any, Any]:
    """A checkpoint opened by whoever has transformers and no code of ours."""
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    return model, AutoProcessor.from_pretrained(folder)


@pytest.fixture(scope="module", params=list(PAIRS))
def fused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    return fuse(PAIRS[request.param], tmp_path_factory.mktemp("fused"))


@pytest.mark.slow
def test_stock_transformers_opens_the_checkpoint_and_gives_the_same_logits(fused: Fused) -> None:
    with torch.no_grad():
        assert torch.equal(fused.model(**fused.inputs).logits, fused.stock(**fused.inputs).logits)


def test_load_gives_the_same_logits(fused: Fused) -> None:
    model, processor = fusion.load(fused.folder)
    with torch.no_grad():
        assert torch.equal(model(**fused.inputs).logits, fused.model(**fused.inputs).logits)
    assert chat.find_image_token(processor.tokenizer) == fused.stock_processor.image_token
    assert set(fusion.list_connector_parameters(model)) == {
        p for p in model.model.multi_modal_projector.parameters() if p.requires_grad
    }


def test_training_evaluation_and_serving_ask_token_for_token_alike(fused: Fused) -> None:
    words, encoding = fused.processor.tokenizer, fused.encoding()
    prompt = chat.encode_prompt(words, TALK[:1], *encoding)
    assert prompt == fused.inputs["input_ids"][0].tolist()
    trained = chat.encode(words, TALK, *encoding)
    assert trained.input_ids[: len(prompt)] == prompt
    assert trained.supervised.index(True) == len(prompt)


def test_a_template_written_out_first_gives_the_same_tokens(fused: Fused) -> None:
    stock = fused.stock_processor
    text = stock.apply_chat_template(TALK[:1], add_generation_prompt=True)
    plain = not text.startswith(stock.tokenizer.bos_token or "\0")
    inputs = stock(images=picture(), text=text, return_tensors="pt", add_special_tokens=plain)
    assert torch.equal(inputs["input_ids"], fused.inputs["input_ids"])
    assert torch.equal(inputs["pixel_values"], fused.inputs["pixel_values"])


def test_a_conversation_goes_on_token_for_token_alike(fused: Fused) -> None:
    asked = chat.encode_prompt(fused.processor.tokenizer, ANOTHER_TURN, *fused.encoding())
    assert asked == served(fused.stock_processor, ANOTHER_TURN)["input_ids"][0].tolist()


def test_the_checkpoint_holds_the_chat_template(fused: Fused) -> None:
    template = fused.processor.tokenizer.chat_template
    assert fused.stock_processor.chat_template == template
    assert AutoTokenizer.from_pretrained(fused.folder).chat_template == template


def test_image_tokens_are_as_many_as_image_features(fused: Fused) -> None:
    features = fusion.count_image_tokens(fused.model, fused.processor)
    assert features == fused.model.config.image_seq_length == 16
    assert int((fused.inputs["input_ids"] == fused.model.config.image_token_id).sum()) == features
    assert fusion.compute_image_features(fused.model, fused.inputs["pixel_values"]).shape == (
        1,
        16,
        32,
    )


def test_features_in_two_steps_are_the_stock_forward(fused: Fused) -> None:
    inputs, model = fused.inputs, fused.model
    with torch.no_grad():
        stock = torch.stack(model.get_image_features(inputs["pixel_values"]).pooler_output)
        projected = fusion.project(
            model, fusion.compute_image_features(model, inputs["pixel_values"])
        )
        embeddings = fusion.embed(model, inputs["input_ids"], projected)
        logits = model(inputs_embeds=embeddings).logits
        assert torch.equal(projected, stock)
        assert torch.equal(logits, model(**inputs).logits)


@pytest.mark.slow
@pytest.mark.parametrize("connector", connectors.REGISTRY.names())
def test_checkpoints_that_keep_the_class_token_are_read_like_their_own_code(
    connector: str, tmp_path: Path
) -> None:
    """As some stock LLaVAs do: 17 features of 16 patches."""
    made = fuse(Pair(CLIPVisionConfig, LlamaConfig, "llama-3.1", connector), tmp_path / "dropped")
    made.model.config.vision_feature_select_strategy = "full"
    made.processor.vision_feature_select_strategy = "full"
    made.model.config.image_seq_length = 17
    fusion.save(made.model, made.processor, tmp_path / "kept")
    stock, processor = opened(tmp_path / "kept")
    model, ours = fusion.load(tmp_path / "kept")
    inputs = served(processor, TALK[:1])
    features = fusion.count_image_tokens(model, ours)
    asked = chat.encode_prompt(ours.tokenizer, TALK[:1], features, model.config.image_token_id)
    assert features == 17 and asked == inputs["input_ids"][0].tolist()
    with torch.no_grad():
        projected = fusion.project(
            model, fusion.compute_image_features(model, inputs["pixel_values"])
        )
        embeddings = fusion.embed(model, inputs["input_ids"], projected)
        assert torch.equal(model(inputs_embeds=embeddings).logits, stock(**inputs).logits)


def test_generation_stops_at_the_end_of_a_turn_and_pads_with_another_token(fused: Fused) -> None:
    words, settings = fused.stock_processor.tokenizer, fused.stock.generation_config
    ending = words.convert_tokens_to_ids(ENDS[fused.pair.family])
    stops = settings.eos_token_id
    assert ending in (stops if isinstance(stops, list) else [stops])
    assert settings.pad_token_id == words.pad_token_id
    assert words.pad_token_id not in (ending, words.eos_token_id, fused.stock.config.image_token_id)


def test_text_alone_is_answered_as_by_the_llm(fused: Fused) -> None:
    alone = fused.pair.llm()
    tokens = torch.arange(7, 17)[None]
    with torch.no_grad():
        size = alone.config.vocab_size
        assert torch.equal(fused.model(tokens).logits[..., :size], alone(tokens).logits)


def test_embeddings_stay_tied_or_apart_as_in_the_llm(fused: Fused) -> None:
    for model in (fused.model, fused.stock):
        shared = model.get_output_embeddings().weight is model.get_input_embeddings().weight
        assert shared == fused.pair.tied == model.config.tie_word_embeddings


def test_the_linear_connector_is_one_linear_layer_and_stays_one() -> None:
    model, _ = fusion.assemble(tower(), llm(), tokenizer("plain"))
    projector = model.model.multi_modal_projector
    alone = nn.Linear(32, 48)
    alone.load_state_dict(projector.linear_1.state_dict())
    features = torch.randn(2, 16, 32)
    assert torch.equal(fusion.project(model, features), alone(features))

    set_trainable(model, ["connector", "llm"])
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=0.1, weight_decay=0.1)
    fusion.project(model, features).square().sum().backward()
    optimizer.step()
    assert not torch.equal(projector.linear_1.weight, alone.weight)
    assert torch.equal(projector.linear_2.weight, torch.eye(48))
    assert not projector.linear_2.bias.any()
    alone.load_state_dict(projector.linear_1.state_dict())
    assert torch.equal(fusion.project(model, features), alone(features))
    assert torch.equal(
        fusion.project(model.bfloat16(), features.bfloat16()), alone.bfloat16()(features.bfloat16())
    )


@pytest.mark.slow
def test_the_connector_depends_on_the_seed_only() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed + 100)
        model, _ = fusion.assemble(tower(), llm(), tokenizer("plain"), seed=seed)
        return model.model.multi_modal_projector.linear_1.weight.detach()

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.slow
def test_aligning_clip_and_llama_8b_trains_four_million_parameters() -> None:
    """CLIP ViT-L/14 at 336 px and Llama-3.1-8B: 1024 x 4096 + 4096 (shapes only)."""
    with torch.device("meta"):
        vision = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=1024,
                intermediate_size=4096,
                num_hidden_layers=24,
                num_attention_heads=16,
                image_size=336,
                patch_size=14,
            )
        )
        language = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=128_256,
                hidden_size=4096,
                intermediate_size=14_336,
                num_hidden_layers=32,
                num_attention_heads=32,
                num_key_value_heads=8,
            )
        )
    model, processor = fusion.assemble(vision, language, tokenizer("llama-3.1"))
    assert set_trainable(model, ["connector"]) == {"connector": 4_198_400}
    counts = set_trainable(model, ["connector", "llm"])
    assert counts == {"connector": 4_198_400, "llm": 8_030_261_248}
    assert fusion.count_image_tokens(model, processor) == 576


def test_the_model_takes_the_dtype_of_the_llm_and_keeps_it(tmp_path: Path) -> None:
    model, processor = fusion.assemble(tower(), llm().bfloat16(), tokenizer("plain"))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    fusion.save(model, processor, tmp_path)
    assert fusion.load(tmp_path)[0].dtype == torch.bfloat16
    assert fusion.load(tmp_path, dtype=torch.float32)[0].dtype == torch.float32


def test_weights_are_saved_under_the_names_of_stock_checkpoints(
    fused: Fused, tmp_path: Path
) -> None:
    """Those that CLIP, SigLIP and LLaVA have on the hub, which vLLM and others look for."""
    with safe_open(fused.folder / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert any(name.startswith("vision_tower.vision_model.embeddings.") for name in names)
    assert any(name.startswith("language_model.model.layers.") for name in names)
    assert "multi_modal_projector.linear_1.weight" in names
    starts = ("vision_tower.vision_model.", "language_model.", "multi_modal_projector.")
    assert all(name.startswith(starts) for name in names)
    fusion.save(fused.stock, fused.processor, tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert set(file.keys()) == names, "trained further, they keep them"


def test_only_safetensors_are_written(fused: Fused) -> None:
    names = {path.name for path in fused.folder.iterdir()}
    assert "model.safetensors" in names and "chat_template.jinja" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl", ".py"))]


def test_embedding_refuses_more_images_than_tokens() -> None:
    model, _ = fusion.assemble(tower(), llm(), tokenizer("plain"))
    tokens = torch.tensor([[7, model.config.image_token_id, 8]])
    with pytest.raises(InputError, match="found 16 for 1"):
        fusion.embed(model, tokens, torch.zeros(1, 16, 48))
    with pytest.raises(InputError, match="found 0 for 1"):
        fusion.embed(model, tokens, None)


@pytest.mark.parametrize("connector", ["linear", "mlp2x_gelu"])
def test_a_calibrated_connector_starts_at_the_length_of_word_embeddings(connector: str) -> None:
    encoder = tower()
    with torch.no_grad():  # a large part that all patches share, as trained encoders have it
        encoder.encoder.layers[-1].mlp.fc2.bias += 40
    model, _ = fusion.assemble(encoder, llm(), tokenizer("llama-3.1"), connector, feature_layer=-1)
    pictures = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    fusion.calibrate(model, pictures)
    features = fusion.compute_image_features(model, pictures)
    started = model.model.multi_modal_projector.linear_1(features).flatten(0, 1)
    words = model.get_input_embeddings().weight
    assert started.mean(0).abs().max() < 1e-3 * started.std()
    assert started.pow(2).mean().sqrt().item() == pytest.approx(words.pow(2).mean().sqrt().item())
    assert fusion.list_connector_parameters(model)[0].requires_grad
