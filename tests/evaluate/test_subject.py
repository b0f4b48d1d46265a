"""Options are said exactly as training supervises them."""

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase

import tiny_llava as tiny
from ikusi.evaluate.subject import Subject
from ikusi.model import chat
from ikusi.model.tokens import SPECIAL_TOKENS, plain_tokenizer


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
    return plain_tokenizer(backend)


def untagged(words: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A template whose user turns end without a control token, so questions touch answers."""
    words.chat_template = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}: "
        "{% else %}{{ m.content }}<|end|>{% endif %}{% endfor %}"
    )
    return words


@pytest.mark.parametrize("words", [tiny.tokenizer(), byte_level(), untagged(byte_level())])
def test_a_continuation_is_what_training_supervises(words: PreTrainedTokenizerBase) -> None:
    image = words.convert_tokens_to_ids("<|image|>")
    subject = Subject(None, words, None, 4, image)
    for question in ("what is on the left ?", "x", "what is a dog"):
        for picture in ("a", None):
            for option in ("dog", "cat", "hot dog"):
                prompt = subject.prompt(question, picture)
                content: list[dict[str, str]] = [{"type": "text", "text": question}]
                if picture:
                    content.insert(0, {"type": "image"})
                messages: list[dict[str, Any]] = [
                    {"role": "user", "content": content},
                    {"role": "assistant", "content": option},
                ]
                whole = chat.encode(words, messages, 4, image)
                said = subject.continuation(prompt, question, option)
                assert [*prompt.ids, *said] == whole.input_ids[: len(prompt.ids) + len(said)]
                assert len(said) == sum(whole.supervised)
                assert said[-1] == words.convert_tokens_to_ids("<|end|>")


def test_continuations_are_remembered_by_what_can_change_them() -> None:
    words = tiny.tokenizer()
    subject = Subject(None, words, None, 4, words.convert_tokens_to_ids("<|image|>"))
    for question in ("what ?", "is the dog red ?"):
        subject.continuation(subject.prompt(question, None), question, "yes")
    assert len(subject._continuations) == 1
