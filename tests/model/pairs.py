"""Tiny random encoders and LLMs of several families."""

from typing import Any

import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
)

TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
LLM = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
MODELS: dict[Any, Any] = {
    CLIPVisionConfig: CLIPVisionModel,
    SiglipVisionConfig: SiglipVisionModel,
    LlamaConfig: LlamaForCausalLM,
    Qwen2Config: Qwen2ForCausalLM,
    Qwen3Config: Qwen3ForCausalLM,
    GemmaConfig: GemmaForCausalLM,
    Gemma2Config: Gemma2ForCausalLM,
    MistralConfig: MistralForCausalLM,
}


def tower(kind: Any = CLIPVisionConfig) -> PreTrainedModel:
    torch.manual_seed(1)
    made: PreTrainedModel = MODELS[kind](kind(**TOWER))
    return made


def llm(kind: Any = LlamaConfig, words: int = 400, **settings: Any) -> PreTrainedModel:
    torch.manual_seed(2)
    made: PreTrainedModel = MODELS[kind](kind(vocab_size=words, **{**LLM, **settings}))
    return made
