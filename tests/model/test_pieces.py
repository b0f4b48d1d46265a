"""The tokens of a text's beginnings are known without tokenising each of them."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ikusi.model.parts import prepare_tokens
from ikusi.model.pieces import encode_text, encode_texts, encode_with_borders
from ikusi.model.tokens import SPECIAL_TOKENS, compile_control, make_plain_tokenizer
from model.families import FAMILIES, tokenizer


def overlapping() -> PreTrainedTokenizerFast:
    """Of its control tokens one begins another, and one that is none begins with a line end."""
    made = tokenizer("chatml")
    longer = ["<|im_start|>user", "assistant"]
    made.add_special_tokens({"extra_special_tokens": longer})
    made.add_tokens(["\na", "<|im_end|>\n"])
    return made


def unknowing() -> PreTrainedTokenizerFast:
    """A tokenizer that makes a control token, which the text does not spell, of what it does not
    know; and it swallows one that the text does spell."""
    known = {token: number for number, token in enumerate(["<unk>", *SPECIAL_TOKENS, "a", "da"])}
    backend = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_special_tokens([AddedToken(token, special=True) for token in known][:-2])
    made = make_plain_tokenizer(backend)
    made.add_tokens([AddedToken("a<|user|>", normalized=False)])
    return made


@cache
def make(name: str) -> PreTrainedTokenizerFast:
    if name in FAMILIES:
        made = tokenizer(name)
        prepare_tokens(made, None)
        return made
    return {"overlapping": overlapping, "unknowing": unknowing}[name]()


BITS = [
    "a",
    " ",
    "\n",
    "da",
    "Zer da hau?",
    "\u0301",
    "user",
    "assistant",
    "<|",
    "ñ",
    "3 dogs",
    "</s>",
]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", [*FAMILIES, "overlapping", "unknowing"])
def test_beginnings_have_the_tokens_that_they_have_alone(name: str, data: st.DataObject) -> None:
    made = make(name)
    control = compile_control(made)
    bits = st.sampled_from([*BITS, *sorted(control.numbers)])
    text = "".join(data.draw(st.lists(bits, min_size=1, max_size=12)))
    borders = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
    ids, places = encode_with_borders(made, control, text, borders)
    assert ids == encode_text(made, text, [])
    for border, place in zip(borders, places or (), strict=places is not None):
        assert encode_text(made, text[:border], []) == ids[:place]


@pytest.mark.parametrize("name", FAMILIES)
def test_borders_after_control_tokens_are_found(name: str) -> None:
    made = make(name)
    control = compile_control(made)
    one, other = sorted(control.numbers)[:2]
    text = f"{one}Zer da?{other}a{one}\nZer da?{other}"
    borders = [len(text) - len(other), len(text)]
    ids, places = encode_with_borders(made, control, text, borders)
    assert places == [len(ids) - 1, len(ids)]


def test_control_tokens_that_make_up_for_each_other_are_no_guide() -> None:
    made = make("unknowing")
    text = "a<|user|><|end|><|end|>Zer"
    ids, places = encode_with_borders(made, compile_control(made), text, [len("a<|user|><|end|>")])
    assert len(ids) == 4 and places is None


def test_nothing_before_a_bos_is_left_to_whoever_tokenises_it() -> None:
    made = make("gemma")
    ids, places = encode_with_borders(made, compile_control(made), "<bos>a", [0])
    assert ids == encode_text(made, "<bos>a", []) and places is None


def test_texts_are_not_cut_short_by_what_a_tokenizer_was_set_to() -> None:
    made = tokenizer("plain")
    ids = encode_texts(made, ["Zer da hau?", "a"])
    made.backend_tokenizer.enable_truncation(2)
    assert len(ids[0]) > 2 and encode_texts(made, ["Zer da hau?", "a"]) == ids
