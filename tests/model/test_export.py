"""What is exported says what the LLaVA says: to the bit in transformers, to a hair in llama.cpp."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma2Config, LlamaConfig

from ikusi.errors import InputError
from ikusi.model import chat, fusion
from ikusi.model.export import export
from model.families import tokenizer
from model.pairs import llm, tower
from model.test_fusion import PAIRS, Fused, Pair, opened

TEXT = [
    {"role": "user", "content": "Zer da hau?"},
    {"role": "assistant", "content": "Katua da."},
    {"role": "user", "content": "What is 3 dogs?\nA cat."},
]


def fuse(pair: Pair, folder: Path) -> Fused:
    """As a study does it: the LLM and its tokenizer come from a folder."""
    fusion.save(pair.llm(), tokenizer(pair.family), folder / "backbone")
    model, processor = fusion.assemble(
        tower(pair.vision), folder / "backbone", connector=pair.connector, aspect=pair.aspect
    )
    fusion.save(model, processor, folder / "llava")
    return Fused(pair, model, processor, folder / "llava", *opened(folder / "llava"))


@pytest.fixture(scope="module", params=list(PAIRS))
def fused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    return fuse(PAIRS[request.param], tmp_path_factory.mktemp("fused"))


@pytest.fixture(scope="module")
def alone(fused: Fused) -> tuple[Any, Any]:
    """The exported LLM as opened by whoever has transformers and no code of ours."""
    folder = fused.folder.with_name("llm")
    export(fused.folder, "llm", folder)
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_the_llm_alone_gives_the_logits_of_the_llava(fused: Fused, alone: tuple[Any, Any]) -> None:
    model, words = alone
    tokens = torch.tensor([chat.prompt_ids(words, TEXT)])
    assert type(model) is type(fused.pair.llm())
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, fused.stock(tokens).logits)


def test_text_is_asked_for_token_for_token_as_in_the_llava(
    fused: Fused, alone: tuple[Any, Any]
) -> None:
    words = alone[1]
    asked = words.apply_chat_template(TEXT, add_generation_prompt=True, return_dict=False)
    parts = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in TEXT]
    served = fused.stock_processor.apply_chat_template(
        parts, add_generation_prompt=True, tokenize=True
    )
    assert asked == (served[0] if isinstance(served[0], list) else served)
    assert asked == chat.prompt_ids(fused.processor.tokenizer, TEXT)


def test_the_template_is_the_llms_own(fused: Fused, alone: tuple[Any, Any]) -> None:
    own = tokenizer(fused.pair.family).chat_template
    assert alone[1].chat_template.endswith(own)
    if fused.pair.family != "llava-parts":
        assert alone[1].chat_template == own
