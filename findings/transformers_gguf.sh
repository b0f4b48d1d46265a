#!/usr/bin/env bash
# transformers: two things about models read from a GGUF file (`from_pretrained(..., gguf_file=...)`).
# 1. How a byte-level tokenizer cuts texts stands in the file, as `tokenizer.ggml.pre`. A name that
#    transformers does not know (`smollm`, of all SmolLM and SmolLM2 files) is passed over without a
#    word, and texts are cut as GPT-2 does: numbers then become other tokens than in llama.cpp and in
#    the model's own tokenizer, which cut at every digit.
# 2. A model whose blocks were all taken apart into plain fp32 weights while it was read cannot be
#    saved: `save_pretrained` calls it quantised. A model of its configuration that takes its weights
#    (`load_state_dict`) can, and is the way round.
# Needs Python 3 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.23.0 torch==2.13.0 accelerate==1.15.0 gguf==0.19.0
cat > "$folder/read.py" <<'PYTHON'
"""A small Llama with the cut of SmolLM, as GGUF, read by transformers."""

import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

HIDDEN, INNER, HEADS = 64, 64, 4
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
tokens = ["<|endoftext|>", *letters, "Ġ3"]  # a space and a 3, which SmolLM's cut never joins


def write(file):
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(tokens) - 1))
    writer.add_token_merges(["Ġ 3"])
    writer.add_eos_token_id(0)
    square, random = (HIDDEN, HIDDEN), np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), HIDDEN), "output_norm": (HIDDEN,)}
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        shapes[f"blk.0.{name}"] = square
    shapes |= {"blk.0.attn_norm": (HIDDEN,), "blk.0.ffn_norm": (HIDDEN,)}
    for name, shape in shapes.items():
        kind = gguf.GGMLQuantizationType.Q8_0 if len(shape) == 2 else gguf.GGMLQuantizationType.F32
        values = gguf.quants.quantize(random.normal(size=shape).astype(np.float32), kind)
        writer.add_tensor(f"{name}.weight", values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def save(model, folder):
    try:
        model.save_pretrained(folder)
    except ValueError as error:
        return str(error).partition(" - ")[0]
    return "saved"


with tempfile.TemporaryDirectory() as folder:
    write(Path(folder) / "model.gguf")
    place = {"pretrained_model_name_or_path": folder, "gguf_file": "model.gguf"}
    words = AutoTokenizer.from_pretrained(**place)
    cut = words.tokenize("and 3")
    digits = pre_tokenizers.Digits(individual_digits=True)
    words.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    right = words.tokenize("and 3")
    read = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    kinds = sorted({type(layer).__name__ for layer in read.modules() if "Linear" in str(type(layer))})
    dtypes = sorted({str(weight.dtype) for weight in read.parameters()})
    outcome = save(read, f"{folder}/saved")
    config = read.config
    vars(config).pop("quantization_config", None)
    plain = type(read)(config)
    plain.load_state_dict(read.state_dict())
    round_about = save(plain, f"{folder}/plain")
print("transformers", transformers.__version__, "text: and 3, cut: smollm")
print("as transformers cuts it:", cut)
print("as the file says:       ", right)
print("layers", kinds, "weights", dtypes, "save_pretrained:", outcome)
print("a model that took its weights:", round_about)
as_described = (
    cut == ["a", "n", "d", "Ġ3"]
    and right == ["a", "n", "d", "Ġ", "3"]
    and (kinds, dtypes) == (["Linear"], ["torch.float32"])
    and "quantized" in outcome
    and round_about == "saved"
)
print("as described" if as_described else "NO LONGER AS DESCRIBED")
sys.exit(not as_described)
PYTHON
"$folder/venv/bin/python" "$folder/read.py"
# Seen with transformers 5.23.0, torch 2.13.0+cpu, gguf 0.19.0, Python 3.11.7:
#   as transformers cuts it: ['a', 'n', 'd', 'Ġ3']
#   as the file says:        ['a', 'n', 'd', 'Ġ', '3']
#   layers ['Linear'] weights ['torch.float32'] save_pretrained: The model is quantized with gguf and
#     is not serializable
#   a model that took its weights: saved
