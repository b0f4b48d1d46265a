"""Conversations become tokens as the LLM's own template says, and only answers are learnt."""

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig, PreTrainedTokenizerFast

from ikusi.errors import InputError
from ikusi.model import chat
from ikusi.model.parts import open_tokenizer, prepare_tokens
from ikusi.model.tokens import find_control_tokens, with_image_parts
from model.families import ENDS, FAMILIES, WITHOUT_SYSTEM, tokenizer

FEATURES = 4


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def turn(role: str, *parts: Any) -> chat.Message:
    return {"role": role, "content": [text(p) if isinstance(p, str) else p for p in parts]}


PICTURE = {"type": "image"}
QUESTION = turn("user", PICTURE, "Zer da hau?")
ANSWER = turn("assistant", "Katua da.")
TALK = [QUESTION, ANSWER, turn("user", "What is 3 dogs?"), turn("assistant", "A cat, and 3 dogs.")]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ready(family: str) -> PreTrainedTokenizerFast:
    made = open_tokenizer(tokenizer(family))
    prepare_tokens(made, None)
    return made


def encode(made: PreTrainedTokenizerFast, messages: list[Any], **settings: Any) -> chat.Encoded:
    return chat.encode(made, messages, FEATURES, image_id(made), **settings)


def image_id(made: PreTrainedTokenizerFast) -> int:
    found = made.convert_tokens_to_ids(chat.find_image_token(made))
    assert isinstance(found, int)
    return found


def learnt(made: PreTrainedTokenizerFast, encoded: chat.Encoded) -> list[str]:
    """The text of each run of supervised tokens."""
    runs: list[list[int]] = [[]]
    for token, supervised in zip(encoded.input_ids, encoded.supervised, strict=True):
        if supervised:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([])
    return [made.decode(run).strip() for run in runs if run]


def test_answers_and_their_end_are_learnt_and_nothing_else(family: str) -> None:
    made, end = ready(family), ENDS[family]
    assert learnt(made, encode(made, TALK)) == [
        f"Katua da.{end}",
        f"A cat, and 3 dogs.{end}",
    ]


def test_the_system_turn_is_not_learnt(family: str) -> None:
    made = ready(family)
    talk = [turn("system", "Zer da kaixo?"), QUESTION, ANSWER]
    if family in WITHOUT_SYSTEM:
        with pytest.raises(InputError, match="row 7: the chat template refuses"):
            encode(made, talk, row="row 7")
    else:
        assert len(learnt(made, encode(made, talk))) == 1


def test_prompts_are_token_prefixes_of_what_was_trained(family: str) -> None:
    made = ready(family)
    whole = encode(made, TALK)
    for index in (1, 3):
        prompt = chat.encode_prompt(made, TALK[:index], FEATURES, image_id(made))
        assert whole.input_ids[: len(prompt)] == prompt
        assert whole.supervised[len(prompt)] and not whole.supervised[len(prompt) - 1]


def test_tokens_are_those_of_the_stock_tokenizer(family: str) -> None:
    made = ready(family)
    stock = made.apply_chat_template(TALK, tokenize=True, return_dict=True)["input_ids"]
    ours = encode(made, TALK).input_ids
    image = image_id(made)
    runs = [token for i, token in enumerate(ours) if token != image or ours[i - 1] != image]
    if family == "llava-parts":  # its template leaves the BOS to the tokenizer
        stock = [made.bos_token_id, *stock]
    assert runs == stock


def test_a_conversation_has_one_bos_and_one_system_block() -> None:
    made = ready("llama-3.1")
    ids = encode(made, TALK).input_ids
    assert ids.count(made.bos_token_id) == 1
    assert made.decode(ids).count("<|start_header_id|>system") == 1


def test_each_image_becomes_its_run_of_image_tokens(family: str) -> None:
    made = ready(family)
    talk = [QUESTION, ANSWER, turn("user", PICTURE, "Zer da?"), ANSWER]
    encoded = encode(made, talk)
    assert encoded.image_tokens == encoded.input_ids.count(image_id(made)) == 2 * FEATURES


def test_texts_without_images_need_no_image_token() -> None:
    made = tokenizer("llama-3.1")
    encoded = chat.encode(made, [turn("user", "Zer da?"), ANSWER])
    assert learnt(made, encoded) == ["Katua da.<|eot_id|>"] and encoded.image_tokens == 0


def test_images_without_an_image_token_are_refused() -> None:
    with pytest.raises(InputError, match="expected an image token, found none"):
        chat.render(tokenizer("llama-3.1"), TALK)


def test_strings_and_parts_read_the_same(family: str) -> None:
    made = ready(family)
    strings = [{"role": "user", "content": "Zer da?"}, {"role": "assistant", "content": "Katua."}]
    parts = [turn("user", "Zer ", "da?"), turn("assistant", "Katua.")]
    assert encode(made, strings) == encode(made, parts)


