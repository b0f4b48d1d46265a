"""Pages on which a tiny model answers, and people who ask it; their browsers have no scripts."""

import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from starlette.testclient import TestClient

import tiny_llava as tiny
from ikusi.answer.chat import Conversation
from ikusi.answer.engine import Query, Reply
from ikusi.answer.engines.local import Local
from ikusi.answer.streaming import Say
from ikusi.talk import app
from ikusi.talk.desk import Desk
from ikusi.talk.site import TEXTS, Site, make_link
from ikusi.web.guards import Links
from ikusi.web.wording import read_texts

WORD = "a-word-that-is-known"
QUESTION = "what is on the left ?"
TOKENS = 5


class Held(Local):
    """The tiny model, which waits after each word while it is held; it keeps what it is asked."""

    def __init__(self, seed: int = 0) -> None:
        model = tiny.engine(seed)
        super().__init__(model.model, model.tokenizer, model.processor, name="tiny")
        self.goes = threading.Event()
        self.goes.set()
        self.asked: list[Query] = []

    def stream(self, query: Query, pictures: Mapping[str, Any], say: Say) -> Reply:
        self.asked.append(query)
        return super().stream(query, pictures, lambda text: say(text) and self._wait(say, text))

    def _wait(self, say: Say, text: str) -> bool:
        while text and not self.goes.wait(0.01):
            if not say(text):
                return False
        return True


class Stage:
    """Pages of some models, in this process."""

    def __init__(self, *engines: Any, **settings: Any) -> None:
        self.engines = engines
        self.desks = [Desk(one, f"model-{n}") for n, one in enumerate(engines, 1)]
        texts = read_texts(TEXTS)
        turned = texts["en"].model_copy(update={"code": "ar", "direction": "rtl"})
        links = Links({WORD: "people"})
        self.site = Site(self.desks, {**texts, "ar": turned}, links, TOKENS, **settings)
        self.app = app.create(self.site)

    def person(self, language: str = "en") -> "Person":
        headers = {"accept-language": language}
        return Person(TestClient(self.app, base_url="http://127.0.0.1", headers=headers))

    def close(self) -> None:
        self.site.closed.set()
        for one in self.engines:
            if isinstance(one, Held):
                one.goes.set()
        for desk in self.desks:
            desk.close()

    def expected(self, *questions: str, image: Any = None) -> list[str]:
        """Answers of the first model in a conversation."""
        talk = Conversation(tiny.engine(), image)
        return [talk.ask(question, TOKENS) for question in questions]


class Person:
    """Somebody with the link."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.place = client.get(make_link(WORD)).url.path

    def get(self, place: str = "") -> Any:
        return self.client.get(f"{self.place}/{place}" if place else self.place)

    def post(self, place: str, **fields: str) -> Any:
        return self.client.post(f"{self.place}/{place}", data=fields)

    def begin(self, question: str = QUESTION, *pictures: bytes) -> Any:
        sent = [("picture", ("IMG.jpg", data, "image/jpeg")) for data in pictures]
        sent = sent or [("picture", ("", b"", "application/octet-stream"))]
        return self.client.post(f"{self.place}/begin", data={"question": question}, files=sent)

    def ask(self, question: str) -> Any:
        page = self.get().text
        turn = re.search(r'name="turn" value="(\d+)"', page)
        assert turn
        return self.post("ask", question=question, turn=turn[1])

    def wait(self, *parts: str) -> str:
        """The page once it has all these parts, and none that is still to come."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            page = str(self.get().text)
            if all(part in page for part in parts) and (parts or "data-follow" not in page):
                return page
            time.sleep(0.02)
        raise AssertionError(f"{parts}: {page[-2500:]}")

    def answers(self) -> list[str]:
        """The answers on the page, once all are there."""
        page = self.wait()
        return re.findall(
            r'<section class="answer">\s*<h2>.*?</h2>\s*<p dir="auto">(.*?)</p>', page
        )
