"""Templates that state the date, or think before the last answer only, write the same always."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

from ikusi.errors import InputError
from ikusi.model import chat
from ikusi.model.forms import Forms
from ikusi.model.parts import open_tokenizer, prepare_tokens
from ikusi.model.steady import find_today, make_steady, pin_date
from model.families import tokenizer
from model.test_chat import ANSWER, PICTURE, QUESTION, TALK, turn

THOUGHT = "<think>\n\n</think>\n\n"


def ready(family: str) -> Any:
    made = open_tokenizer(tokenizer(family))
    prepare_tokens(made, None)
    return made


def on(day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Then":
            return cls.fromisoformat(day)

    monkeypatch.setattr(chat_template_utils, "datetime", Then)


def test_tomorrow_the_tokens_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = [{"role": "user", "content": "Zer da?"}]
    bare, made, written = tokenizer("dated"), ready("dated"), {}
    for day in ("2026-11-29", "2031-01-02"):
        on(day, monkeypatch)
        texts = [one.apply_chat_template(talk, tokenize=False) for one in (bare, made)]
        written[day] = (*texts, chat.encode(made, TALK, 4).input_ids)
    first, second = written.values()
    assert first[0] != second[0], "the template alone states the day"
    assert first[1:] == second[1:]
    assert "Today is 26 Jul 2024, 2024." in first[1]
    assert find_today(made.chat_template) == ["today is 2024-07-26"]
    assert not find_today(ready("chatml").chat_template)


def test_nobody_else_states_another_day(tmp_path: Path) -> None:
    """Servers may hand a `date_string` over; a checkpoint that was opened again keeps its day."""
    made = ready("dated")
    made.save_pretrained(tmp_path)
    stock = AutoTokenizer.from_pretrained(tmp_path)
    given = {"tokenize": False, "date_string": "1 Jan 1999"}
    text = stock.apply_chat_template([{"role": "user", "content": "Zer da?"}], **given)
    assert "Today is 26 Jul 2024, 2024." in text
    assert open_tokenizer(tmp_path).chat_template == made.chat_template


def test_a_date_that_cannot_be_pinned_is_refused() -> None:
    with pytest.raises(InputError, match="strftime_now with its form as text"):
        pin_date("{%- set form = '%d' -%}{{ strftime_now(form) }}")


@pytest.mark.parametrize("family", ["qwen-3", "thinking"])
def test_every_answer_is_asked_for_as_it_is_trained_and_served(family: str, tmp_path: Path) -> None:
    made = ready(family)
    image = made.convert_tokens_to_ids(chat.find_image_token(made))
    whole = chat.encode(made, TALK, 4, image)
    text = made.decode(whole.input_ids)
    assert THOUGHT not in text and text.count("<|im_start|>assistant\n") == 2
    for turns in (1, 3):  # the prompts of both answers begin what is trained
        prompt = chat.encode_prompt(made, TALK[:turns], 4, image)
        assert whole.input_ids[: len(prompt)] == prompt
        assert made.decode(prompt).endswith("assistant\n")
        assert whole.supervised[len(prompt)]
    forms = Forms(made, 4, image)
    assert forms.prompts([[QUESTION]], [""])[0][0] == tuple(
        chat.encode_prompt(made, [QUESTION], 4, image)
    )
    (options,) = forms.continuations([[QUESTION]], [["Katua da."]], [""])
    last = chat.encode(made, [QUESTION, ANSWER], 4, image)
    learnt = zip(last.input_ids, last.supervised, strict=True)
    assert options == [[token for token, supervised in learnt if supervised]]
    made.save_pretrained(tmp_path)
    served = AutoTokenizer.from_pretrained(tmp_path)
    asked = [{"role": "user", "content": [PICTURE, {"type": "text", "text": "Zer da hau?"}]}]
    settings: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True}
    stock = served.apply_chat_template(asked, **settings)
    assert stock == chat.render(made, [QUESTION], add_generation_prompt=True)


@pytest.mark.parametrize("family", ["chatml", "mistral", "gemma", "llava-parts", "plain"])
def test_other_templates_stay_as_they_are(family: str) -> None:
    made = tokenizer(family)
    before = made.chat_template
    make_steady(made)
    assert made.chat_template == before


def test_steadying_again_changes_nothing() -> None:
    for family in ("dated", "qwen-3", "thinking"):
        made = ready(family)
        before = made.chat_template
        make_steady(made)
        assert made.chat_template == before
        assert chat.encode(made, [turn("user", "a"), ANSWER])
