"""Models are added tensor by tensor as others add them, and only where they fit together."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoModelForImageTextToText,
    PreTrainedTokenizerBase,
    Qwen2Config,
)

from answer import families as other_families
from ikusi import artifact, cli
from ikusi.errors import InputError
from ikusi.model import families, fusion, merging
from ikusi.model.merging import Mix, sources, tensors
from model import seeing
from model.families import tokenizer
from model.pairs import llm, tower

WEIGHTS, SHARD = "model.safetensors", "60KB"
LAYER = "model.layers.1.mlp.up_proj.weight"
Models = dict[str, Path]


def shake(model: Any, seed: int) -> Any:
    """The same with every weight a little changed, each by another amount."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.01 * torch.randn(weight.shape, generator=generator)
    return model


def save_llm(folder: Path, seed: int, words: Any = None, **changes: Any) -> Path:
    words = words or tokenizer("chatml")
    fusion.save(shake(llm(words=len(words), **changes), seed), words, folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """An LLM, the same adapted, a model that sees with the first one in it, and that trained."""
    folder = tmp_path_factory.mktemp("models")
    english = save_llm(folder / "english", 0)
    save_llm(folder / "adapted", 1)
    model, processor = fusion.assemble(tower(), english, seed=0)
    fusion.save(model, processor, folder / "before")
    fusion.save(shake(model, 2), processor, folder / "run")
    return {path.name: path for path in folder.iterdir()}


def read(folder: Path) -> dict[str, Tensor]:
    return {
        name: one for file in folder.glob("*.safetensors") for name, one in load_file(file).items()
    }


def name_alone(name: str) -> str | None:
    """Name of a LLaVA's tensor in the file of its LLM alone; none where it has none."""
    return name.removeprefix("language_model.") if name.startswith("language_model.") else None


@pytest.mark.parametrize("method", ["linear", "ties"])
@pytest.mark.parametrize("piece", [2**22, 1000], ids=["whole", "in pieces"])
def test_an_llm_is_added_as_peft_adds_it(
    method: Any, piece: int, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft.utils.merge_utils import task_arithmetic, ties  # loads much, for this test alone

    monkeypatch.setattr(tensors, "PIECE", piece)
    out = tmp_path / "out"
    places = models["run"], models["adapted"], models["english"]
    merging.merge(*places, out, Mix(0.6, method, 0.3))
    run, plus, minus, made = map(read, (*places, out))
    added = 0
    for name, own in run.items():
        if alone := name_alone(name):
            a, b, c = own, plus[alone], minus[alone]
            weights = torch.tensor([1.0, 0.6])
            wanted = (
                task_arithmetic([a, b - c], weights)
                if method == "linear"
                else c + ties([a - c, b - c], weights, 0.3)
            )
            torch.testing.assert_close(made[name], wanted, rtol=0, atol=1e-7)
            assert not torch.equal(made[name], own)
            added += 1
        else:
            assert torch.equal(made[name], own), name
    assert added == len(plus) and made.keys() == run.keys()


@pytest.mark.parametrize("numbers", [torch.bfloat16, torch.float16])
def test_what_is_written_is_stock_in_the_files_and_numbers_of_the_run(
    numbers: torch.dtype, models: Models, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    model, processor = fusion.load(models["run"])
    model.to(numbers).save_pretrained(run, max_shard_size=SHARD)
    processor.save_pretrained(run)
    assert len(list(run.glob("*.safetensors"))) > 2
    merging.merge(run, models["adapted"], models["english"], out, Mix(1.0))
    assert {path.name for path in out.iterdir()} == {
        "manifest.json",
        *(p.name for p in run.iterdir()),
    }
    before, after = read(run), read(out)
    for file in run.glob("*.safetensors"):
        with file.open("rb") as one, (out / file.name).open("rb") as other:
            length = one.read(8)
            assert length == other.read(8)
            assert one.read(int.from_bytes(length, "little")) == other.read(
                int.from_bytes(length, "little")
            )
    plus, minus = read(models["adapted"]), read(models["english"])
    name, alone = f"language_model.{LAYER}", LAYER
    sum_ = before[name].float() + plus[alone] - minus[alone]
    assert torch.equal(after[name], sum_.to(numbers))
    opened = AutoModelForImageTextToText.from_pretrained(out)
    assert opened.dtype == numbers
    fusion.load(out)


def test_a_run_is_brought_back_to_what_it_was_before_training(
    models: Models, tmp_path: Path
) -> None:
    run, english = models["run"], models["english"]
    merging.merge(run, english, run, tmp_path / "half", Mix(0.5))
    merging.merge(run, english, run, tmp_path / "all", Mix(1.0))
    own, bare = read(run), read(english)
    half, whole = read(tmp_path / "half"), read(tmp_path / "all")
    for name, alone in ((name, name_alone(name)) for name in own):
        if alone:
            torch.testing.assert_close(half[name], (own[name] + bare[alone]) / 2, rtol=0, atol=1e-6)
            torch.testing.assert_close(whole[name], bare[alone], rtol=0, atol=1e-6)
        else:
            assert torch.equal(whole[name], own[name])


def test_each_part_is_added_where_it_is_asked_for(models: Models, tmp_path: Path) -> None:
    run, before = models["run"], models["before"]
    own, old = read(run), read(before)
    begins = {"llm": "language_model.", "vision": "vision_tower.", "connector": "multi_modal_"}
    for parts in (("vision",), ("connector",), ("llm", "connector")):
        out = tmp_path / "-".join(parts)
        merging.merge(run, before, run, out, Mix(1.0, parts=parts))
        for name, value in read(out).items():
            asked = name.startswith(tuple(begins[part] for part in parts))
            torch.testing.assert_close(value, (old if asked else own)[name], rtol=0, atol=1e-6)


def test_tokens_that_a_run_has_added_stay_as_they_are(models: Models, tmp_path: Path) -> None:
    words = tokenizer("mistral")  # without a token for pictures, which a run then adds
    english, adapted = (save_llm(tmp_path / f"llm-{i}", i, words) for i in (0, 1))
    model, processor = fusion.assemble(tower(), english, seed=0)
    fusion.save(model, processor, tmp_path / "run")
    merging.merge(tmp_path / "run", adapted, english, tmp_path / "out", Mix(1.0))
    name = "language_model.model.embed_tokens.weight"
    table, made = read(tmp_path / "run")[name], read(tmp_path / "out")[name]
    plus = read(adapted)["model.embed_tokens.weight"]
    assert len(table) > len(plus) == len(words)
    assert torch.equal(made[len(plus) :], table[len(plus) :])
    torch.testing.assert_close(made[: len(plus)], plus, rtol=0, atol=1e-6)


def test_a_table_that_is_the_output_layer_too_is_added_once(tmp_path: Path) -> None:
    tied = {"tie_word_embeddings": True}
    english, adapted = (save_llm(tmp_path / f"llm-{i}", i, **tied) for i in (0, 1))
    model, processor = fusion.assemble(tower(), english, seed=0)
    fusion.save(model, processor, tmp_path / "run")
    merging.merge(tmp_path / "run", adapted, english, tmp_path / "out", Mix(1.0))
    made, _ = fusion.load(tmp_path / "out")
    assert made.lm_head.weight is made.model.language_model.embed_tokens.weight
    plus = read(adapted)["model.embed_tokens.weight"]
    torch.testing.assert_close(made.lm_head.weight, plus, rtol=0, atol=1e-6)


def swap_two_words(words: Any) -> PreTrainedTokenizerBase:
    """The same tokens, two of them with each other's number."""
    backend = json.loads(words.backend_tokenizer.to_str())
    known = backend["model"]["vocab"]
    known["a"], known["b"] = known["b"], known["a"]
    made: PreTrainedTokenizerBase = type(words)(
        tokenizer_object=type(words.backend_tokenizer).from_str(json.dumps(backend)),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    made.chat_template = words.chat_template
    return made


def other_family(folder: Path) -> None:
    words = tokenizer("chatml")
    fusion.save(llm(Qwen2Config, len(words)), words, folder)


def lose_a_tensor(folder: Path) -> None:
    save_llm(folder, 1)
    held = load_file(folder / WEIGHTS)
    del held[LAYER]
    save_file(held, folder / WEIGHTS)


def cut(folder: Path) -> None:
    save_llm(folder, 1)
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:-10])


def count_in_bytes(folder: Path) -> None:
    save_llm(folder, 1)
    held = load_file(folder / WEIGHTS)
    held["model.norm.weight"] = held["model.norm.weight"].to(torch.int8)
    save_file(held, folder / WEIGHTS)


def see_nothing(folder: Path) -> None:
    tower().save_pretrained(folder)


def have_no_weights(folder: Path) -> None:
    save_llm(folder, 1)
    (folder / WEIGHTS).unlink()


HEADS = {"num_attention_heads": 2, "head_dim": 24, "num_key_value_heads": 1}
BAD: dict[str, tuple[Any, str]] = {
    "another family": (other_family, "llm: model_type: expected llama, as in RUN, found qwen2"),
    "other heads": (
        lambda folder: save_llm(folder, 1, **HEADS),
        "llm: num_attention_heads: expected 4, as in RUN, found 2",
    ),
    "wider": (
        lambda folder: save_llm(folder, 1, intermediate_size=72),
        "llm: layers.0.mlp.down_proj.weight: expected the shape 48 x 64, as in RUN, found 48 x 72",
    ),
    "deeper": (
        lambda folder: save_llm(folder, 1, num_hidden_layers=3),
        "llm: expected the tensors of PLUS, found no layers.2.input_layernorm.weight",
    ),
    "more words": (
        lambda folder: save_llm(folder, 1, tokenizer("llama-3.1")),
        "llm: lm_head.weight: expected the shape 297 x 48, as in RUN, found 301 x 48",
    ),
    "words with other numbers": (
        lambda folder: save_llm(folder, 1, swap_two_words(tokenizer("chatml"))),
        "tokenizer: expected the tokens of RUN, found 'b' as 68, which there is 69",
    ),
    "a tensor is gone": (
        lose_a_tensor,
        "llm: expected the tensors of RUN, found no layers.1.mlp.up_proj.weight",
    ),
    "numbers that cannot be added": (
        count_in_bytes, "model.norm.weight: expected one of F64, F32, F16, BF16, found I8",
    ),
    "cut": (cut, "expected a safetensors file, found: "),
    "no weights": (have_no_weights, "expected weights as *.safetensors, found none"),
    "no LLM": (
        see_nothing, "expected an LLM or a model that sees pictures, found clip_vision_model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_in_one_line(
    name: str, models: Models, tmp_path: Path
) -> None:
    make, expected = BAD[name]
    make(tmp_path / "plus")
    places = (models["run"], tmp_path / "plus", models["english"])
    with pytest.raises(InputError) as refused:
        merging.merge(*places, tmp_path / "out", Mix(1.0))
    line = str(refused.value).replace(str(models["run"]), "RUN").replace(str(places[1]), "PLUS")
    assert expected in line and "\n" not in line
    assert not (tmp_path / "out").exists()


def test_a_part_that_an_llm_lacks_is_refused(models: Models, tmp_path: Path) -> None:
    places = models["run"], models["adapted"], models["english"]
    with pytest.raises(InputError, match="adapted: expected the part vision, found none"):
        merging.merge(*places, tmp_path / "out", Mix(1.0, parts=("vision",)))


def test_a_sum_that_no_number_holds_leaves_nothing_behind(models: Models, tmp_path: Path) -> None:
    run = tmp_path / "run"
    model, processor = fusion.load(models["run"])
    model.half().save_pretrained(run)
    processor.save_pretrained(run)
    with pytest.raises(InputError, match="expected finite weights, found a sum that F16 cannot"):
        merging.merge(run, models["adapted"], models["english"], tmp_path / "out", Mix(1e8))
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"run"}


def test_the_same_merge_is_kept_and_another_takes_its_place(models: Models, tmp_path: Path) -> None:
    places, out = (models["run"], models["adapted"], models["english"]), tmp_path / "out"
    merging.merge(*places, out, Mix(0.5))
    first = (out / WEIGHTS).stat().st_mtime_ns
    record = artifact.read_manifest(out)
    assert record and record["kind"] == "merge" and record["settings"]["weight"] == 0.5
    assert record["inputs"].keys() == {"run", "plus", "minus"}
    merging.merge(*places, out, Mix(0.5))
    assert (out / WEIGHTS).stat().st_mtime_ns == first
    merging.merge(*places, out, Mix(0.75))
    assert (out / WEIGHTS).stat().st_mtime_ns != first
    with pytest.raises(InputError, match="expected an output apart from what is read"):
        merging.merge(*places, models["run"], Mix(0.5))


@pytest.mark.parametrize("make", [seeing.qwen3_vl, seeing.gemma3, other_families.llava_next])
def test_the_parts_of_any_family_are_those_that_training_names(make: Any, tmp_path: Path) -> None:
    parts = sources.open_source(make(tmp_path / "model")).parts
    model: Any = AutoModelForImageTextToText.from_pretrained(tmp_path / "model")
    decoder, family = model.get_decoder(), families.find(model.config.model_type)
    alone = {name for name, _ in decoder.named_parameters()} | {"lm_head.weight"}
    assert parts["llm"].keys() == alone
    named: dict[str, set[str]] = {"vision": set(), "connector": set(), "llm": set()}
    for name, _ in model.named_parameters():
        vision = "vision" if "vision_tower" in name else "connector"
        part = family.find_part(name) if family else vision
        named["llm" if "language_model" in name or name == "lm_head.weight" else part].add(name)
    assert (parts["vision"].keys(), parts["connector"].keys()) == (
        named["vision"],
        named["connector"],
    )


def test_the_command_writes_a_model_and_refuses_an_unknown_part(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["merge", models["run"], "--plus", models["adapted"], "--minus", models["english"]]
    words += ["--output", tmp_path / "out"]
    for more, code in ((["--weight", "0.5"], 0), (["--part", "llm", "sight"], 3)):
        with pytest.raises(SystemExit) as ended:
            cli.main([*map(str, words), *more])
        assert ended.value.code == code
    assert "part: expected one of connector, llm, vision, found sight" in capsys.readouterr().err
    record = artifact.read_manifest(tmp_path / "out")
    assert record and record["settings"]["weight"] == 0.5
    card = (tmp_path / "out" / "README.md").read_text()
    assert "`run`, plus 0.5 times the difference `adapted` minus `english`, in its llm." in card
