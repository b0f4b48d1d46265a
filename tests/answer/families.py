"""Tiny random models that are no LLaVA-1.5, with processors that need no torchvision."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Gemma3TextConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from tiny_llava import WORDS

EYES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 4,
}
MIND: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.4,
}
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ ROLE }}{% for p in m.content %}"
    "{% if p.type == 'image' %}IMAGE{% else %}{{ p.text | trim }}{% endif %}{% endfor %}END\n"
    "{% endfor %}{% if add_generation_prompt %}START{% endif %}"
)


def words(special: list[str], **names: str) -> PreTrainedTokenizerFast:
    """A word-level tokenizer with the control tokens of a family."""
    known = ["<pad>", "<bos>", "<eos>", *special, "[UNK]", "User", "Assistant", ":", *WORDS]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(known)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    found = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        extra_special_tokens=names,
    )
    found.add_special_tokens(
        {"additional_special_tokens": [AddedToken(w, normalized=False) for w in special]}
    )
    return found


def template(role: str, image: str, end: str, start: str) -> str:
    """A chat template with a family's own words."""
    made = TEMPLATE.replace("{{ ROLE }}", role).replace("IMAGE", image)
    return made.replace("END", end).replace("START", start)


def ids(tokenizer: Any) -> dict[str, Any]:
    return {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")
    }


def gemma3(folder: Path) -> Path:
    """Images that see themselves from both sides; token types; layers with a sliding window."""
    names = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    turns = ["<start_of_turn>", "<end_of_turn>"]
    tokenizer = words([*turns, *names.values()], **names)
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        head_dim=8,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
        **MIND,
        **ids(tokenizer),
    )
    config = Gemma3Config(
        text_config=text,
        vision_config=SiglipVisionConfig(image_size=16, **EYES),
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
    )
    seeing = Gemma3ImageProcessorPil(size={"height": 16, "width": 16})
    role = "<start_of_turn>{{ 'Assistant' if m.role == 'assistant' else 'User' }}\n"
    layout = template(role, "<start_of_image>", "<end_of_turn>", "<start_of_turn>Assistant\n")
    processor = Gemma3Processor(seeing, tokenizer, chat_template=layout, image_seq_length=4)
    return save(Gemma3ForConditionalGeneration, config, processor, folder)


def idefics3(folder: Path) -> Path:
    """Pictures cut into tiles, as many as their sizes ask for, in a list for each text."""
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    special = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *tiles]
    tokenizer = words(special)
    config = Idefics3Config(
        text_config=LlamaConfig(vocab_size=len(tokenizer), **MIND, **ids(tokenizer)),
        vision_config={"image_size": 16, **EYES},
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    seeing = Idefics3ImageProcessorPil(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 16}
    )
    role = "{{ 'Assistant:' if m.role == 'assistant' else 'User:' }} "
    layout = template(role, "<image>", "<end_of_utterance>", "Assistant:")
    processor = Idefics3Processor(seeing, tokenizer, image_seq_len=4, chat_template=layout)
    return save(Idefics3ForConditionalGeneration, config, processor, folder)


def llava_next(folder: Path) -> Path:
    """Pictures in tiles of a grid that fits their shape; turns end with the end of the text."""
    tokenizer = words(["<image>"], image_token="<image>")
    config = LlavaNextConfig(
        text_config=LlamaConfig(vocab_size=len(tokenizer), **MIND, **ids(tokenizer)),
        vision_config=CLIPVisionConfig(image_size=16, **EYES),
        image_grid_pinpoints=[[16, 32], [32, 16], [32, 32]],
        image_token_index=tokenizer.image_token_id,
        image_seq_length=16,
    )
    seeing = LlavaNextImageProcessorPil(
        size={"shortest_edge": 16},
        crop_size=16,
        image_grid_pinpoints=[[16, 32], [32, 16], [32, 32]],
    )
    role = "{{ 'Assistant:' if m.role == 'assistant' else 'User:' }} "
    processor = LlavaNextProcessor(
        seeing,
        tokenizer,
        patch_size=4,
        vision_feature_select_strategy="default",
        chat_template=template(role, "<image>", "<eos>", "Assistant:"),
        num_additional_image_tokens=1,
    )
    return save(LlavaNextForConditionalGeneration, config, processor, folder)


def save(kind: Any, config: Any, processor: Any, folder: Path) -> Path:
    torch.manual_seed(5)
    kind(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


FAMILIES = {"gemma3": gemma3, "idefics3": idefics3, "llava_next": llava_next}
