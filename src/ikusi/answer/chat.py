"""A conversation with a model about pictures, in the terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from PIL import Image

from ikusi import content
from ikusi.answer import streaming
from ikusi.answer.engine import Engine, Query
from ikusi.answer.streaming import Say
from ikusi.data import images
from ikusi.errors import InputError
from ikusi.terminal import say

HELP = "/image PATH shows a picture and starts anew, /forget starts anew, /quit ends"
PICTURE = "picture"


def make_query(
    exchanges: Sequence[tuple[str, str]], question: str, pictured: bool, max_new_tokens: int
) -> Query:
    """A question that goes on from what was said.

    Args:
        exchanges: questions and answers so far.
        question: the next one.
        pictured: whether the picture `PICTURE` was shown with the first question.
        max_new_tokens: of the longest answer.
    """
    messages: list[dict[str, Any]] = []
    for asked, answer in exchanges:
        messages += [_write("user", asked), _write("assistant", answer)]
    messages.append(_write("user", question))
    if pictured:
        messages[0]["content"].insert(0, {"type": "image", "key": PICTURE})
    return Query("the question", tuple(messages), max_new_tokens=max_new_tokens)


def _write(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


@dataclass
class Conversation:
    """A conversation so far: picture, questions and answers; each answer reads all of it.

    Attributes:
        engine: the model that answers.
        image: the picture shown, RGB.
        exchanges: questions and answers.
    """

    engine: Engine
    image: Image.Image | None = None
    exchanges: list[tuple[str, str]] = field(default_factory=list)

    def show(self, image: Image.Image | None) -> None:
        """Start anew, with this picture."""
        self.image = image
        self.exchanges = []

    def ask(self, question: str, max_new_tokens: int, say: Say = lambda text: True) -> str:
        """Ask and get the most probable answer, which `say` reads as it comes.

        Raises:
            InputError: the model sees no pictures, or does not answer.
        """
        if self.image is not None and not self.engine.sees:
            raise InputError(f"{self.engine.name}: expected a model that sees pictures")
        shown = {} if self.image is None else {PICTURE: self.image}
        query = make_query(self.exchanges, question, bool(shown), max_new_tokens)
        reply = streaming.ask(self.engine, query, self.engine.prepare(shown), say)
        if reply.failure is not None:
            raise InputError(f"{self.engine.name}: {reply.failure}")
        self.exchanges.append((question, reply.text))
        return reply.text


def start(
    engine: Engine, image: Image.Image | None, question: str | None, max_new_tokens: int
) -> None:
    """Talk with a model: one question if there is one, else until /quit.

    Raises:
        InputError: the one question has no answer.
    """
    conversation = Conversation(engine, image)
    if question is not None:
        say(conversation.ask(question, max_new_tokens))
        return
    say(f"{engine.name}: {HELP}.")
    with _until_the_end_of_input():
        while talk(conversation, typer.prompt("you", prompt_suffix="> "), max_new_tokens):
            pass


def talk(conversation: Conversation, line: str, max_new_tokens: int) -> bool:
    """Act on one typed line; False when it ends the conversation."""
    command, _, rest = line.strip().partition(" ")
    if command == "/quit":
        return False
    try:
        if command == "/image":
            conversation.show(open_image(Path(rest.strip()).expanduser()))
            say(f"looking at {rest.strip()}")
        elif command == "/forget":
            conversation.show(conversation.image)
        elif command.startswith("/"):
            raise InputError(f"{command}: expected a question or a command; {HELP}")
        elif command:
            printer = _Printer()
            printer.print(conversation.ask(line.strip(), max_new_tokens, printer.print))
            say()
    except InputError as error:
        say(str(error), colour=typer.colors.RED, error=True)
    return True


class _Printer:
    """Prints an answer as it comes: what is new of it, or all of it anew where it has changed."""

    def __init__(self) -> None:
        self.shown = ""

    def print(self, text: str) -> bool:
        if not text.startswith(self.shown):
            say()
            self.shown = ""
        say(text[len(self.shown) :], end=False)
        self.shown = text
        return True


def open_image(path: Path) -> Image.Image:
    """Read a picture from a file, with the limits that training pictures have.

    Raises:
        InputError: there is no file, or it is no picture.
    """
    content.expect_plain(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a picture, found none ({error.strerror})") from error
    try:
        return images.decode(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


@contextmanager
def _until_the_end_of_input() -> Iterator[None]:
    """Ctrl-D ends a conversation as /quit does."""
    try:
        yield
    except (typer.Abort, EOFError):
        say()
