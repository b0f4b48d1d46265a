"""A judge on this machine: looks at the picture, prefers by a fixed rule, fails as servers do."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from translate.servers import Faulty

MODEL = "gpt-judge"
FAULTS = (
    "busy", "error", "garbage", "half", "nothing", "late", "null", "no choice", "cut",
    "no verdict", "both verdicts", "other language", "lacking criterion", "declined",
)  # fmt: skip
"""`declined` settles a game; after the others it is asked again."""

_ASKED = re.compile(
    r"(?:QUESTION|GALDERA):\n(.*)\n\n(?:ANSWER A|A ERANTZUNA):\n(.*)\n\n"
    r"(?:ANSWER B|B ERANTZUNA):\n(.*)",
    re.DOTALL,
)


@dataclass
class Rule:
    """The rule by which a judge judges, and the behaviour of its server.

    Args:
        prefers: question, answers A and B, digest of the picture's pixels -> A, tie or B.
        schemas: what the server does with a JSON Schema.
        refuses: fields that it refuses by name.
        shape: fields of a choice beside or in place of the usual ones.
        label: text that ends with a label in place of an object.
    """

    prefers: Callable[[str, str, str, str], str] = lambda *_: "A"
    schemas: Literal["kept", "ignored", "refused"] = "kept"
    refuses: tuple[str, ...] = ()
    shape: Callable[[str], dict[str, Any]] = lambda text: {}
    label: bool = False
    seen: list[tuple[str, str, str, str]] = field(default_factory=list)

    def __call__(self, asked: dict[str, Any], fault: str | None) -> tuple[int, dict[str, Any]]:
        for name in (*self.refuses, *(("response_format",) if self.schemas == "refused" else ())):
            if name in asked:
                told = f"Unsupported parameter: '{name}' is not supported with this model."
                return 400, {"error": {"message": told, "param": name}}
        said = asked["messages"][-1]["content"]
        wanted = json.dumps(asked.get("response_format", ""))
        if isinstance(said, str) and "ANSWER" not in said and "ERANTZUN" not in said:
            bound = self.schemas == "kept" and '"enum": [7]' in wanted
            return 200, _completion(asked, '{"n": 7}' if bound else "Hello!")
        question, one, other, seen = _read(said)
        self.seen.append((question, one, other, seen))
        verdict = self.prefers(question, one, other, seen)
        return 200, _completion(asked, self._text(verdict, fault), fault, self.shape)

    def _text(self, verdict: str, fault: str | None) -> str:
        if self.label:
            grade = {"A": "[[A>>B]]", "tie": "[[A=B]]", "B": "[[B>A]]"}[verdict]
            return f"My own answer is 7. {grade}"
        if fault == "no verdict":
            return "I prefer the first answer, as it is more correct."
        names = ["relevance", "quality", "proficiency", "verdict"]
        told: dict[str, str] = {
            "reasons": "they {differ}".replace("{differ}", "differ"),
            **dict.fromkeys(names, verdict),
        }
        if fault == "other language":
            told["verdict"] = "beide gleich"
        if fault == "lacking criterion":
            del told["quality"]
        text = json.dumps(told)
        if fault == "both verdicts":
            text = text.replace('"verdict": ', '"verdict": "A", "verdict": "B", "was": ')
        return text


def _read(content: Any) -> tuple[str, str, str, str]:
    alone: list[dict[str, Any]] = [{"type": "text", "text": content}]
    parts: list[dict[str, Any]] = alone if isinstance(content, str) else content
    text = next(part["text"] for part in parts if part["type"] == "text")
    links = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    found = _ASKED.search(text)
    assert found, text
    return found[1], found[2], found[3], pixels(links[0]) if links else ""


def pixels(link: str) -> str:
    """Names what a picture of a data URL shows."""
    head, _, data = link.partition(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert head == f"data:image/{str(image.format).lower()};base64"
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()[:16]


def _completion(
    asked: dict[str, Any],
    text: str,
    fault: str | None = None,
    shape: Callable[[str], dict[str, Any]] = lambda text: {},
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if fault == "null" else text}
    ends = {"cut": "length", "declined": "content_filter"}
    choice: dict[str, Any] = {
        "index": 0,
        "message": message,
        "finish_reason": ends.get(fault or "", "stop"),
    }
    if fault in ends:
        message["content"] = text[: len(text) // 2]
    made = shape(text)
    choice |= made | {"message": message | made.get("message", {})}
    return {
        "id": "one",
        "object": "chat.completion",
        "created": 0,
        "model": f"{asked['model']}-2026",
        "system_fingerprint": "fp_1",
        "choices": [] if fault == "no choice" else [choice],
        "usage": {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940},
    }


def by_hash(question: str, one: str, other: str, seen: str) -> str:
    """The same answer whichever stands first; another for another picture; a tie for equal ones."""
    if one == other:
        return "tie"
    first, second = sorted((one, other))
    digest = hashlib.sha256(f"{question}{first}{second}{seen}".encode()).digest()[0] % 3
    winner = {0: first, 1: None, 2: second}[digest]
    return "tie" if winner is None else "AB"[winner == other]


def server(rule: Rule, rate: float = 0.0, seed: int = 0, kinds: tuple[str, ...] = FAULTS) -> Faulty:
    """A server of such a judge; its `url` is where it is."""
    return Faulty(rate, seed, kinds, MODEL, rule)
