"""Prompts as data: how a judge is asked to compare two answers, and how its answer is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from ikusi import artifact, catalogue, yamlfile
from ikusi.judgements.judgement import VERDICTS
from ikusi.language import LanguagePack
from ikusi.recipe.values import make_error
from ikusi.server import objects
from ikusi.server.objects import UnreadableError
from ikusi.yamlfile import Section

PACKAGED = Path(__file__).parent / "prompts"
REASONS, VERDICT = "reasons", "verdict"

Verdict = Literal["A", "tie", "B"]
_FIELD = re.compile(r"\{(language|criteria|keys|question|answer_a|answer_b)\}")


class Prompt(Section):
    """A prompt.

    `{language}` stands for the English name of the answers' language, `{criteria}` for the
    criteria, a numbered line each, `{keys}` for the keys of the object that is answered with.
    """

    about: str = Field(default="", description="What it is for, and where it is from.")
    reviewed: bool = Field(default=True, description="Whether a speaker has checked its words.")
    system: str = Field(min_length=1, description="The system message.")
    request: str = Field(
        default="QUESTION:\n{question}\n\nANSWER A:\n{answer_a}\n\nANSWER B:\n{answer_b}",
        description="The text beside the picture: {question}, {answer_a} and {answer_b}.",
    )
    answer: Literal["json", "label"] = Field(
        default="json",
        description="json: an object with a verdict for each criterion; label: text with a label.",
    )
    reasons: bool = Field(default=True, description="Whether the object begins with reasons.")
    criteria: dict[str, str] = Field(
        default_factory=dict, description="Name -> what is compared, the most important first."
    )
    labels: dict[str, Verdict] = Field(
        min_length=2, description="What the judge may answer -> the verdict that it is."
    )
    also: dict[str, Verdict] = Field(
        default_factory=dict, description="The same, of what is understood but not offered."
    )

    @model_validator(mode="after")
    def _check(self) -> Prompt:
        for name in ("question", "answer_a", "answer_b"):
            if f"{{{name}}}" not in self.request:
                raise make_error(f"text with {{{name}}}", ("request",), found=self.request[:40])
        for verdict in VERDICTS["compare"]:
            if verdict not in self.labels.values():
                raise make_error(
                    f"a label for {verdict}", ("labels",), found=", ".join(self.labels)
                )
        if self.answer == "label" and self.criteria:
            raise make_error("json, as a label is one verdict", ("answer",), found=self.answer)
        return self

    @property
    def keys(self) -> list[str]:
        """The keys of the object that is answered with, in order; the verdicts' come last."""
        return [*([REASONS] if self.reasons else []), *self.criteria, VERDICT]


@dataclass(frozen=True)
class Parsed:
    """A judge's answer: its verdict, and those by criterion."""

    verdict: Verdict
    criteria: dict[str, str]


@dataclass(frozen=True)
class Writer:
    """Asks with one prompt, for answers in one language; ``pack`` is that language's."""

    name: str
    rubric: str
    prompt: Prompt
    pack: LanguagePack

    @cached_property
    def system(self) -> str:
        """The system message, filled in."""
        criteria = [
            f"{number}. {name}: {text}"
            for number, (name, text) in enumerate(self.prompt.criteria.items(), 1)
        ]
        keys = [f'"{key}"' for key in self.prompt.keys if key != REASONS]
        inner = {"criteria": "\n".join(criteria), "keys": ", ".join(keys)}
        return _put(_put(self.prompt.system, inner), {"language": self.pack.name})

    def write_messages(
        self, question: str, answer_a: str, answer_b: str, picture: str | None
    ) -> list[dict[str, Any]]:
        """The messages to send; ``picture`` as a data URL."""
        values = {"question": question, "answer_a": answer_a, "answer_b": answer_b}
        text = _put(self.prompt.request, values | {"language": self.pack.name})
        content: Any = text
        if picture is not None:
            image = {"type": "image_url", "image_url": {"url": picture}}
            content = [image, {"type": "text", "text": text}]
        return [{"role": "system", "content": self.system}, {"role": "user", "content": content}]

    @property
    def has_schema(self) -> bool:
        """Whether the answer is an object, which a JSON Schema can describe."""
        return self.prompt.answer == "json"

    def make_schema(self) -> dict[str, Any]:
        """The JSON Schema of an answer: reasons first, so that the verdict follows from them."""
        offered = {"type": "string", "enum": list(self.prompt.labels)}
        keys = self.prompt.keys
        return {
            "type": "object",
            "properties": {key: {"type": "string"} if key == REASONS else offered for key in keys},
            "required": keys,
            "additionalProperties": False,
        }

    def fingerprint(self) -> str:
        """Names all that is the same in every request."""
        return artifact.fingerprint(
            self.prompt.model_dump(exclude={"about", "reviewed"}), self.system
        )

    def read(self, text: str) -> Parsed:
        """Read an answer.

        Raises:
            UnreadableError: it holds no verdict, or several, or another than was offered.
        """
        if self.prompt.answer == "label":
            return Parsed(self._label_in(text), {})
        fields = objects.read(objects.drop_fence(text))
        verdicts = {name: self._verdict(fields, name) for name in (*self.prompt.criteria, VERDICT)}
        verdict = verdicts.pop(VERDICT)
        return Parsed(verdict, dict(verdicts))

    def _verdict(self, fields: dict[str, Any], key: str) -> Verdict:
        known = {**self.prompt.also, **self.prompt.labels}
        value = fields.get(key)
        word = value.strip() if isinstance(value, str) else value
        if not isinstance(word, str) or word not in known:
            offered = " or ".join(self.prompt.labels)
            actual = "none" if value is None else str(value)[:40]
            raise UnreadableError(f"{key}: expected {offered}, found {actual}")
        return known[word]

    def _label_in(self, text: str) -> Verdict:
        """The verdict of the labels in a text, all of which must say the same."""
        known = {**self.prompt.also, **self.prompt.labels}
        pattern = "|".join(re.escape(label) for label in sorted(known, key=len, reverse=True))
        verdicts = [known[label] for label in re.findall(pattern, text)]
        if len(set(verdicts)) == 1:
            return verdicts[0]
        actual = "others: " + ", ".join(verdicts) if verdicts else "none"
        raise UnreadableError(
            f"{VERDICT}: expected one of {' '.join(self.prompt.labels)}, {actual}"
        )


def locate_prompts(rubric: str) -> catalogue.Files:
    """The prompts in a language: a person's own come before the packaged ones."""
    places = [Path("judge-prompts") / rubric, PACKAGED / rubric]
    return catalogue.Files("prompt", places)


def load(name: str, rubric: str, pack: LanguagePack) -> Writer:
    """Read a prompt, by name or by the path of a YAML file.

    Args:
        name: such as `paper`.
        rubric: code of the language that the judge is spoken to in.
        pack: of the answers' language.

    Raises:
        InputError: there is none, or a key in it is wrong.
    """
    there = locate_prompts(rubric)
    document = yamlfile.read(there.find(name), there.folders)
    prompt = yamlfile.validate(Prompt, document, yamlfile.list_field_names(Prompt))
    called = Path(name).stem if name.endswith((".yaml", ".yml")) else name
    return Writer(called, rubric, prompt, pack)


def _put(template: str, values: dict[str, str]) -> str:
    return _FIELD.sub(lambda match: values.get(match[1], match[0]), template)
