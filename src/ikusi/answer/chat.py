"""A conversation with a trained model about pictures, in the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import typer
from PIL import Image
from transformers import (
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
    TextStreamer,
)

from ikusi import content
from ikusi.data import images
from ikusi.errors import InputError
from ikusi.model import chat, fusion
from ikusi.model.pixels import prepare
from ikusi.terminal import say

HELP = "/image PATH shows a picture and starts anew, /forget starts anew, /quit ends"


@dataclass
class Conversation:
    """What was shown, asked and answered so far; each answer reads all of it.

    Attributes:
        model: a LLaVA checkpoint (`fusion.load`).
        image: the picture shown, RGB.
    """

    model: LlavaForConditionalGeneration
    processor: LlavaProcessor
    image: Image.Image | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)

    def show(self, image: Image.Image | None) -> None:
        """Start anew, with this picture."""
        self.image = image
        self.messages = []

    def ask(
        self, question: str, max_new_tokens: int, say: Callable[[str], None] = lambda piece: None
    ) -> str:
        """Ask and get the most probable answer; `say` gets its pieces as they come."""
        pictured = self.image is not None and not self.messages
        parts = [{"type": "image"}] if pictured else []
        self.messages.append(
            {"role": "user", "content": [*parts, {"type": "text", "text": question}]}
        )
        try:
            answer = self._generate(max_new_tokens, say)
        except InputError:
            self.messages.pop()
            raise
        self.messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        return answer

    def _generate(self, max_new_tokens: int, say: Callable[[str], None]) -> str:
        tokenizer = self.processor.tokenizer
        ids = chat.encode_prompt(
            tokenizer,
            self.messages,
            fusion.count_image_tokens(self.model, self.processor),
            self.model.config.image_token_id,
        )
        inputs = {"input_ids": torch.tensor([ids], device=self.model.device)}
        if self.image is not None:
            pixels = prepare(self.processor.image_processor, [self.image])
            inputs["pixel_values"] = pixels.to(self.model.device, self.model.dtype)
        model: Any = self.model  # the annotations of `generate` do not fit this class
        output = model.generate(
            **inputs,
            attention_mask=torch.ones_like(inputs["input_ids"]),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            streamer=_Streamer(tokenizer, say),
        )
        answer: str = tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True)
        return answer.strip()


class _Streamer(TextStreamer):
    """Hands over the pieces of an answer as soon as they are whole words."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, say: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.say = say

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.say(text)


def start(checkpoint: Path, image: Path | None, question: str | None, max_new_tokens: int) -> None:
    """Open a model and talk: one question if there is one, else until /quit.

    Raises:
        InputError: the checkpoint or the picture cannot be opened.
    """
    shown = None if image is None else open_image(image)
    model, processor = fusion.load(checkpoint)
    conversation = Conversation(model, processor, shown)
    if question is not None:
        say(conversation.ask(question, max_new_tokens))
        return
    say(f"{checkpoint}: {model.num_parameters():,} parameters. {HELP}.")
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
            conversation.ask(line.strip(), max_new_tokens, lambda piece: say(piece, end=False))
            say()
    except InputError as error:
        say(str(error), colour=typer.colors.RED, error=True)
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
