"""Tiny tokenizers that split, mark and template text as those of the great LLM families do."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from ikusi.model.tokens import SPECIAL_TOKENS, make_plain_tokenizer

TEMPLATES = Path(__file__).parent / "templates"
TEXT = ["Zer da hau?\n\nKatua da. What is this? It is a cat, and 3 dogs.\n\n", "user\n\nkaixo"] * 20
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

SPECIAL: dict[str, list[str]] = {
    "llama-3.1": [
        *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
        *("<|eot_id|>", "<|reserved_special_token_0|>", "<|finetune_right_pad_id|>"),
    ],
    "chatml": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"],
    "qwen-3": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"],
    "dated": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"],
    "thinking": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"],
    "mistral": ["<unk>", "<s>", "</s>"],
    "gemma": ["<unk>", "<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
    "llava-parts": ["<unk>", "<s>", "</s>", "<image>"],
}
NAMED: dict[str, dict[str, Any]] = {
    "llama-3.1": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "chatml": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen-3": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "dated": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "thinking": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "mistral": {"bos_token": "<s>", "eos_token": "</s>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
    "llava-parts": {"bos_token": "<s>", "eos_token": "</s>"},
}
ENDS = {
    "plain": "<|end|>",
    "llama-3.1": "<|eot_id|>",
    "chatml": "<|im_end|>",
    "qwen-3": "<|im_end|>",
    "dated": "<|im_end|>",
    "thinking": "<|im_end|>",
    "mistral": "</s>",
    "gemma": "<end_of_turn>",
    "llava-parts": "</s>",
}
WITHOUT_SYSTEM = {"mistral", "gemma"}


def byte_level(special: list[str], split: str | None = None) -> Tokenizer:
    backend = Tokenizer(models.BPE())
    steps = [pre_tokenizers.Split(Regex(split), "isolated")] if split else []
    byte_step = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    backend.pre_tokenizer = pre_tokenizers.Sequence([*steps, byte_step])
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _trained(
        backend,
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )


def metaspace(special: list[str]) -> Tokenizer:
    """SentencePiece's manner: spaces are letters, unknown characters fall back to bytes."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    names = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=names, show_progress=False)
    trained = _trained(backend, trainer)
    return _only_special(trained, special)


def _only_special(backend: Tokenizer, special: list[str]) -> Tokenizer:
    """Keep the byte tokens in the vocabulary, but as ordinary ones."""
    state = json.loads(backend.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] in special]
    return Tokenizer.from_str(json.dumps(state))


def _trained(backend: Tokenizer, trainer: trainers.BpeTrainer) -> Tokenizer:
    backend.train_from_iterator(TEXT, trainer)
    return backend


def _with_bos(backend: Tokenizer, bos: str) -> Tokenizer:
    """As most tokenizers of LLMs, put a BOS before every text that is tokenised."""
    opening = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
    )
    backend.post_processor = (
        processors.Sequence([backend.post_processor, opening])
        if backend.post_processor is not None
        else opening
    )
    return backend


@cache
def _backend(family: str) -> str:
    if family in ("mistral", "gemma", "llava-parts"):
        backend = metaspace(SPECIAL[family])
    elif family == "llama-3.1":
        backend = byte_level(SPECIAL[family], LLAMA_3)
    else:
        backend = byte_level(SPECIAL[family])
    if "bos_token" in NAMED[family]:
        backend = _with_bos(backend, NAMED[family]["bos_token"])
    return str(backend.to_str())


@cache
def _plain() -> str:
    return str(byte_level(list(SPECIAL_TOKENS)).to_str())


def tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A fresh tokenizer of the family, without an image token of its own (except plain's)."""
    if family == "plain":
        return make_plain_tokenizer(Tokenizer.from_str(_plain()))
    backend = Tokenizer.from_str(_backend(family))
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED[family])
    made.chat_template = (TEMPLATES / f"{family}.jinja").read_text(encoding="utf-8").strip()
    return made


FAMILIES = sorted(ENDS)
