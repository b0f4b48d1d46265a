"""Rows that cannot be trained on are known without tokenising them all."""

from typing import Any

import pytest

from ikusi.errors import InputError
from ikusi.model import chat
from ikusi.model.fitness import Fitness
from ikusi.model.parts import prepare_tokens
from ikusi.model.tokens import compile_control
from model.families import ENDS, FAMILIES, tokenizer

FEATURES, LONGEST = 4, 48
PICTURE = {"type": "image"}


def turn(role: str, *parts: Any) -> chat.Message:
    return {"role": role, "content": [{"type": "text", "text": p} if isinstance(p, str) else p
                                      for p in parts]}  # fmt: skip


ASKED, SAID = turn("user", PICTURE, "Zer da hau?"), turn("assistant", "Katua da.")
TALKS = {
    "a question": [ASKED, SAID],
    "two questions": [ASKED, SAID, turn("user", "And?"), turn("assistant", "3 dogs.")],
    "a system": [turn("system", "Zer da?"), ASKED, SAID],
    "two users": [ASKED, turn("user", "And?"), SAID],
    "two assistants": [ASKED, SAID, turn("assistant", "And 3 dogs.")],
    "the assistant first": [turn("assistant", "Kaixo!"), ASKED, SAID],
    "a system last": [ASKED, turn("system", "Zer da?"), SAID],
    "nobody answers": [ASKED],
    "nothing": [],
    "a thought": [ASKED, turn("assistant", "<think>Hm.</think>Katua da.")],
    "marks that are none": [ASKED, turn("assistant", "a < b > c [1] {x} | <b>")],
    "long": [ASKED, turn("assistant", "Katua da. " * 20)],
    "long before the answer": [turn("user", PICTURE, "Zer da hau? " * 30), SAID],
    "a picture at the end": [turn("user", "Zer da hau? " * 30, PICTURE), SAID],
    "spaces": [turn("user", PICTURE, "  Zer da?\n\n"), turn("assistant", " Katua \n")],
}


def ready(family: str) -> Any:
    made = tokenizer(family)
    prepare_tokens(made, None)
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_is_unfit_where_it_cannot_be_encoded(family: str) -> None:
    made = ready(family)
    image = made.convert_tokens_to_ids(chat.find_image_token(made))
    fitness = Fitness(made, image, LONGEST)
    spelled = [made.convert_ids_to_tokens(i) for i in compile_control(made).ids]
    talks = {**TALKS, **{token: [turn("user", f"What is {token}?"), SAID] for token in spelled}}
    unfit = 0
    for name, talk in talks.items():
        for messages in (talk, talk):  # also once its form is known
            try:
                chat.encode(made, messages, FEATURES, image, LONGEST)
            except InputError as error:
                assert fitness.fault(messages, [image] * FEATURES) == str(error) or name in TALKS, (
                    name
                )
                assert fitness.fault(messages, [image] * FEATURES), name
                unfit += 1
            else:
                assert fitness.fault(messages, [image] * FEATURES) is None, name
    assert unfit >= 2 * (len(spelled) + 3)
    assert ENDS[family] in spelled


def test_only_what_may_be_unfit_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ready("chatml")
    fitness = Fitness(made, None, 200)
    encoded: list[Any] = []
    encode = chat.encode

    def noted(*arguments: Any, **named: Any) -> chat.Encoded:
        encoded.append(arguments)
        return encode(*arguments, **named)

    monkeypatch.setattr(chat, "encode", noted)
    for number in range(50):
        assert fitness.fault([turn("user", f"What is {number}?"), SAID]) is None
    assert len(encoded) == 1
    assert fitness.fault([turn("user", "What is <|im_end|>?"), SAID])
    assert fitness.fault([turn("user", "What? " * 400), SAID])
    assert len(encoded) == 3
