"""Any encoder and any LLM become a stock LLaVA that transformers alone opens, bit for bit."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import (
    AutoProcessor,
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

from ikusi.errors import InputError
from ikusi.model import chat, fusion
from model.families import ENDS, tokenizer
from model.pairs import llm, tower

TALK = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Zer da hau?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Katua da."}]},
]
PAIRS: dict[str, tuple[Any, Any, str, str]] = {
    "clip + llama": (CLIPVisionConfig, LlamaConfig, "llama-3.1", "linear"),
    "clip + qwen2": (CLIPVisionConfig, Qwen2Config, "chatml", "mlp2x_gelu"),
    "clip + qwen3, tied": (CLIPVisionConfig, Qwen3Config, "qwen-3", "linear"),
    "siglip + gemma": (SiglipVisionConfig, GemmaConfig, "gemma", "linear"),
    "clip + mistral": (CLIPVisionConfig, MistralConfig, "mistral", "linear"),
    "siglip + llama": (SiglipVisionConfig, LlamaConfig, "plain", "mlp2x_gelu"),
    "clip + llama, parts": (CLIPVisionConfig, LlamaConfig, "llava-parts", "linear"),
}


def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@dataclass
class Fused:
    family: str
    connector: str
    model: LlavaForConditionalGeneration
    processor: Any
    folder: Path
    stock: LlavaForConditionalGeneration
    stock_processor: Any

    @property
    def inputs(self) -> Any:
        """What stock transformers alone makes of a question about a picture."""
        prompt = self.stock_processor.apply_chat_template(TALK[:1], add_generation_prompt=True)
        plain = not prompt.startswith(self.stock_processor.tokenizer.bos_token or "\0")
        return self.stock_processor(
            images=picture(), text=prompt, return_tensors="pt", add_special_tokens=plain
        )


@pytest.fixture(scope="module", params=list(PAIRS))
def fused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    vision, language, family, connector = PAIRS[request.param]
    words = tokenizer(family)
    backbone = llm(language, len(words), tie_word_embeddings=language is Qwen3Config)
    model, processor = fusion.assemble(tower(vision), backbone, words, connector)
    folder = tmp_path_factory.mktemp("fused")
    fusion.save(model, processor, folder)
    stock = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    opened = AutoProcessor.from_pretrained(folder)
    return Fused(family, connector, model, processor, folder, stock, opened)


def test_stock_transformers_opens_the_checkpoint_and_gives_the_same_logits(fused: Fused) -> None:
    with torch.no_grad():
        assert torch.equal(fused.model(**fused.inputs).logits, fused.stock(**fused.inputs).logits)


def test_load_gives_the_same_logits(fused: Fused) -> None:
    model, processor = fusion.load(fused.folder)
    with torch.no_grad():
        assert torch.equal(model(**fused.inputs).logits, fused.model(**fused.inputs).logits)
    assert chat.image_token(processor.tokenizer) == fused.stock_processor.image_token
    assert set(fusion.connector_parameters(model)) == {
        p for p in model.model.multi_modal_projector.parameters() if p.requires_grad
    }


def test_our_prompt_is_the_stock_processors_prompt(fused: Fused) -> None:
    words = fused.processor.tokenizer
    features = fusion.features_per_image(fused.model, fused.processor)
    prompt = chat.prompt_ids(words, TALK[:1], features, fused.model.config.image_token_id)
    assert prompt == fused.inputs["input_ids"][0].tolist()
    whole = chat.encode(words, TALK, features, fused.model.config.image_token_id)
    assert whole.input_ids[: len(prompt)] == prompt


def test_image_tokens_are_as_many_as_image_features(fused: Fused) -> None:
    features = fusion.features_per_image(fused.model, fused.processor)
    assert features == fused.model.config.image_seq_length == 16
    assert int((fused.inputs["input_ids"] == fused.model.config.image_token_id).sum()) == features
    assert fusion.image_features(fused.model, fused.inputs["pixel_values"]).shape == (1, 16, 32)


def test_features_in_two_steps_are_the_stock_forward(fused: Fused) -> None:
    inputs, model = fused.inputs, fused.model
    with torch.no_grad():
        stock = torch.stack(model.get_image_features(inputs["pixel_values"]).pooler_output)
        projected = fusion.project(model, fusion.image_features(model, inputs["pixel_values"]))
        embeddings = fusion.embed(model, inputs["input_ids"], projected)
        logits = model(inputs_embeds=embeddings).logits
        assert torch.equal(projected, stock)
        assert torch.equal(logits, model(**inputs).logits)


def test_generation_stops_at_the_end_of_a_turn_and_pads_with_another_token(fused: Fused) -> None:
    words, settings = fused.stock_processor.tokenizer, fused.stock.generation_config
    ending = words.convert_tokens_to_ids(ENDS[fused.family])
    stops = settings.eos_token_id
    assert ending in (stops if isinstance(stops, list) else [stops])
    assert settings.pad_token_id == words.pad_token_id
    assert words.pad_token_id not in (ending, words.eos_token_id, fused.stock.config.image_token_id)


def test_text_alone_is_answered_as_by_the_llm(fused: Fused) -> None:
    kind = PAIRS[next(n for n, p in PAIRS.items() if p[2] == fused.family)][1]
    alone = llm(kind, len(tokenizer(fused.family)), tie_word_embeddings=kind is Qwen3Config).eval()
    tokens = torch.arange(7, 17)[None]
    with torch.no_grad():
        size = alone.config.vocab_size
        assert torch.equal(fused.model(tokens).logits[..., :size], alone(tokens).logits)


def test_the_linear_connector_is_one_linear_layer_and_stays_one() -> None:
    model, _ = fusion.assemble(tower(), llm(), tokenizer("plain"))
    projector = model.model.multi_modal_projector
    alone = nn.Linear(32, 48)
    alone.load_state_dict(projector.linear_1.state_dict())
    features = torch.randn(2, 16, 32)
    assert torch.equal(fusion.project(model, features), alone(features))

    fusion.trainable(model, ["connector", "llm"])
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


def test_the_connector_depends_on_the_seed_only() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed + 100)
        model, _ = fusion.assemble(tower(), llm(), tokenizer("plain"), seed=seed)
        return model.model.multi_modal_projector.linear_1.weight.detach()

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


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
    assert fusion.trainable(model, ["connector"]) == {"connector": 4_198_400}
    counts = fusion.trainable(model, ["connector", "llm"])
    assert counts == {"connector": 4_198_400, "llm": 8_030_261_248}
    assert fusion.features_per_image(model, processor) == 576


def test_trainable_freezes_the_rest_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model, _ = fusion.assemble(tower(), llm(), tokenizer("plain"), "mlp2x_gelu")
    with caplog.at_level(logging.INFO):
        counts = fusion.trainable(model, ["connector"])
    assert counts == {"connector": 32 * 48 + 48 + 48 * 48 + 48}
    assert "trainable: connector 3,936 of" in caplog.text
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 3936
    assert sum(fusion.trainable(model, ["connector", "llm", "vision"]).values()) == sum(
        p.numel() for p in model.parameters()
    )
    assert fusion.trainable(model, []) == {}


def test_tied_embeddings_are_counted_once() -> None:
    tied = llm(tie_word_embeddings=True)
    assert fusion.trainable(tied, ["llm"])["llm"] == sum(p.numel() for p in tied.parameters())
    model, _ = fusion.assemble(tower(), tied, tokenizer("plain"))
    assert fusion.trainable(model, ["llm"])["llm"] == sum(p.numel() for p in tied.parameters())


def test_a_part_the_model_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="expected parts among llm, found 'connector'"):
        fusion.trainable(llm(), ["connector"])


def test_the_model_takes_the_dtype_of_the_llm_and_keeps_it(tmp_path: Path) -> None:
    model, processor = fusion.assemble(tower(), llm().bfloat16(), tokenizer("plain"))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    fusion.save(model, processor, tmp_path)
    assert fusion.load(tmp_path)[0].dtype == torch.bfloat16
    assert fusion.load(tmp_path, dtype=torch.float32)[0].dtype == torch.float32


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
    features = fusion.image_features(model, pictures)
    started = model.model.multi_modal_projector.linear_1(features).flatten(0, 1)
    words = model.get_input_embeddings().weight
    assert started.mean(0).abs().max() < 1e-3 * started.std()
    assert started.pow(2).mean().sqrt().item() == pytest.approx(words.pow(2).mean().sqrt().item())
    assert fusion.connector_parameters(model)[0].requires_grad
