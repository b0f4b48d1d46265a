"""A tiny random LLaVA and a word-level tokenizer, built in memory."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
)

from ikusi.answer.engines.local import Local
from ikusi.model.parts import open_image_processor
from ikusi.model.tokens import SPECIAL_TOKENS, make_plain_tokenizer

WORDS = [
    "what",
    "is",
    "on",
    "the",
    "left",
    "right",
    "a",
    "dog",
    "cat",
    "house",
    "red",
    "blue",
    "yes",
    "no",
    "two",
    "three",
    "hot",
    "and",
    "stand",
    "?",
]
PICTURE_TOKENS = 4


def tokenizer() -> PreTrainedTokenizerBase:
    names = [*SPECIAL_TOKENS, "[UNK]", *WORDS]
    backend = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return make_plain_tokenizer(backend)


def model(words: PreTrainedTokenizerBase, seed: int = 0) -> LlavaForConditionalGeneration:
    """2 layers, grouped-query attention, logits spread enough for picks to be clear."""
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    text = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.4,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_seq_length=PICTURE_TOKENS,
        image_token_index=words.convert_tokens_to_ids("<|image|>"),
    )
    return LlavaForConditionalGeneration(config).eval()


def engine(seed: int = 0) -> Local:
    """The tiny LLaVA, ready to answer."""
    words = tokenizer()
    processor = LlavaProcessor(
        image_processor=open_image_processor("none", 16),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=words.chat_template,
        image_token="<|image|>",
        num_additional_image_tokens=1,
    )
    return Local(model(words, seed), words, processor, name="tiny")


def pictures(names: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random pixels [3, 16, 16] per name, a letter each."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(3, 16, 16, generator=generator) for name in names}
