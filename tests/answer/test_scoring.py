"""Shared prefixes, batches and caches change nothing: all equals one plain forward per sample."""

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from transformers import LlavaForConditionalGeneration

import tiny_llava as tiny
from ikusi.answer import prefix
from ikusi.answer.engine import pick
from ikusi.answer.generate import Answer, generate_answers
from ikusi.answer.prefix import Prompt, SharedPrefix, group_prompts
from ikusi.answer.score import Tokens, score_options, summarise
from ikusi.model import chat

WORDS = tiny.tokenizer()
IMAGE = WORDS.convert_tokens_to_ids("<|image|>")
END = WORDS.eos_token_id
PICTURES = tiny.pictures("abc")
OPTIONS = ["dog", "hot dog", "hot dog stand", "a red house on the left"]


@cache
def llava() -> LlavaForConditionalGeneration:
    return tiny.model(WORDS)


@cache
def features() -> dict[str, torch.Tensor]:
    with torch.no_grad():
        stacked = torch.stack(list(PICTURES.values()))
        found = llava().get_image_features(pixel_values=stacked).pooler_output
    return dict(zip(PICTURES, found, strict=True))


def prompt(question: str, picture: str | None) -> Prompt:
    content: list[dict[str, str]] = [{"type": "text", "text": question}]
    if picture:
        content.insert(0, {"type": "image"})
    messages = [{"role": "user", "content": content}]
    ids = tuple(chat.encode_prompt(WORDS, messages, tiny.PICTURE_TOKENS, IMAGE))
    shared = len(ids) - ids[::-1].index(IMAGE) if picture else 0
    return Prompt(ids, (picture,) if picture else (), shared)


PROMPTS = [
    prompt("what is on the left ?", "a"),
    prompt("what is a dog ?", None),
    prompt("is the dog red ?", "b"),
    prompt("what ?", "a"),
    prompt("what is on the right and on the left ?", "c"),
    prompt("no", None),
    prompt("what is on the left ?", "b"),
]


def tokens(option: str) -> list[int]:
    return [*WORDS(option, add_special_tokens=False).input_ids, END]


def each_group(batch_size: int) -> list[tuple[list[int], SharedPrefix]]:
    return [
        (rows, SharedPrefix(llava(), [PROMPTS[i] for i in rows], features(), IMAGE, batch_size))
        for rows in group_prompts(PROMPTS, batch_size)
    ]


@torch.no_grad()
def scores_in_batches(batch_size: int) -> list[list[list[float]]]:
    options = [[tokens(option) for option in OPTIONS[: 2 + i % 3]] for i in range(len(PROMPTS))]
    found: dict[int, list[Tokens]] = {}
    for rows, shared in each_group(batch_size):
        part = score_options(shared, range(len(rows)), [options[i] for i in rows])
        found.update(zip(rows, part, strict=True))
    return [[tokens.values for tokens in found[i]] for i in range(len(PROMPTS))]


@torch.no_grad()
def answers_in_batches(batch_size: int, limit: int) -> list[Answer]:
    found: dict[int, Answer] = {}
    for rows, shared in each_group(batch_size):
        found.update(
            zip(rows, generate_answers(shared, range(len(rows)), {END}, limit), strict=True)
        )
    return [found[i] for i in range(len(PROMPTS))]


def plain(read: Prompt) -> dict[str, torch.Tensor]:
    inputs = {"input_ids": torch.tensor([read.ids])}
    if read.pictures:
        inputs["pixel_values"] = torch.stack([PICTURES[name] for name in read.pictures])
    return inputs


@torch.no_grad()
def plain_scores(read: Prompt, option: Sequence[int]) -> list[float]:
    inputs = plain(Prompt((*read.ids, *option), read.pictures))
    logits = llava()(**inputs).logits[0, len(read.ids) - 1 : -1]
    return logits.log_softmax(-1)[range(len(option)), list(option)].tolist()


def test_option_scores_equal_one_plain_forward_per_option() -> None:
    for read, row in zip(PROMPTS, scores_in_batches(3), strict=True):
        for option, scores in zip(OPTIONS, row, strict=False):
            assert scores == pytest.approx(plain_scores(read, tokens(option)), abs=1e-4)


@torch.no_grad()
def test_an_option_is_greedy_where_it_is_what_would_be_said() -> None:
    for rows, shared in each_group(4):
        places = range(len(rows))
        said = [[answer.ids] for answer in generate_answers(shared, places, {END}, 5)]
        other = [[[(ids[0][0] + 1) % len(WORDS), *ids[0][1:]]] if ids[0] else [[0]] for ids in said]
        said = [ids if ids[0] else [[END]] for ids in said]
        assert all(found[0].greedy for found in score_options(shared, places, said))
        assert not any(found[0].greedy for found in score_options(shared, places, other))


def test_options_apart_score_as_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    together = scores_in_batches(3)
    monkeypatch.setattr(SharedPrefix, "plain", False)
    for first, second in zip(together, scores_in_batches(3), strict=True):
        for left, right in zip(first, second, strict=True):
            assert left == pytest.approx(right, abs=1e-4)


