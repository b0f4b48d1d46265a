from pathlib import Path

import pytest
from PIL import Image
from transformers import LlavaProcessor

import tiny_llava as tiny
from ikusi import cli
from ikusi.answer import chat
from ikusi.answer.chat import Conversation
from ikusi.errors import InputError
from ikusi.model import fusion
from ikusi.model.parts import open_image_processor


def conversation() -> Conversation:
    words = tiny.tokenizer()
    processor = LlavaProcessor(
        image_processor=open_image_processor("none", 16),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=words.chat_template,
        image_token="<|image|>",
        num_additional_image_tokens=1,
    )
    return Conversation(tiny.model(words), processor)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGB", (20, 16), "orange").save(path)
    return path


def test_an_answer_comes_in_pieces_that_make_it_up(picture: Path) -> None:
    talk = conversation()
    talk.show(chat.open_image(picture))
    pieces: list[str] = []
    answer = talk.ask("what is on the left ?", 8, pieces.append)
    assert answer
    assert "".join(pieces).strip() == answer
    assert [message["role"] for message in talk.messages] == ["user", "assistant"]


def test_the_picture_is_shown_once_and_a_new_one_starts_anew(picture: Path) -> None:
    talk = conversation()
    talk.show(chat.open_image(picture))
    for question in ("what is on the left ?", "what is on the right ?"):
        talk.ask(question, 4)
    kinds = [[part["type"] for part in message["content"]] for message in talk.messages]
    assert kinds == [["image", "text"], ["text"], ["text"], ["text"]]
    talk.show(None)
    assert talk.ask("is a dog red ?", 4) is not None
    assert talk.messages[0]["content"][0]["type"] == "text"


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
    fusion.save(talk.model, talk.processor, tmp_path / "model")
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