def test_a_token_across_the_border_of_prompt_and_answer_is_split_there() -> None:
    """ChatML's header ends in a newline; an answer that begins with one would merge with it."""
    made = ready("chatml")
    talk = [turn("user", "Zer da?"), turn("assistant", "\nKatua da.")]
    assert "ĊĊ" in made.get_vocab()
    encoded = encode(made, talk)
    prompt = chat.encode_prompt(made, talk[:1])
    assert encoded.input_ids[: len(prompt)] == prompt
    assert made.decode(encoded.input_ids) == chat.render(made, talk)
    assert (
        made.decode([t for t, s in zip(encoded.input_ids, encoded.supervised, strict=True) if s])[
            :2
        ]
        == "\nK"
    )


def test_the_split_holds_for_the_turns_that_follow() -> None:
    made = ready("chatml")
    talk = [
        turn("user", "a"),
        turn("assistant", "\nb"),
        turn("user", "c"),
        turn("assistant", "\nd"),
    ]
    prompt = chat.encode_prompt(made, talk[:3])
    assert encode(made, talk).input_ids[: len(prompt)] == prompt


READY = cache(ready)
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
spoken = words.filter(lambda answer: bool(answer.strip()))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(question=words, answers=st.lists(spoken, min_size=1, max_size=2))
@pytest.mark.parametrize("name", FAMILIES)
def test_any_text_keeps_the_promises(name: str, question: str, answers: list[str]) -> None:
    made = READY(name)
    assume(not find_control_tokens(made, "\n".join([question, *answers])))  # they are refused
    talk = [t for a in answers for t in (turn("user", PICTURE, question), turn("assistant", a))]
    encoded = encode(made, talk)
    for index in range(1, len(talk), 2):
        prompt = chat.encode_prompt(made, talk[:index], FEATURES, image_id(made))
        assert encoded.input_ids[: len(prompt)] == prompt
        assert encoded.supervised[len(prompt) - 1 : len(prompt) + 1] == [False, True]
    assert encoded.image_tokens == FEATURES * len(answers)
    last = [t for t, s in zip(encoded.input_ids, encoded.supervised, strict=True) if s][-1]
    assert made.convert_ids_to_tokens(last) == chat.end_of_turn(made)
    assert len(learnt(made, encoded)) == len(answers)


def test_text_that_spells_a_control_token_is_refused(family: str) -> None:
    made = ready(family)
    for token in (chat.end_of_turn(made), chat.find_image_token(made)):
        for talk in (
            [turn("user", f"Zer da {token} hau?"), ANSWER],
            [turn("user", "Zer da?"), turn("assistant", token[:2], token[2:])],
        ):
            with pytest.raises(InputError, match=r"row 7: \w+ turn: expected text, found"):
                encode(made, talk, row="row 7")


def test_every_control_token_is_known_and_ordinary_text_has_none(family: str) -> None:
    made = ready(family)
    assert find_control_tokens(made, "a <b> [c] <|d|> & it's") == []
    for token in made.all_special_tokens:
        assert find_control_tokens(made, f"a{token}b") == [token]


def test_unknown_roles_are_refused() -> None:
    with pytest.raises(InputError, match="role: expected one of system, user, assistant"):
        encode(ready("plain"), [turn("gpt", "a")])


@pytest.mark.parametrize("answer", ["", " \n"])
def test_empty_answers_are_refused(answer: str) -> None:
    with pytest.raises(InputError, match="row 7: message 2: expected an answer"):
        encode(ready("plain"), [QUESTION, turn("assistant", answer)], row="row 7")


def test_a_conversation_without_answers_is_refused() -> None:
    with pytest.raises(InputError, match="expected an assistant turn to learn from"):
        encode(ready("plain"), [QUESTION])


LOOP = "{%- for message in messages -%}"
HEADER = "{{- '<|' + message['role'] + '|>' -}}"
PROMPT = "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (LOOP + HEADER + "{{- message['content'] -}}" + PROMPT, "without a control token"),
        (
            LOOP
            + HEADER
            + "{{- message['content'] | replace('Katua', '') + '<|end|>' -}}"
            + PROMPT,
            "rewrites",
        ),
        (
            "{{- messages | length -}}"
            + LOOP
            + HEADER
            + "{{- message['content'] + '<|end|>' -}}"
            + PROMPT,
            "differently when more follows",
        ),
        (
            LOOP
            + HEADER
            + "{{- message['content'] | replace('<|image|>', '') + '<|end|>' -}}"
            + PROMPT,
            "found 0: the chat template drops or repeats images",
        ),
        (
            "{%- for message in messages if not add_generation_prompt -%}"
            + HEADER
            + "{{- message['content'] + '<|end|>' -}}"
            + PROMPT,
            "found 0: the chat template drops or repeats images",
        ),
    ],
    ids=["never ends", "rewrites", "looks ahead", "loses images", "asks without images"],
)
def test_templates_that_cannot_be_followed_are_refused(template: str, problem: str) -> None:
    made = ready("plain")
    made.chat_template = template
    with pytest.raises(InputError, match=problem):
        encode(made, [QUESTION, ANSWER])


