from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from transformers import LlamaForCausalLM

import tiny_llava as tiny
from ikusi import cli
from ikusi.answer import chat
from ikusi.answer.chat import Conversation
from ikusi.answer.engines.local import Local
from ikusi.errors import InputError
from ikusi.model import fusion


def conversation() -> Conversation:
    return Conversation(tiny.engine())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGB", (20, 16), "orange").save(path)
    return path


def test_an_answer_comes_in_pieces_that_make_it_up(picture: Path) -> None:
    talk = conversation()
    talk.show(chat.open_image(picture))
    pieces: list[str] = []

    def read(text: str) -> bool:
        pieces.append(text)
        return True

    answer = talk.ask("what is on the left ?", 8, read)
    assert answer and pieces[-1] == answer and 1 < len(set(pieces)) <= 8
    assert all(after.startswith(before) for before, after in pairwise(pieces))
    assert talk.exchanges == [("what is on the left ?", answer)]


def test_an_answer_ends_where_its_reader_wants_no_more() -> None:
    talk, whole = conversation(), conversation().ask("what is on the left ?", 8)
    stopped = talk.ask("what is on the left ?", 8, lambda text: len(text.split()) < 2)
    assert whole.startswith(stopped) and len(stopped.split()) == 2 < len(whole.split())


def test_pictures_need_a_model_that_sees(picture: Path) -> None:
    words = tiny.tokenizer()
    blind = Conversation(Local(LlamaForCausalLM(tiny.model(words).config.text_config), words))
    assert blind.ask("what is a dog ?", 2) is not None
    blind.show(chat.open_image(picture))
    with pytest.raises(InputError, match="expected a model that sees pictures"):
        blind.ask("what is a dog ?", 2)


def test_the_picture_is_shown_once_and_a_new_one_starts_anew(picture: Path) -> None:
    talk = conversation()
    talk.show(chat.open_image(picture))
    for question in ("what is on the left ?", "what is on the right ?"):
        talk.ask(question, 4)
    query = chat.make_query(talk.exchanges, "is a dog red ?", True, 4)
    kinds = [[part["type"] for part in message["content"]] for message in query.messages]
    assert kinds == [["image", "text"], ["text"], ["text"], ["text"], ["text"]]
    assert [part["text"] for message in query.messages[:4] for part in message["content"][-1:]] == [
        text for pair in talk.exchanges for text in pair
    ]
    talk.show(None)
    assert talk.exchanges == [] and talk.ask("is a dog red ?", 4) is not None
    assert chat.make_query([], "is a dog red ?", False, 4).pictures == ()


def test_commands_are_understood_and_faults_do_not_end_the_talk(
    picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = conversation()
    assert chat.talk(talk, f"/image {picture}", 4)
    assert talk.image is not None
    assert chat.talk(talk, "/image no-such.png", 4)
    assert chat.talk(talk, "/picture x", 4)
    shown = capsys.readouterr().err
    assert "no-such.png: expected a picture, found none" in shown
    assert "/picture: expected a question or a command" in shown
    assert not chat.talk(talk, "/quit", 4)


def test_a_file_that_is_no_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png"):
        chat.open_image(tmp_path / "text.png")


@pytest.mark.slow
def test_one_question_on_the_command_line(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = conversation()
    model = tiny.engine()
    fusion.save(model.model, model.processor, tmp_path / "model")
    capsys.readouterr()  # DeepSpeed, where it is installed, writes there when a model is saved
    asked = ["--image", str(picture), "--question", "what is a dog ?"]
    with pytest.raises(SystemExit) as end:
        cli.main(["chat", str(tmp_path / "model"), *asked])
    assert end.value.code == 0
    talk.show(chat.open_image(picture))
    assert capsys.readouterr().out.strip() == talk.ask("what is a dog ?", 256)


def test_a_folder_without_a_model_is_exit_code_3(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["chat", str(tmp_path), "--question", "what ?"])
    assert end.value.code == 3