def test_a_batch_holds_no_more_logits_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scores_in_batches(32)
    monkeypatch.setattr(prefix, "LOGITS_HELD", 20 * len(WORDS))
    with torch.inference_mode():
        sizes = [
            len(batch)
            for _, shared in each_group(32)
            for batch, _ in shared.batches(range(len(shared.prompts)), dict.fromkeys(range(9), 10))
        ]
    assert max(sizes) == 2
    for first, second in zip(whole, scores_in_batches(32), strict=True):
        for left, right in zip(first, second, strict=True):
            assert left == pytest.approx(right, abs=1e-4)


def test_batch_size_changes_no_score() -> None:
    one = scores_in_batches(1)
    for size in (2, 8, 32):
        for first, second in zip(one, scores_in_batches(size), strict=True):
            assert pick([sum(o) for o in first]) == pick([sum(o) for o in second])
            for left, right in zip(first, second, strict=True):
                assert left == pytest.approx(right, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 12])
def test_answers_equal_plain_generation_sample_by_sample(limit: int) -> None:
    for read, answer in zip(PROMPTS, answers_in_batches(4, limit), strict=True):
        said = (
            llava()
            .generate(**plain(read), max_new_tokens=limit, do_sample=False, eos_token_id=END)[
                0, len(read.ids) :
            ]
            .tolist()
        )
        assert answer.ids == [token for token in said if token != END]
        assert answer.hit_limit == (END not in said)


def test_answers_in_rows_of_their_own_are_those_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = answers_in_batches(4, 12)
    monkeypatch.setattr(SharedPrefix, "plain", False)
    assert answers_in_batches(4, 12) == together


def test_a_batch_of_lines_holds_no_more_questions_than_it_may() -> None:
    for size in (1, 2, 4):
        for rows, shared in each_group(size):
            with torch.inference_mode():
                read = list(shared.lines(range(len(rows)), 1))
            for lines, state in read:
                assert len(lines) == 1 or len(lines) * max(map(len, lines)) <= size
                assert state.logits.shape[:2] == (len(lines), max(map(len, lines)))


def test_of_what_is_shared_the_last_layer_gives_keys_and_values_alone() -> None:
    read: list[int] = []
    hooks = [
        layer.mlp.register_forward_pre_hook(lambda _, args, at=at: read.append(at))
        for at, layer in enumerate(llava().model.language_model.layers)
    ]
    try:
        list(each_group(4))
    finally:
        for hook in hooks:
            hook.remove()
    assert read
    assert set(read) == set(range(len(hooks) - 1))


def test_more_questions_than_a_line_holds_are_answered_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = answers_in_batches(8, 12)
    monkeypatch.setattr(prefix, "LINE", 1)
    assert answers_in_batches(8, 12) == whole


@pytest.mark.slow
def test_batch_size_changes_no_answer() -> None:
    one = answers_in_batches(1, 12)
    assert one == answers_in_batches(8, 12) == answers_in_batches(32, 12)
    assert {answer.hit_limit for answer in one} == {True, False}, "the toy must show both endings"


def test_a_picture_is_read_once_for_all_its_questions() -> None:
    sizes = []
    hook = llava().model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["attention_mask"].shape), with_kwargs=True
    )
    try:
        many = [prompt(f"what is {word} ?", "ab"[i % 2]) for i, word in enumerate(tiny.WORDS)]
        shared = SharedPrefix(llava(), many, features(), IMAGE, batch_size=64)
    finally:
        hook.remove()
    assert [tuple(size) for size in sizes] == [(2, many[0].shared)]
    assert shared.prompts == many


def test_groups_hold_one_cut_and_at_most_a_batch_of_beginnings() -> None:
    found = group_prompts(PROMPTS, 2)
    assert sorted(row for rows in found for row in rows) == list(range(len(PROMPTS)))
    for rows in found:
        assert len({PROMPTS[row].shared for row in rows}) == 1
        assert len({PROMPTS[row].beginning for row in rows}) <= 2


def test_features_must_fit_the_image_run() -> None:
    short = {name: value[:-1] for name, value in features().items()}
    with pytest.raises(ValueError, match="expected 3 image tokens, found 4"):
        SharedPrefix(llava(), PROMPTS[:1], short, IMAGE, 1)


def test_an_option_is_summed_with_and_without_its_end() -> None:
    found = summarise([-1.0, -2.0, -0.5], "\u00e9e")
    assert (found.total, found.without_end) == (-3.5, -3.0)
    assert found.per_token == pytest.approx(-3.5 / 3)
    assert found.per_byte == pytest.approx(-3.5 / 3)
    assert summarise([-1.0, -2.0], "x", ends=False).without_end == -3.0


def test_ties_are_told_and_go_to_the_first() -> None:
    assert pick([-2.0, -1.0, -1.0]) == (1, True)
    assert pick([-2.0, -1.0, -1.5]) == (1, False)
