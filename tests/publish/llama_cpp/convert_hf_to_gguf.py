"""Stands in for llama.cpp's converter, called as that one is: small Qwen 2 models only.

What it writes is a real GGUF file, so llama.cpp itself can say what becomes of an export.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors import deserialize

NAME_OF = {"f32": "F32", "f16": "F16", "bf16": "BF16"}


def write(folder: Path, outfile: Path, outtype: str) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config["architectures"] != ["Qwen2ForCausalLM"]:
        raise NotImplementedError(f"Model {config['architectures'][0]} is not supported")
    writer = gguf.GGUFWriter(outfile, "qwen2")
    describe(writer, config)
    write_vocabulary(writer, folder)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config["num_hidden_layers"])
    for key, stored in deserialize((folder / "model.safetensors").read_bytes()):
        kind = gguf.GGMLQuantizationType[NAME_OF[outtype] if len(stored["shape"]) == 2 else "F32"]
        values = gguf.quants.quantize(numbers(stored), kind)
        writer.add_tensor(str(names.get_name(key, (".weight", ".bias"))), values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def numbers(stored: dict[str, Any]) -> Any:
    """A tensor's numbers as float32, by numpy alone: to load PyTorch takes ten times as long."""
    if stored["dtype"] == "BF16":  # the upper half of a float32
        values = (np.frombuffer(stored["data"], "<u2").astype("<u4") << 16).view("<f4")
    else:
        values = np.frombuffer(stored["data"], {"F32": "<f4", "F16": "<f2"}[stored["dtype"]])
    return values.astype(np.float32).reshape(stored["shape"])


def describe(writer: Any, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])


def write_vocabulary(writer: Any, folder: Path, cut: str = "qwen2") -> None:
    words = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    added = {token["content"]: token["id"] for token in words["added_tokens"]}
    vocabulary = words["model"]["vocab"] | added
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    kinds = [gguf.TokenType.NORMAL, gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    writer.add_token_list(ordered)
    writer.add_token_types([kinds[token in added] for token in ordered])
    writer.add_token_merges([" ".join(pair) for pair in words["model"]["merges"]])
    writer.add_eos_token_id(vocabulary[settings["eos_token"]])
    writer.add_add_bos_token(False)
    writer.add_chat_template((folder / "chat_template.jinja").read_text("utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--outfile", type=Path, required=True)
    parser.add_argument("--outtype", choices=list(NAME_OF), required=True)
    given = parser.parse_args()
    write(given.model, given.outfile, given.outtype)
