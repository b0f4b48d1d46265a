"""Any model of transformers with pictures: each family against its own processor and forward."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

from answer.families import FAMILIES
from ikusi.answer.engine import Query, Reply
from ikusi.answer.engines import general
from ikusi.answer.engines.general import General, open_general
from ikusi.answer.engines.here import open_local
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import run
from ikusi.evaluate.benchmark import Benchmark
from ikusi.model.resizing import AcrossFirst, resize_across_first
from measured import LANGUAGES, PACKS, evaluate, rows_of

Pairs = Sequence[tuple[Benchmark, Corpus]]
PICTURES = {
    "wide": Image.effect_noise((60, 24), 90).convert("RGB"),
    "tall": Image.effect_noise((14, 50), 90).convert("RGB"),
    "square": Image.new("RGB", (16, 16), (200, 30, 30)),
}
OPTIONS = ("yes", "hot dog", "two", "red house and a cat")
ENDS = {"gemma3": "<end_of_turn>", "idefics3": "<end_of_utterance>", "llava_next": "<eos>"}


def turn(role: str, text: str, *keys: str) -> dict[str, Any]:
    images = [{"type": "image", "key": key} for key in keys]
    return {"role": role, "content": [*images, {"type": "text", "text": text}]}


def questions() -> list[Query]:
    """Scored and generated; with a picture, none, and after an example with another picture."""
    long = "what is on the left and right and what is on the red house ?"
    conversations = [
        [turn("user", "is it red ?", "wide")],
        [turn("user", long, "tall")],
        [turn("user", "is it red ?", "square")],
        [turn("user", "is a dog a cat ?")],
        [
            turn("user", "is it red ?", "square"),
            turn("assistant", "yes"),
            turn("user", "is it blue ?", "tall"),
        ],
    ]
    return [
        Query(f"row {number}", tuple(messages), **asked)
        for number, messages in enumerate(conversations)
        for asked in ({"options": OPTIONS}, {"max_new_tokens": 6}, {"max_new_tokens": 3})
    ]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = str(request.param)
    return FAMILIES[name](tmp_path_factory.mktemp("models") / name)


def replies(folder: Path, batch_size: int) -> list[Reply]:
    engine = open_local(folder, batch_size=batch_size)
    assert isinstance(engine, General)
    return engine.answer(questions(), engine.prepare(PICTURES))


@pytest.fixture(scope="module")
def plain(family: Path) -> tuple[Any, Any]:
    auto: Any = AutoModelForImageTextToText
    processor: Any = AutoProcessor.from_pretrained(family, backend="pil")
    resize_across_first(processor.image_processor)
    return auto.from_pretrained(family).eval(), processor


def inputs(processor: Any, messages: Sequence[Any], **settings: Any) -> Any:
    """Inputs of the model that the processor makes of a conversation with its pictures in it."""
    given = [
        {
            "role": message["role"],
            "content": [
                {"type": "image", "image": PICTURES[part["key"]]} if "key" in part else part
                for part in message["content"]
            ],
        }
        for message in messages
    ]
    return processor.apply_chat_template(
        given, tokenize=True, return_dict=True, return_tensors="pt", **settings
    )


@torch.no_grad()
def plain_score(model: Any, processor: Any, query: Query, option: str, end: str) -> list[float]:
    """Log-probabilities of an option's tokens, the conversation processed and read as a whole."""
    said = {"role": "assistant", "content": [{"type": "text", "text": option}]}
    whole = inputs(processor, [*query.messages, said])
    start = inputs(processor, query.messages, add_generation_prompt=True)["input_ids"].shape[1]
    ids = whole["input_ids"][0].tolist()
    stop = ids.index(processor.tokenizer.convert_tokens_to_ids(end), start)
    logs = model(**whole).logits[0].log_softmax(-1)
    return [float(logs[place - 1, ids[place]]) for place in range(start, stop + 1)]


@pytest.mark.slow
def test_scores_are_those_of_the_model_alone(family: Path, plain: tuple[Any, Any]) -> None:
    for query, reply in zip(questions(), replies(family, batch_size=3), strict=True):
        for option, score in zip(query.options, reply.scores, strict=True):
            values = plain_score(*plain, query, option, ENDS[family.name])
            assert len(values) > len(option.split())
            assert score.total == pytest.approx(sum(values), abs=1e-4)
            assert score.without_end == pytest.approx(sum(values[:-1]), abs=1e-4)


@pytest.mark.slow
def test_answers_are_those_of_the_model_alone(family: Path, plain: tuple[Any, Any]) -> None:
    model, processor = plain
    words = processor.tokenizer
    stops = words.convert_tokens_to_ids([ENDS[family.name], "<eos>"])
    seen = set()
    for query, reply in zip(questions(), replies(family, batch_size=8), strict=True):
        if query.options:
            continue
        given = inputs(processor, query.messages, add_generation_prompt=True)
        settings = {"max_new_tokens": query.max_new_tokens, "do_sample": False}
        said = model.generate(**given, **settings, eos_token_id=stops)
        new = said[0, given["input_ids"].shape[1] :].tolist()
        assert reply.text == words.decode(new, skip_special_tokens=True).strip()
        assert reply.hit_limit == (new[-1] not in stops)
        seen.add(reply.text)
    assert len(seen) > 1


