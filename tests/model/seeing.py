"""Tiny random models of the families that see, with tokenizers of bytes and their own templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer
from transformers import (
    CLIPImageProcessorPil,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    GotOcr2ImageProcessorPil,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipImageProcessorPil,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

from model.families import byte_level

MIND: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}
EYES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 4,
    "image_size": 16,
}
CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}<|im_end|>\n{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% elif 'text' in c %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{%- for m in messages -%}"
    "{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/...') }}"
    "{%- endif -%}{%- set role = 'model' if m['role'] == 'assistant' else m['role'] -%}"
    "{{ '<start_of_turn>' + role + '\n' }}{%- if m['content'] is string -%}"
    "{{ m['content'] | trim }}{%- else -%}{%- for item in m['content'] -%}"
    "{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}"
    "{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<end_of_turn>\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
SMOL = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}"
    "{% if m['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in m['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
VICUNA = (
    "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['role'].upper() + ': '}}{% endif %}"
    "{% for c in m['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}"
    "{% endfor %}{% for c in m['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ c['text'] + ' '}}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for c in m['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}"
    "{% endfor %}{% for c in m['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ c['text'] }}{% endfor %}{{ ' [/INST]' }}{% else %}{{ ' ' + m['content'][0]['text'] }}"
    "{{ eos_token }}{% endif %}{% endfor %}"
)
PINPOINTS = [[16, 32], [32, 16], [32, 32]]
INTERN_IMAGES = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
TILES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
SMOL_TOKENS = ("<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>")
GEMMA_TOKENS = ("<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
GEMMA_IMAGES = {
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>",
}


@cache
def _backend(special: tuple[str, ...]) -> str:
    return str(byte_level(list(special)).to_str())


def make_tokenizer(special: tuple[str, ...], **names: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of bytes with the control tokens of a family."""
    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(_backend(special)), **names)
    control = [AddedToken(token, normalized=False, special=True) for token in special]
    made.add_special_tokens({"additional_special_tokens": control})
    return made


def _ids(tokenizer: Any) -> dict[str, Any]:
    names = ("pad", "bos", "eos")
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in names}


def _save(
    folder: Path, model: Any, image_processor: Any, tokenizer: Any, template: str, **settings: Any
) -> Path:
    """Write a model as the hub has it: the files of its processor, which is made by nobody here."""
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    image_processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template)
    (folder / "processor_config.json").write_text(json.dumps(settings))
    return folder


def _qwen_parts() -> tuple[Any, Any, dict[str, Any]]:
    special = (*QWEN, "<|image_pad|>", "<|video_pad|>")
    tokenizer = make_tokenizer(special, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    seeing = Qwen2VLImageProcessorPil(
        patch_size=4, merge_size=2, size={"shortest_edge": 64, "longest_edge": 1024}
    )
    known = tokenizer.convert_tokens_to_ids
    ids = {
        "image_token_id": known("<|image_pad|>"),
        "video_token_id": known("<|video_pad|>"),
        "vision_start_token_id": known("<|vision_start|>"),
        "vision_end_token_id": known("<|vision_end|>"),
    }
    return tokenizer, seeing, ids


def _qwen(folder: Path, kind: Any, config: Any, eyes: dict[str, Any], **text: Any) -> Path:
    tokenizer, seeing, ids = _qwen_parts()
    torch.manual_seed(3)
    settings = config(
        text_config={**MIND, "vocab_size": len(tokenizer), **_ids(tokenizer), **text},
        vision_config={
            "depth": 2,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            **eyes,
        },
        **ids,
    )
    template = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    return _save(folder, kind(settings), seeing, tokenizer, template)


def qwen2_5_vl(folder: Path) -> Path:
    """Pictures of any size, seen through windows; positions in three axes."""
    eyes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32}
    eyes |= {"window_size": 16, "fullatt_block_indexes": [1]}
    rope = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
    return _qwen(folder, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig, eyes, **rope)


def qwen2_vl(folder: Path) -> Path:
    """The same with another encoder."""
    eyes = {"embed_dim": 16, "hidden_size": 32}
    rope = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
    return _qwen(folder, Qwen2VLForConditionalGeneration, Qwen2VLConfig, eyes, **rope)