REFUSES_THREE = "{%- if messages | length == 3 -%}{{- raise_exception('three') -}}{%- endif -%}"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("", ""), "row 7: the chat template refuses .*: three"),
        (("| trim", "| replace('Katua', '')"), "row 7: message 2: .* rewrites"),
        (("'<|assistant|>'", "'<|user|>'"), "row 7: message 2: .* differently when more follows"),
    ],
    ids=["nothing", "rewrites", "asks otherwise"],
)
def test_what_is_wrong_in_an_earlier_turn_is_told_first(
    change: tuple[str, str], problem: str
) -> None:
    made = ready("plain")
    made.chat_template = REFUSES_THREE + made.chat_template.replace(*change)
    with pytest.raises(InputError, match=problem):
        encode(made, TALK, row="row 7")


def test_a_conversation_is_written_in_two_calls_by_the_llms_own_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, used = ready("chatml"), []
    encode(made, TALK)  # the template is known
    inner = made.apply_chat_template

    def note(*messages: Any, **settings: Any) -> Any:
        used.append(settings["chat_template"])
        return inner(*messages, **settings)

    monkeypatch.setattr(made, "apply_chat_template", note)
    encode(made, TALK)
    assert used == [tokenizer("chatml").chat_template] * 2 != [made.chat_template] * 2


def test_what_makes_strings_of_parts_stays_where_parts_are_given() -> None:
    made = ready("plain")
    made.chat_template = with_image_parts(tokenizer("llava-parts").chat_template, "<|image|>")
    with pytest.raises(InputError, match="rewrites the assistant's text"):
        encode(made, TALK[2:])


def test_a_conversation_that_the_assistant_begins_is_refused(family: str) -> None:
    with pytest.raises(InputError, match=r"row 7: the chat template refuses .* empty conversation"):
        encode(ready(family), [ANSWER, QUESTION, ANSWER], row="row 7")


def test_a_tokenizer_without_a_template_is_refused() -> None:
    made = tokenizer("chatml")
    made.chat_template = None
    with pytest.raises(InputError, match="expected one chat template, found none"):
        chat.end_of_turn(made)


def test_what_exceeds_the_maximum_length_is_cut_and_counted() -> None:
    made = ready("plain")
    whole = encode(made, TALK)
    short = encode(made, TALK, max_length=len(whole.input_ids) - 3)
    assert short.cut == 3 and short.input_ids == whole.input_ids[:-3]
    assert len(short.supervised) == len(short.input_ids)
    assert encode(made, TALK, max_length=len(whole.input_ids)) == whole


def test_a_cut_never_falls_inside_an_image() -> None:
    made = ready("plain")
    with pytest.raises(InputError, match="row 7: expected its images within 3 tokens"):
        encode(made, TALK, max_length=3, row="row 7")


def test_a_cut_that_leaves_nothing_to_learn_is_refused() -> None:
    made = ready("plain")
    start = encode(made, TALK).supervised.index(True)
    with pytest.raises(InputError, match="expected a token to learn within"):
        encode(made, TALK, max_length=start)
    assert any(encode(made, TALK, max_length=start + 1).supervised)


def test_the_saved_template_builds_the_same_prompt_from_parts(family: str) -> None:
    made = ready(family)
    for talk, asking in ((TALK, False), (TALK[:3], True)):
        stock = made.apply_chat_template(talk, tokenize=False, add_generation_prompt=asking)
        assert stock == chat.render(made, talk, asking)


def test_the_plain_template_spends_two_tokens_on_a_turn() -> None:
    made = ready("plain")
    talk = [turn("user", "Zer da?"), turn("assistant", "Katua.")]
    bare = len(made("Zer da?").input_ids) + len(made("Katua.").input_ids)
    assert len(encode(made, talk).input_ids) == bare + 4


@pytest.mark.parametrize("family", ["chatml", "gemma"])
@pytest.mark.parametrize("known", [None, 2, [2, 0]])
def test_an_answer_ends_where_the_settings_or_the_template_say(
    family: str, known: int | list[int] | None
) -> None:
    made = tokenizer(family)
    own = {known} if isinstance(known, int) else set(known or ())
    end = made.convert_tokens_to_ids(ENDS[family])
    stops = GenerationConfig(eos_token_id=known)
    assert chat.list_stops(made, stops) == sorted(own | {end})
    made.chat_template = None
    assert chat.list_stops(made, stops) == sorted(own)
