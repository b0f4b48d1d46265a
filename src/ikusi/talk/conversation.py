"""People who talk and their conversations: in memory alone, no more than there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from ikusi.answer.chat import make_query
from ikusi.talk.desk import Answer, Desk

MOST_TURNS = 20  # questions of a conversation
MOST_PEOPLE = 500
MOST_BYTES = 256 * 10**6  # of all pictures together


@dataclass(frozen=True)
class Picture:
    """A plain picture, as models see it, and a small one, as pages show it."""

    digest: str
    plain: bytes
    small: bytes

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.plain) + len(self.small)


@dataclass(frozen=True)
class Turn:
    """A question, and what each side answers."""

    question: str
    answers: Sequence[Answer]

    @property
    def is_over(self) -> bool:
        """Whether all have answered."""
        return all(answer.is_over for answer in self.answers)

    def stop(self) -> None:
        """End what is still being answered."""
        for answer in self.answers:
            answer.ends = True


@dataclass
class Conversation:
    """A talk about a picture, or about none; ``desks``: the models in the order of their sides.

    ``preferred``: what somebody said of two sides.
    """

    desks: Sequence[Desk]
    picture: Picture | None = None
    turns: list[Turn] = field(default_factory=list)
    preferred: str = ""

    @property
    def can_be_judged(self) -> bool:
        """Whether both sides have answered every question to the end, and nothing was said yet."""
        answers = [answer for turn in self.turns for answer in turn.answers]
        whole = bool(answers) and all(answer.state in ("whole", "cut") for answer in answers)
        return len(self.desks) > 1 and whole and not self.preferred

    @property
    def is_answering(self) -> bool:
        """Whether the last question is still being answered."""
        return bool(self.turns) and not self.turns[-1].is_over

    def ask(self, question: str, max_new_tokens: int) -> None:
        """Ask all sides; each reads its own answers before."""
        answers = [
            self._make_answer(side, question, max_new_tokens) for side in range(len(self.desks))
        ]
        self.turns.append(Turn(question, answers))
        for desk, answer in zip(self.desks, answers, strict=True):
            desk.submit(answer)

    def _make_answer(self, side: int, question: str, max_new_tokens: int) -> Answer:
        exchanges = [
            (turn.question, turn.answers[side].text)
            for turn in self.turns
            if turn.answers[side].holds
        ]
        query = make_query(exchanges, question, self.picture is not None, max_new_tokens)
        return Answer(query, self.picture.plain if self.picture else None)


@dataclass
class Person:
    """Somebody who talks: the language of their pages, and their one conversation."""

    language: str = ""
    conversation: Conversation | None = None

    @property
    def size(self) -> int:
        """Bytes of their picture."""
        shown = self.conversation.picture if self.conversation else None
        return shown.size if shown else 0


class People:
    """Those who talk, by their secret word. The ones who have been away longest make room."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._lock = Lock()

    def find(self, word: str) -> Person:
        """Somebody; who is not known has not said anything yet."""
        return self._people.get(word) or Person()

    def keep(self, word: str, person: Person) -> None:
        """Keep somebody, who has just said something, and let go of others where room is scarce."""
        with self._lock:
            self._people.pop(word, None)
            self._people[word] = person
            while len(self._people) > MOST_PEOPLE or self._size() > MOST_BYTES:
                oldest = next(iter(self._people))
                if oldest == word:
                    return
                self._forget(self._people.pop(oldest))

    def _size(self) -> int:
        return sum(one.size for one in self._people.values())

    def _forget(self, person: Person) -> None:
        if person.conversation and person.conversation.turns:
            person.conversation.turns[-1].stop()