def qwen3_vl(folder: Path) -> Path:
    """Features of earlier layers of the encoder for the first layers of the LLM."""
    eyes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32}
    eyes |= {"num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1]}
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True}
    text = {"head_dim": 8, "rope_parameters": rope}
    return _qwen(folder, Qwen3VLForConditionalGeneration, Qwen3VLConfig, eyes, **text)


def _idefics(folder: Path, kind: Any, config: Any, image_processor: Any) -> Path:
    special = (*SMOL_TOKENS, "<global-img>", *TILES, "<pad>")
    names = {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>", "pad_token": "<pad>"}
    tokenizer = make_tokenizer(special, **names)
    torch.manual_seed(3)
    settings = config(
        text_config={
            "model_type": "llama", **MIND, "vocab_size": len(tokenizer), **_ids(tokenizer)
        },
        vision_config=EYES,
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    seeing = image_processor(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    return _save(folder, kind(settings), seeing, tokenizer, SMOL, image_seq_len=4)


def idefics3(folder: Path) -> Path:
    """Pictures in tiles, as many as their size asks for."""
    return _idefics(
        folder, Idefics3ForConditionalGeneration, Idefics3Config, Idefics3ImageProcessorPil
    )


def smolvlm(folder: Path) -> Path:
    """The same, with a processor that also reads videos."""
    return _idefics(
        folder, SmolVLMForConditionalGeneration, SmolVLMConfig, SmolVLMImageProcessorPil
    )


def gemma3(folder: Path) -> Path:
    """Images that see each other, also across a sliding window; empty lines around them."""
    special = (*GEMMA_TOKENS, *GEMMA_IMAGES.values())
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    tokenizer = make_tokenizer(special, **names, extra_special_tokens=GEMMA_IMAGES)
    torch.manual_seed(3)
    settings = Gemma3Config(
        text_config={
            **MIND,
            "vocab_size": len(tokenizer),
            "head_dim": 8,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
            **_ids(tokenizer),
        },
        vision_config={"model_type": "siglip_vision_model", **EYES},
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
    )
    seeing = Gemma3ImageProcessorPil(size={"height": 16, "width": 16})
    model = Gemma3ForConditionalGeneration(settings)
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.2)
    return _save(folder, model, seeing, tokenizer, GEMMA, image_seq_length=4)


def llava(folder: Path) -> Path:
    """LLaVA-1.5 as it is on the hub: its template ends no answer."""
    special = ("<s>", "</s>", "<pad>", "<image>")
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = make_tokenizer(special, **names, extra_special_tokens={"image_token": "<image>"})
    torch.manual_seed(3)
    settings = LlavaConfig(
        text_config={
            "model_type": "llama", **MIND, "vocab_size": len(tokenizer), **_ids(tokenizer)
        },
        vision_config={"model_type": "clip_vision_model", **EYES},
        image_token_index=tokenizer.image_token_id,
    )  # fmt: skip
    square = {"height": 16, "width": 16}
    seeing = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=square)
    own = {"patch_size": 4, "vision_feature_select_strategy": "default"}
    own |= {"num_additional_image_tokens": 1, "image_token": "<image>"}
    model = LlavaForConditionalGeneration(settings)
    return _save(folder, model, seeing, tokenizer, VICUNA, **own)


def llava_next(folder: Path) -> Path:
    """Tiles of a grid that fits a picture's shape; a template that puts images first."""
    special = ("<s>", "</s>", "<pad>", "<image>")
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = make_tokenizer(special, **names, extra_special_tokens={"image_token": "<image>"})
    torch.manual_seed(3)
    settings = LlavaNextConfig(
        text_config={
            "model_type": "mistral", **MIND, "vocab_size": len(tokenizer), **_ids(tokenizer)
        },
        vision_config={"model_type": "clip_vision_model", **EYES},
        image_grid_pinpoints=PINPOINTS,
        image_token_index=tokenizer.image_token_id,
    )  # fmt: skip
    seeing = LlavaNextImageProcessorPil(
        size={"shortest_edge": 16}, crop_size=16, image_grid_pinpoints=PINPOINTS
    )
    model = LlavaNextForConditionalGeneration(settings)
    own = {"patch_size": 4, "vision_feature_select_strategy": "default"}
    own |= {"num_additional_image_tokens": 1, "image_token": "<image>"}
    return _save(folder, model, seeing, tokenizer, MISTRAL, **own)


def llava_onevision(folder: Path) -> Path:
    """The same with a processor that also reads videos."""
    special = (*QWEN[:3], "<image>", "<video>")
    tokenizer = make_tokenizer(special, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    torch.manual_seed(3)
    settings = LlavaOnevisionConfig(
        text_config={
            "model_type": "qwen2", **MIND, "vocab_size": len(tokenizer), **_ids(tokenizer)
        },
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **EYES},
        image_grid_pinpoints=PINPOINTS,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
        vision_aspect_ratio="anyres_max_9",
    )  # fmt: skip
    seeing = LlavaOnevisionImageProcessorPil(
        size={"height": 16, "width": 16}, image_grid_pinpoints=PINPOINTS
    )
    model = LlavaOnevisionForConditionalGeneration(settings)
    template = CHATML.replace("IMAGE", "<image>\n")
    own = {"num_image_tokens": 16, "vision_feature_select_strategy": "full"}
    own |= {"vision_aspect_ratio": "anyres_max_9"}
    return _save(folder, model, seeing, tokenizer, template, **own)


def internvl(folder: Path) -> Path:
    """Tiles between two control tokens."""
    special = (*QWEN[:3], *INTERN_IMAGES.values())
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    tokenizer = make_tokenizer(special, **names, extra_special_tokens=INTERN_IMAGES)
    torch.manual_seed(3)
    settings = InternVLConfig(
        text_config={
            "model_type": "qwen2", **MIND, "vocab_size": len(tokenizer), **_ids(tokenizer)
        },
        vision_config={**EYES, "image_size": [16, 16], "patch_size": [4, 4]},
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=4,
    )  # fmt: skip
    seeing = GotOcr2ImageProcessorPil(
        size={"height": 16, "width": 16}, crop_to_patches=True, max_patches=4
    )
    model = InternVLForConditionalGeneration(settings)
    template = CHATML.replace("IMAGE", "<IMG_CONTEXT>\n")
    return _save(folder, model, seeing, tokenizer, template, image_seq_length=4)


def paligemma(folder: Path, **text: Any) -> Path:
    """A prefix of picture and question whose tokens see each other; no chat template."""
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    tokenizer = make_tokenizer(("<pad>", "<bos>", "<eos>", "<image>"), **names)
    torch.manual_seed(3)
    settings = PaliGemmaConfig(
        text_config={  # the processor adds places and shapes
            "model_type": "gemma", **MIND, "vocab_size": len(tokenizer) + 2048, "head_dim": 8,
            **_ids(tokenizer), **text
        },
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **EYES},
        projection_dim=32,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    seeing = SiglipImageProcessorPil(size={"height": 16, "width": 16})
    seeing.image_seq_length = 16
    model = PaliGemmaForConditionalGeneration(settings)
    _save(folder, model, seeing, tokenizer, "")
    for name in ("chat_template.jinja", "processor_config.json"):
        (folder / name).unlink()
    return folder


def paligemma2(folder: Path) -> Path:
    """The same on a Gemma 2: it bounds attention and logits, and every other layer sees little."""
    text: dict[str, Any] = {"model_type": "gemma2", "sliding_window": 8}
    text |= {"layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 8}
    return paligemma(folder, **text, attn_logit_softcapping=2.0, final_logit_softcapping=3.0)


FAMILIES: dict[str, Callable[[Path], Path]] = {
    one.__name__: one
    for one in (
        *(qwen2_5_vl, qwen2_vl, qwen3_vl, idefics3, smolvlm, gemma3),
        *(llava, llava_next, llava_onevision, internvl, paligemma),
    )
}
