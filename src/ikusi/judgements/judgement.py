"""One judgement: who said what of which item, person or model alike."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ikusi import yamlfile
from ikusi.recipe.values import make_error

Kind = Literal["person", "model", "simulated"]
KINDS: tuple[str, ...] = get_args(Kind)

VERDICTS: dict[str, tuple[str, ...]] = {
    "validate": ("reject", "accept"),
    "compare": ("A", "tie", "B"),
    "select": ("drop", "keep"),
    "own": ("reject", "accept"),
}
"""What a rater may say, by task, in the order in which verdicts stand. A is the answer that was
shown first, of the model `left`; B is the other, of the model `right`. Where an item is judged
alone, the last verdict is the one in its favour."""

NO_VERDICT = ("skipped", "invalid", "refused")
"""A rater left the item out, or took back what they had said; an answer of a model that holds no
verdict; an answer that a model or its server declined to give. None of them is ever a tie."""

_OFFERED = {task: frozenset((*verdicts, *NO_VERDICT)) for task, verdicts in VERDICTS.items()}


@lru_cache(maxsize=2**14)  # most rows share most of their words
def _a_word(value: str) -> str:
    if not value.strip() or len(value) > 200 or not value.isprintable():
        raise make_error("a name on one line, of at most 200 characters")
    return value


def _a_reason(value: str) -> str:
    if ";" in value:
        raise make_error("a reason without a semicolon")
    return _a_word(value)


@lru_cache(maxsize=2**10)
def _a_time(value: str) -> str:
    """A time as text that sorts as times do.

    >>> _a_time("2026-11-28T10:00:00+01:00")
    '2026-11-28T09:00:00.000000Z'
    """
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise make_error("a time with its zone, such as 2026-11-28T10:00:00Z")
    return format_time(parsed)


def format_time(time: datetime) -> str:
    """Write a time as judgements have it: in UTC, all digits."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


Word = Annotated[str, AfterValidator(_a_word)]
Reason = Annotated[str, AfterValidator(_a_reason)]
Time = Annotated[str, AfterValidator(_a_time)]


class Judgement(yamlfile.Section):
    """A row of the table. Texts that were not given are empty.

    ``benchmark``, ``language`` and ``id`` are the item, ``weight`` is one over the probability
    with which it was drawn, to scale; ``made`` is when, in UTC.
    """

    benchmark: Word
    language: Word
    id: Word
    task: str
    rater: Word
    kind: Kind
    left: str = ""
    right: str = ""
    weight: Annotated[float, Field(gt=0)] = 1.0
    verdict: str
    criteria: dict[str, str] = Field(default_factory=dict)
    reasons: list[Reason] = Field(default_factory=list)
    correction: dict[str, str] = Field(default_factory=dict)
    note: str = ""
    seconds: Annotated[float, Field(ge=0)] | None = None
    seed: int | None = None
    prompt_hash: str = ""
    raw: str = ""
    made: Time

    @model_validator(mode="after")
    def _check(self) -> Judgement:
        """Check what one field says of another."""
        offered = _OFFERED.get(self.task)
        if offered is None:
            raise make_error(" or ".join(VERDICTS), ("task",), found=self.task)
        _expect_models(self.task, self.left, self.right)
        if not offered.issuperset((self.verdict, *self.criteria.values())):
            _expect_verdict(self.task, self.verdict, ("verdict",))
            for name, verdict in self.criteria.items():
                _expect_verdict(self.task, verdict, ("criteria", name))
        return self

    def to_json(self) -> str:
        """Write it on one line, without what was not given."""
        return self.model_dump_json(exclude_defaults=True)


FIELDS = tuple(Judgement.model_fields)


@lru_cache(maxsize=2**14)
def _expect_models(task: str, left: str, right: str) -> None:
    for name, model in (("left", left), ("right", right)):
        if task != "compare" and model:
            raise make_error("nothing, as nothing is compared", (name,), found=model)
        if task == "compare" and not model.strip():
            raise make_error("the model whose answer stood there", (name,), found=None)
    if task == "compare" and left == right:
        raise make_error(f"another model than {left}", ("right",), found=right)


def _expect_verdict(task: str, verdict: str, key: yamlfile.Key) -> None:
    if verdict not in _OFFERED[task]:
        offered = (*VERDICTS[task], *NO_VERDICT)
        near = yamlfile.suggest(verdict, offered)
        raise make_error(" or ".join(offered), key, found=verdict, near=near)


def parse(row: dict[str, Any], place: str) -> Judgement:
    """Make a judgement of a row.

    Raises:
        InputError: it is no judgement: one line with `place`, key, expected and found.
    """
    try:
        return Judgement.model_validate(row)
    except ValidationError as problem:
        raise explain(problem, row, place) from None


def parse_json(line: bytes, place: str) -> Judgement:
    """Make a judgement of a line of JSON; see `parse`."""
    try:
        return Judgement.model_validate_json(line)
    except ValidationError as problem:
        raise explain(problem, {}, place) from None


def explain(
    problem: ValidationError, row: dict[str, Any], place: str, known: Iterable[str] = FIELDS
) -> Exception:
    """Say in one line what is wrong with a row; a key that does not exist comes first."""
    errors = problem.errors()
    first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    if first["type"] == "json_invalid":
        return yamlfile.Document({}, {}, place).error((), "a row as JSON", str(first["msg"]))
    return yamlfile.explain(first, yamlfile.Document(row, {}, place), known)
