"""Prompts made many at once are, token for token, those made one by one."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase

import tiny_llava as tiny
from ikusi.errors import InputError
from ikusi.miniature.bases import shipped
from ikusi.model import chat
from ikusi.model.forms import Form, Forms
from ikusi.model.tokens import SPECIAL_TOKENS, make_plain_tokenizer, with_image_parts

QUESTIONS = ["what is on the left ?", "x", " what is a dog\n", "Zer da hau?\nGorria «ñ»?", "a < b"]
OPTIONS = ["dog", "hot dog", "\ndog", "<b>", "Bai."]
TEMPLATES = Path(__file__).parent / "templates"


def byte_level() -> PreTrainedTokenizerBase:
    """Merges across what a careless cut would separate: spaces, line ends, doubled letters."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([": dog\n dog", "?\ndog", "x: cat", "\n\ncat"] * 20, trainer)
    return make_plain_tokenizer(backend)


def with_template(words: PreTrainedTokenizerBase, template: str) -> PreTrainedTokenizerBase:
    words.chat_template = template
    return words


def untagged() -> PreTrainedTokenizerBase:
    """User turns end without a control token, so questions touch answers."""
    return with_template(
        byte_level(),
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}: "
        "{% else %}{{ m.content }}<|end|>{% endif %}{% endfor %}",
    )


def touching() -> PreTrainedTokenizerBase:
    """Headers end with a line end, which the tokenizer joins to what follows."""
    return with_template(
        byte_level(),
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content | trim }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    )


def fickle() -> PreTrainedTokenizerBase:
    """Writes long questions in its own way, so it keeps to no form."""
    return with_template(
        byte_level(),
        "{% for m in messages %}<|{{ m.role }}|>{% if m.content | length > 20 %}{{ m.content }} !"
        "{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    )


def shipped_llm() -> PreTrainedTokenizerBase:
    words = AutoTokenizer.from_pretrained(shipped.find_model("miniature/llama-en"))
    words.chat_template = with_image_parts(words.chat_template, "<|image|>")
    return words


TOKENIZERS = {
    "words": tiny.tokenizer,
    "bytes": byte_level,
    "untagged": untagged,
    "touching": touching,
    "fickle": fickle,
    "shipped": shipped_llm,
}
SHOTS: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "is the dog red ?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "yes"}]},
]


def conversation(question: str, pictured: bool, shots: bool) -> list[dict[str, Any]]:
    image = [{"type": "image", "key": "a"}] if pictured else []
    asked = {"role": "user", "content": [*image, {"type": "text", "text": question}]}
    return [*(SHOTS if shots else []), asked]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_prompts_and_answers_are_those_made_one_by_one(name: str) -> None:
    words = TOKENIZERS[name]()
    image = words.convert_tokens_to_ids("<|image|>")
    asked = [conversation(*case) for case in product(QUESTIONS, (True, False), (True, False))]
    forms = Forms(words, 4, image)
    rows = [f"row {number}" for number in range(len(asked))]
    prompts = forms.prompts(asked, rows)
    said = forms.continuations(asked, [OPTIONS] * len(asked), rows)
    end = words.convert_tokens_to_ids("<|end|>")
    for messages, (ids, shared), answers in zip(asked, prompts, said, strict=True):
        assert list(ids) == chat.encode_prompt(words, messages, 4, image)
        assert image not in ids[shared:], "a picture is part of what is shared"
        for option, answer in zip(OPTIONS, answers, strict=True):
            turn = {"role": "assistant", "content": [{"type": "text", "text": option}]}
            whole = chat.encode(words, [*messages, turn], 4, image)
            expected = zip(whole.input_ids[len(ids) :], whole.supervised[len(ids) :], strict=True)
            assert answer == [token for token, supervised in expected if supervised]
            assert answer[-1] == end


def test_questions_after_the_same_examples_share_these() -> None:
    forms = Forms(tiny.tokenizer())
    asked = [conversation(question, False, True) for question in ("what is a dog ?", "a cat ?")]
    (first, shared), (second, also) = forms.prompts(asked, ["1", "2"])
    assert shared == also >= len(chat.encode_prompt(tiny.tokenizer(), asked[0][:2], 0))
    assert first[:shared] == second[:shared] and first != second


def test_a_form_is_found_once_and_only_a_fickle_template_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, make in TOKENIZERS.items():
        forms = Forms(make())
        made: list[Form | None] = []
        inner = forms._make_form
        monkeypatch.setattr(
            forms,
            "_make_form",
            lambda messages, made=made, inner=inner: made.append(inner(messages)),
        )
        asked = [conversation(question, False, False) for question in QUESTIONS]
        forms.prompts(asked, QUESTIONS)
        assert len(made) == 1, "the same form for all"
        assert (made[0] is None) == (name == "fickle")


def test_a_question_that_spells_a_control_token_is_told_by_its_row() -> None:
    forms = Forms(tiny.tokenizer())
    asked = [conversation(question, False, False) for question in ("what ?", "a <|end|> dog")]
    with pytest.raises(InputError, match="row 2: user turn: expected text, found the control"):
        forms.prompts(asked, ["row 1", "row 2"])
