"""PaliGemma is trained and asked as its own processor writes its prompts, of text alone too."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, PaliGemmaProcessor, SiglipImageProcessorPil

from ikusi.answer.engine import Query
from ikusi.answer.engines import general
from ikusi.answer.engines.general import General
from ikusi.answer.engines.here import open_local
from ikusi.errors import InputError
from ikusi.model import chat
from ikusi.model.sight import Sight
from model import seeing

QUESTION, ANSWER = "Zer da hau?", "Katu bat da."
PICTURE = Image.effect_noise((60, 24), 90).convert("RGB")
SHOWN = {"type": "image", "key": "x"}


def turn(role: str, *parts: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"role": role, "content": content}


ROW = [turn("user", SHOWN, QUESTION), turn("assistant", ANSWER)]
SEVERAL = [*ROW, turn("user", "Eta hau?"), turn("assistant", ANSWER)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeing.paligemma(tmp_path_factory.mktemp("paligemma") / "model")


@pytest.fixture(scope="module")
def engine(folder: Path) -> General:
    opened = open_local(folder, batch_size=2)
    assert isinstance(opened, General)
    return opened


def process(folder: Path, answer: str) -> dict[str, Any]:
    """Inputs that the stock processor makes of the picture, the question and an answer."""
    pictures = SiglipImageProcessorPil.from_pretrained(folder)
    stock = PaliGemmaProcessor(pictures, AutoTokenizer.from_pretrained(folder))
    shown = {"images": [PICTURE], "suffix": [answer]}
    return dict(stock(text=[f"<image>{QUESTION}"], return_tensors="pt", **shown))


def test_rows_and_what_is_seen_are_the_stock_processors(folder: Path, engine: General) -> None:
    made = process(folder, ANSWER)
    sight = Sight(engine.model, engine.processor)
    ids = [sight.show(None).ids]
    row = chat.encode(sight.tokenizer, ROW, ids, sight.placeholder_id)
    assert row.input_ids == made["input_ids"][0].tolist()
    learned = [place for place, one in enumerate(row.supervised) if one]
    blocks = sight.find_blocks(torch.tensor(row.input_ids), learned)
    assert blocks is not None and (-blocks).equal(made["token_type_ids"][0])


@torch.no_grad()
def test_options_are_scored_as_answers_not_as_more_of_the_prompt(
    folder: Path, engine: General, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(general, "EXACT", 1e9)  # it is not tried whether prompts can be shared
    options = ("bai", "ez, katu bat")
    query = Query("row", (ROW[0],), options)
    (reply,) = engine.answer([query], {"x": PICTURE})
    for score, option in zip(reply.scores, options, strict=True):
        made = {name: one for name, one in process(folder, option).items() if name != "labels"}
        logs = engine.model(**made).logits[0].log_softmax(-1)
        places = made["token_type_ids"][0].nonzero()[:, 0]
        wanted = sum(float(logs[n - 1, made["input_ids"][0, n]]) for n in places)
        assert score.total == pytest.approx(wanted, abs=1e-4)


def test_text_alone_is_asked_and_several_questions_are_refused(engine: General) -> None:
    alone = Query("text", (turn("user", QUESTION),), max_new_tokens=3)
    together = Query("both", (ROW[0],), max_new_tokens=3)
    for query in (alone, together):
        (reply,) = engine.answer([query], {"x": PICTURE})
        assert reply.text is not None and reply.failure is None
    with pytest.raises(InputError, match="PaliGemma reads one question and its answer"):
        engine.answer([Query("more", tuple(SEVERAL[:3]))], {"x": PICTURE})
    sight = Sight(engine.model, engine.processor)
    with pytest.raises(InputError, match=r"row-1: .*PaliGemma reads one question and its answer"):
        chat.encode(sight.tokenizer, SEVERAL, [(3,)], sight.placeholder_id, row="row-1")
