"""CTranslate2 against transformers, row for row."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ikusi.errors import InputError
from ikusi.translate import nmt
from ikusi.translate.engines.ctranslate2 import CTranslate2
from ikusi.translate.nmt import CTranslate2Engine
from ikusi.translate.vocabulary import expect_known, read_vocabulary
from translate import marian
from translate.reference import TransformersEngine

HELD_OUT = marian.sentences()[:60]


def fast(model: Path, **settings: Any) -> CTranslate2Engine:
    return CTranslate2Engine(CTranslate2(kind="ctranslate2", model=str(model), **settings))


def slow(model: Path, **settings: Any) -> TransformersEngine:
    return TransformersEngine(CTranslate2(kind="ctranslate2", model=str(model), **settings))


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return marian.trained()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted models go where the test goes."""
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: tmp_path / "cache")


@pytest.mark.slow
@pytest.mark.parametrize("compute_type", ["float32", "int8"])
def test_greedy_translations_are_those_of_transformers(checkpoint: Path, compute_type: str) -> None:
    english = [pair[0] for pair in HELD_OUT]
    ours = [said.text for said in fast(checkpoint, compute_type=compute_type).translate(english)]
    theirs = [said.text for said in slow(checkpoint).translate(english)]
    assert ours == theirs
    right = sum(said == basque for said, (_, basque) in zip(ours, HELD_OUT, strict=True))
    assert right >= 0.9 * len(HELD_OUT)


@pytest.mark.slow
def test_the_reference_is_transformers_itself(checkpoint: Path) -> None:
    from transformers import MarianMTModel, MarianTokenizer

    english = [pair[0] for pair in HELD_OUT[:20]]
    tokenizer = MarianTokenizer.from_pretrained(checkpoint)
    batch = tokenizer(english, padding=True, return_tensors="pt")
    written = MarianMTModel.from_pretrained(checkpoint).generate(**batch, max_new_tokens=40)
    theirs = tokenizer.batch_decode(written, skip_special_tokens=True)
    assert [said.text for said in slow(checkpoint).translate(english)] == theirs


@pytest.mark.slow
def test_beam_search_gives_what_transformers_gives(checkpoint: Path) -> None:
    english = [pair[0] for pair in marian.sentences()[:200]]
    ours = fast(checkpoint, beam_size=4, compute_type="float32").translate(english)
    theirs = slow(checkpoint, beam_size=4).translate(english)
    assert [said.text for said in ours] == [said.text for said in theirs]


def test_the_authors_beams_are_the_default(checkpoint: Path, tmp_path: Path) -> None:
    copy = copied(checkpoint, tmp_path / "beams")
    told = json.loads((copy / "generation_config.json").read_text())
    (copy / "generation_config.json").write_text(json.dumps(told | {"num_beams": 6}))
    assert nmt.read_beams(copy) == 6
    assert fast(copy).settings()["beam_size"] == 6
    assert fast(copy, beam_size=2).settings()["beam_size"] == 2


