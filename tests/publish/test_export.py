"""The LLM exported from a LLaVA says what the LLaVA says, to the bit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma2Config, Qwen2Config

from ikusi import cli
from ikusi.errors import InputError
from ikusi.model import chat, fusion
from ikusi.model.parts import open_tokenizer
from ikusi.publish.export import export
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


@pytest.mark.slow
def test_the_llm_alone_gives_the_logits_of_the_llava(fused: Fused, alone: tuple[Any, Any]) -> None:
    model, words = alone
    tokens = torch.tensor([chat.encode_prompt(words, TEXT)])
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
    assert asked == chat.encode_prompt(fused.processor.tokenizer, TEXT)


def test_the_template_is_the_llms_own(fused: Fused, alone: tuple[Any, Any]) -> None:
    own = open_tokenizer(tokenizer(fused.pair.family)).chat_template
    assert alone[1].chat_template.endswith(own)
    if fused.pair.family != "llava-parts":
        assert alone[1].chat_template == own


def test_embeddings_are_tied_or_apart_as_in_the_llava(fused: Fused, alone: tuple[Any, Any]) -> None:
    model = alone[0]
    shared = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert shared == fused.pair.tied == model.config.tie_word_embeddings
    keys = load_file(fused.folder.with_name("llm") / "model.safetensors").keys()
    assert any("lm_head" in key for key in keys) != fused.pair.tied
    assert not [key for key in keys if "vision" in key or "projector" in key]


def test_the_vocabulary_keeps_its_size_and_generation_stops_where_it_did(
    fused: Fused, alone: tuple[Any, Any]
) -> None:
    model, words = alone
    assert model.get_input_embeddings().weight.shape[0] == model.config.vocab_size
    assert words.get_vocab() == fused.processor.tokenizer.get_vocab()
    for name in ("eos_token_id", "pad_token_id"):
        own, llavas = (getattr(m.generation_config, name) for m in (model, fused.stock))
        assert own == llavas is not None


def test_nothing_of_the_processor_is_left(fused: Fused, alone: tuple[Any, Any]) -> None:
    folder = fused.folder.with_name("llm")
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "generation_config.json", "manifest.json", "tokenizer.json"} <= names
    assert not [name for name in names if "processor" in name]
    assert "processor" not in (folder / "tokenizer_config.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_weights_keep_their_dtype(tmp_path: Path) -> None:
    model, processor = fusion.assemble(tower(), llm().bfloat16(), tokenizer("plain"))
    fusion.save(model, processor, tmp_path / "llava")
    export(tmp_path / "llava", "llm", tmp_path / "llm")
    opened_llm = AutoModelForCausalLM.from_pretrained(tmp_path / "llm")
    assert {parameter.dtype for parameter in opened_llm.parameters()} == {torch.bfloat16}


@pytest.mark.slow
def test_an_llm_that_alone_would_say_something_else_is_refused(tmp_path: Path) -> None:
    plain = llm(Gemma2Config, final_logit_softcapping=None, initializer_range=1.0)
    model, processor = fusion.assemble(tower(), plain, tokenizer("plain"))
    model.config.text_config.final_logit_softcapping = 0.01
    fusion.save(model, processor, tmp_path / "llava")
    with pytest.raises(InputError, match="gemma2: expected logits from a plain output layer"):
        export(tmp_path / "llava", "llm", tmp_path / "llm")
    assert {path.name for path in tmp_path.iterdir()} == {"llava"}


def test_a_tokenizer_that_transformers_would_open_differently_is_refused(tmp_path: Path) -> None:
    words = tokenizer("chatml")  # splits words as GPT-2 does, and Qwen 2 otherwise
    model, processor = fusion.assemble(tower(), llm(Qwen2Config, len(words)), words)
    fusion.save(model, processor, tmp_path / "llava")
    with pytest.raises(InputError, match="tokenizer: expected the one usual for qwen2"):
        export(tmp_path / "llava", "llm", tmp_path / "llm")


def test_what_is_there_already_is_never_overwritten(tmp_path: Path) -> None:
    pair = PAIRS["clip + llama"]
    llava = fuse(pair, tmp_path).folder
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    for taken in (tmp_path / "full", tmp_path / "full" / "note.txt"):
        with pytest.raises(InputError, match=f"{taken.name}: expected a new or empty folder"):
            export(llava, "llm", taken)
    (tmp_path / "empty").mkdir()
    export(llava, "llm", tmp_path / "empty")
    assert (tmp_path / "empty" / "config.json").exists()
    with pytest.raises(InputError, match="found a 'llama' one"):
        export(tmp_path / "empty", "llm", tmp_path / "again")


@pytest.mark.slow
def test_the_command_names_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fuse(PAIRS["clip + llama"], tmp_path / "run")
    (tmp_path / "run" / "llava").rename(tmp_path / "run" / "checkpoint")
    arguments = ["export", str(tmp_path / "run"), "--to", "llm", "--output", str(tmp_path / "llm")]
    for code in (0, 3):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert (end.value.code or 0) == code
        shown = capsys.readouterr()
        assert (str(tmp_path / "llm" / "model.safetensors") in shown.out) == (code == 0)
    assert shown.err.count("\n") == 1 and "expected a new or empty folder" in shown.err