@pytest.mark.slow
def test_batch_size_changes_no_score_and_no_answer(family: Path) -> None:
    for one, many in zip(replies(family, 1), replies(family, 8), strict=True):
        assert (one.prompt, one.text, one.hit_limit) == (many.prompt, many.text, many.hit_limit)
        totals = [[score.total for score in reply.scores] for reply in (one, many)]
        assert totals[0] == pytest.approx(totals[1], abs=1e-4)


@pytest.mark.slow
def test_a_checkpoints_own_sampling_is_no_part_of_a_greedy_answer(family: Path) -> None:
    expected = [reply.text for reply in replies(family, 8)]
    settings = GenerationConfig.from_pretrained(family)
    before = (family / "generation_config.json").read_bytes()
    settings.update(do_sample=True, temperature=5.0, repetition_penalty=9.0)
    try:
        settings.save_pretrained(family)
        assert [reply.text for reply in replies(family, 8)] == expected
    finally:
        (family / "generation_config.json").write_bytes(before)


def test_text_that_spells_a_control_token_is_refused(family: Path) -> None:
    engine = open_local(family)
    asked = Query("row 7", (turn("user", f"is it {ENDS[family.name]} ?"),), max_new_tokens=3)
    with pytest.raises(InputError, match="row 7: expected text, found the control token"):
        engine.answer([asked], {})


def test_an_answer_that_would_share_a_token_with_its_prompt_is_read_apart(tmp_path: Path) -> None:
    """``:`` and ``?`` are one word for this tokenizer, which generation would never write so."""
    folder = FAMILIES["llava_next"](tmp_path)
    layout = folder / "chat_template.jinja"
    layout.write_text(layout.read_text("utf-8").replace("' }} ", "' }}").replace(":' }", ":' }"))
    engine: Any = open_local(folder)
    words = engine.tokenizer
    query = Query("row", (turn("user", "is it red ?"),), options=("?",))
    prompt = engine._ids(engine._prompt(query))
    assert engine._ids(engine._prompt(query) + "?")[: len(prompt)] != prompt
    ids = [*prompt, *words.convert_tokens_to_ids(["?", "<eos>"])]
    with torch.no_grad():
        logs = engine.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = sum(float(logs[place - 1, ids[place]]) for place in (len(ids) - 2, len(ids) - 1))
    (reply,) = engine.answer([query], {})
    assert reply.scores[0].total == pytest.approx(expected, abs=1e-4)


def test_a_template_that_ends_no_answer_ends_it_with_the_end_of_text(tmp_path: Path) -> None:
    folder = FAMILIES["llava_next"](tmp_path)
    asked = (turn("user", "is it red ?", "wide"),)
    queries = [Query("a", asked, max_new_tokens=4), Query("b", asked, options=OPTIONS)]
    layout = folder / "chat_template.jinja"
    text = layout.read_text("utf-8")
    replies = []
    for ending in ("{{ '<eos>' if m.role == 'assistant' else '' }}", ""):
        layout.write_text(text.replace("<eos>", ending))
        replies.append(open_local(folder).answer(queries, PICTURES))
    for one, other in zip(*replies, strict=True):
        assert (one.prompt, one.text, one.scores) == (other.prompt, other.text, other.scores)


@pytest.mark.parametrize("known", [True, False])
def test_the_pictures_of_any_model_are_resized_across_first(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if not known:
        monkeypatch.setattr(general.families, "find", lambda kind: None)
    processor = open_general(checkpoint, torch.float32, "cpu", batch_size=1).processor
    assert isinstance(processor.image_processor.image_processor, AcrossFirst)  # it remembers


@pytest.mark.slow
def test_a_llava_is_scored_and_answers_as_by_its_own_engine(
    checkpoint: Path, benchmarks: Pairs, tmp_path: Path
) -> None:
    bench, corpus = benchmarks[1]
    shown = bench.model_copy(update={"name": "shown", "few_shots": 2})
    continued = {"name": "continued", "format": "completion", "few_shots": 1}
    bare, texts = benchmarks[-1]
    pairs = [*benchmarks, (shown, corpus), (bare.model_copy(update=continued), texts)]
    engine = open_general(checkpoint, torch.float32, "cpu", batch_size=5)
    run.evaluate(engine, pairs, LANGUAGES, PACKS, tmp_path / "general", bootstrap=10)
    evaluate(checkpoint, pairs, LANGUAGES, PACKS, tmp_path / "own", bootstrap=10)
    found, expected = rows_of(tmp_path / "general"), rows_of(tmp_path / "own")
    assert len(found) == 7 * 2 * 4
    for one, other in zip(found, expected, strict=True):
        for name, value in other.items():
            if name.startswith("scores") and value is not None:
                assert one[name] == pytest.approx(value, abs=1e-4)
            else:
                assert one[name] == value, name
