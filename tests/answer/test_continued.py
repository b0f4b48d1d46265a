"""The part that prompts share is read once, and scores are those of a plain forward per option."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ikusi.answer.engine import Query
from ikusi.answer.engines import general
from ikusi.answer.engines.general import General
from ikusi.answer.engines.here import open_local
from model import seeing

PICTURES = {
    "wide": Image.effect_noise((60, 24), 90).convert("RGB"),
    "tall": Image.effect_noise((14, 50), 90).convert("RGB"),
}
OPTIONS = ("yes", "no, it is red")


def turn(role: str, text: str, *keys: str) -> dict[str, Any]:
    images = [{"type": "image", "key": key} for key in keys]
    return {"role": role, "content": [*images, {"type": "text", "text": text}]}


CONVERSATIONS: list[list[dict[str, Any]]] = [
    [turn("user", "is it red ?", "wide")],
    [turn("user", "what is on the left and on the right ?", "wide")],
    [turn("user", "is it red ?", "tall")],
    [turn("user", "is a dog a cat ?")],
    [
        turn("user", "is it red ?", "wide"),
        turn("assistant", "yes"),
        turn("user", "is it blue ?", "tall"),
    ],
    [
        turn("user", "is it a house ?", "wide"),  # unlike what stands here in the one before
        turn("assistant", "yes"),
        turn("user", "is it blue ?", "tall"),
    ],
]
QUERIES = [Query(f"row {n}", tuple(turns), OPTIONS) for n, turns in enumerate(CONVERSATIONS)]


OTHERS = [name for name in seeing.FAMILIES if name not in ("llava", "paligemma")]
"""Those that go on from a beginning; LLaVA has an engine of its own."""


@pytest.fixture(scope="module", params=OTHERS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> General:
    name = str(request.param)
    opened = open_local(
        seeing.FAMILIES[name](tmp_path_factory.mktemp("models") / name), batch_size=3
    )
    assert isinstance(opened, General)
    return opened


@torch.no_grad()
def score_plainly(engine: General, query: Query, option: str) -> list[float]:
    """Log-probabilities of an option and what ends its turn, all processed and read as a whole."""
    processor, asked = engine.processor, list(query.messages)
    answer = {"role": "assistant", "content": [{"type": "text", "text": option}]}
    shown = [
        [
            {"type": part["type"], **({"text": part["text"]} if "text" in part else {})}
            for part in each["content"]
        ]
        for each in [*asked, answer]
    ]
    turns = [
        {"role": each["role"], "content": parts}
        for each, parts in zip([*asked, answer], shown, strict=True)
    ]
    start = processor.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True)
    whole = processor.apply_chat_template(turns, tokenize=False)
    end = whole.index(option, len(start)) + len(option)
    tail = whole[end:].lstrip()
    special = next(word for word in processor.tokenizer.all_special_tokens if tail.startswith(word))
    images = [PICTURES[key] for key in query.pictures]
    opens = processor.tokenizer.bos_token
    laid = [
        processor(
            text=[text],
            images=[images] if images else None,
            return_tensors="pt",
            add_special_tokens=not (opens and text.startswith(opens)),
        )
        for text in (start, whole[: whole.index(special, end) + len(special)])
    ]
    first = laid[0]["input_ids"].shape[1]
    ids = laid[1]["input_ids"][0]
    logs = engine.model(**laid[1]).logits[0].log_softmax(-1)
    return [float(logs[n - 1, ids[n]]) for n in range(first, len(ids))]


@pytest.mark.slow
def test_scores_are_those_of_a_plain_forward_for_each_option(engine: General) -> None:
    engine.answer(QUERIES[:1], PICTURES)  # whose places must be forgotten
    replies = engine.answer(QUERIES, engine.prepare(PICTURES))
    assert engine._continues
    for query, reply in zip(QUERIES, replies, strict=True):
        for option, score in zip(query.options, reply.scores, strict=True):
            assert score.total == pytest.approx(sum(score_plainly(engine, query, option)), abs=1e-4)


@pytest.mark.slow
def test_a_picture_is_processed_and_read_once_for_all_questions_and_options(
    engine: General, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answer(QUERIES[:1], PICTURES)  # whether it can is found out here
    reads: list[bool] = []
    forward = engine.model.forward

    def count(*given: Any, **named: Any) -> Any:
        reads.append(named.get("pixel_values") is not None)
        return forward(*given, **named)

    count.__signature__ = None  # type: ignore[attr-defined]
    monkeypatch.setattr(engine.model, "forward", count)
    processed: list[Any] = []
    kind = type(engine.processor.image_processor.image_processor)
    process = kind.__call__

    def note(self: Any, *given: Any, **named: Any) -> Any:
        processed.append(given)
        return process(self, *given, **named)

    monkeypatch.setattr(kind, "__call__", note)
    fresh = {name: one.copy() for name, one in PICTURES.items()}
    engine.answer(QUERIES[:2], fresh)
    assert sum(reads) == 1 and len(processed) == 1
    assert len(reads) == 1 + 2  # four rows of options, three at a time


@pytest.mark.slow
def test_going_on_copies_no_key_for_each_head(engine: General, key_heads: list[int]) -> None:
    engine.answer(QUERIES[:1], PICTURES)  # whether it can is found out here, by whole prompts too
    key_heads.clear()
    engine.answer(QUERIES[:1], PICTURES)
    layers = engine.model.config.get_text_config().num_hidden_layers
    assert set(key_heads[-layers:]) == {2}, "4 heads share 2 of keys"


@pytest.mark.slow
def test_where_going_on_would_change_scores_prompts_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = open_local(seeing.idefics3(tmp_path), batch_size=3)
    wanted = [reply.scores for reply in engine.answer(QUERIES[:2], PICTURES)]
    monkeypatch.setattr(engine, "_continues", None)
    real = general.score_continued

    def change(*given: Any) -> Any:
        return [[[one + 0.1 for one in own] for own in each] for each in real(*given)]

    monkeypatch.setattr(general, "score_continued", change)
    replies = engine.answer(QUERIES[:2], PICTURES)
    assert not engine._continues
    for reply, scores in zip(replies, wanted, strict=True):
        totals = [[score.total for score in each] for each in (reply.scores, scores)]
        assert totals[0] == pytest.approx(totals[1], abs=1e-4)