@pytest.mark.slow
def test_a_padding_that_training_moved_is_taken_as_zero_and_told(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CTranslate2 begins from a zero vector, transformers from the padding's."""
    import torch
    from transformers import MarianMTModel

    moved, zeroed = (copied(checkpoint, tmp_path / name) for name in ("moved", "zeroed"))
    model = MarianMTModel.from_pretrained(checkpoint)
    pad = model.config.pad_token_id
    with torch.no_grad():
        model.get_input_embeddings().weight[pad] = model.get_input_embeddings().weight[5] * 3
    model.save_pretrained(moved)
    english = [pair[0] for pair in HELD_OUT]
    with caplog.at_level(logging.WARNING):
        ours = [said.text for said in fast(moved, compute_type="float32").translate(english)]
    assert "the padding's embedding is not zero" in caplog.text
    assert ours == [said.text for said in slow(zeroed).translate(english)]
    assert ours != [said.text for said in slow(moved).translate(english)]


def test_a_source_beyond_the_models_positions_is_cut_and_said_to_be(checkpoint: Path) -> None:
    long = " ".join(pair[0] for pair in HELD_OUT[:20])
    cut, whole = fast(checkpoint).translate([long, HELD_OUT[0][0]])
    assert (cut.cut, whole.cut) == (True, False)
    assert whole.text == HELD_OUT[0][1]


def test_a_model_is_converted_once(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast(checkpoint)
    monkeypatch.setattr(nmt, "_convert", lambda *_: pytest.fail("converted again"))
    assert fast(checkpoint).translate(["The dog is big."])[0].text == "Txakurra handia da."


def test_two_workers_that_start_at_once_convert_once(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert, calls = nmt._convert, []

    def counted(checkpoint: Path, folder: Path) -> None:
        calls.append(folder)
        convert(checkpoint, folder)

    monkeypatch.setattr(nmt, "_convert", counted)
    with ThreadPoolExecutor(2) as workers:
        first, second = workers.map(nmt.convert_checkpoint, [checkpoint, checkpoint])
    assert (first, len(calls)) == (second, 1)


def test_a_converted_folder_is_taken_as_it_is(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "converted")
    for path in nmt.convert_checkpoint(checkpoint).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    engine = fast(folder)
    assert engine.folder == folder
    assert engine.translate(["The dog is big."])[0].text == "Txakurra handia da."


def test_a_model_in_another_place_is_the_same_model(checkpoint: Path, tmp_path: Path) -> None:
    here, there = checkpoint, copied(checkpoint, tmp_path / checkpoint.name)
    assert fast(here).settings() == fast(there).settings()


def test_a_revision_stands_after_the_name_and_is_what_the_hub_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    asked: list[tuple[str, str | None]] = []

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    for model in ("org/name", "org/name@v2"):
        settings = CTranslate2(kind="ctranslate2", model=model)
        assert nmt.find_checkpoint(settings.model) == tmp_path
    assert asked == [("org/name", None), ("org/name", "v2")]


def test_a_revision_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="NAME or NAME@REVISION"):
        CTranslate2(kind="ctranslate2", model="org/name@")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["m2m_100", "t5"])
def test_models_for_many_languages_are_told_theirs(kind: str, tmp_path: Path) -> None:
    """As NLLB and M2M100 are (a source tag, a forced first token), and MADLAD (a source tag)."""
    model = many_languages(tmp_path / kind, kind)
    prefixes: dict[str, Any] = {"source_prefix": ["__en__"]}
    if kind == "m2m_100":
        prefixes["target_prefix"] = ["__eu__"]
    english = [pair[0] for pair in HELD_OUT[:6]]
    ours = fast(model, compute_type="float32", beam_size=1, **prefixes).translate(english)
    theirs = slow(model, beam_size=1, **prefixes).translate(english)
    # Random models never end: what counts is how they begin, and that they are known to be cut.
    assert all(said.cut for said in [*ours, *theirs])
    begun = [[said.text[:100] for said in some] for some in (ours, theirs)]
    assert begun[0] == begun[1]
    assert len(set(begun[0])) > 1


@pytest.mark.parametrize("key", ["source_prefix", "target_prefix"])
def test_a_prefix_that_the_model_does_not_know_is_refused_when_it_is_opened(
    key: str, tmp_path: Path
) -> None:
    """Both libraries would read it as `<unk>`, and write something else."""
    model = many_languages(tmp_path / "many", "m2m_100")
    fast(model, **{key: ["__eu__"]}).close()
    with pytest.raises(InputError, match=rf"engine.{key}: expected tokens.*found __eus__ ") as told:
        fast(model, **{key: ["__en__", "__eus__"]})
    assert "did you mean __eu__" in str(told.value)


@pytest.mark.parametrize(
    ("written", "near"),
    [(">>eu<<", ">>eus<<"), ("<2eus>", "<2eu>"), ("eus-Latn", "eus_Latn"), ("", None)],
)
def test_the_nearest_tokens_are_shown(written: str, near: str | None) -> None:
    known = [">>eus<<", ">>deu<<", "<2eu>", "<2en>", "eus_Latn", "eng_Latn", "▁eu", "the"]
    with pytest.raises(InputError) as told:
        expect_known("target_prefix", [written], known, "some/model")
    assert f"(did you mean {near}" in str(told.value) if near else "mean" not in str(told.value)
    expect_known("target_prefix", known, known, "some/model")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("source_vocabulary.json", '["a", "b"]'),
        ("shared_vocabulary.json", '["a", "b"]'),
        ("shared_vocabulary.txt", "a\nb"),
    ],
)
def test_the_vocabulary_of_a_converted_model_is_read(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert list(read_vocabulary(tmp_path, "source")) == ["a", "b"]


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"a": 1}', None])
def test_a_spoiled_vocabulary_is_told_in_one_line(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "shared_vocabulary.json").write_text(text)
    with pytest.raises(InputError, match="expected"):
        read_vocabulary(tmp_path, "target")


def test_a_model_that_is_nowhere_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match=r"engine.model: expected a folder or a model of the hub"):
        fast(Path("no/such-model"))


def test_a_format_or_device_that_this_machine_has_not_is_refused(checkpoint: Path) -> None:
    from ctranslate2 import get_cuda_device_count, get_supported_compute_types

    for name in ("float16", "bfloat16", "int8_float16"):
        if name not in get_supported_compute_types("cpu"):
            with pytest.raises(InputError, match=rf"compute_type: .*float32.*, found {name}"):
                fast(checkpoint, compute_type=name, device="cpu")
    if not get_cuda_device_count():
        with pytest.raises(InputError, match="device: expected cpu or auto"):
            fast(checkpoint, device="cuda")


def test_a_folder_without_a_model_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a translation model"):
        fast(tmp_path)


@pytest.mark.slow
def test_an_end_that_a_converted_model_adds_by_itself_is_not_added_again(
    checkpoint: Path, tmp_path: Path
) -> None:
    """As models are that were converted from Marian's own format."""
    folder = copied(checkpoint, tmp_path / "converted")
    for path in nmt.convert_checkpoint(checkpoint).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"add_source_eos": True}))
    english = [pair[0] for pair in HELD_OUT]
    assert fast(folder).translate(english) == fast(checkpoint).translate(english)


def test_a_model_of_another_kind_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(InputError, match="expected a translation model"):
        fast(tmp_path)


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def many_languages(folder: Path, kind: str) -> Path:
    """A random model whose tokenizer has language tags."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import (
        M2M100Config,
        M2M100ForConditionalGeneration,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    words = Tokenizer(models.BPE(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "__en__", "__eu__"]
    texts = [text for pair in marian.sentences() for text in pair]
    words.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=200, special_tokens=special))
    PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
        unk_token="<unk>", additional_special_tokens=special[4:],
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    count = words.get_vocab_size()
    tokens: dict[str, Any] = {"pad_token_id": 1, "eos_token_id": 2, "vocab_size": count}
    if kind == "t5":
        config = T5Config(
            **tokens, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
            decoder_start_token_id=1, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
        )  # fmt: skip
        T5ForConditionalGeneration(config).save_pretrained(folder)
        return folder
    many = M2M100Config(
        **tokens, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, bos_token_id=0,
        decoder_start_token_id=2, max_position_embeddings=64, scale_embedding=True, init_std=0.2,
    )  # fmt: skip
    M2M100ForConditionalGeneration(many).save_pretrained(folder)
    return folder
