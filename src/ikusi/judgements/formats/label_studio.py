"""Label Studio's JSON: a task per item and order of answers, an annotation per judgement.

What people say are annotations, what models say predictions, as Label Studio has them. `data` has
the item (`benchmark`, `language`, `id`, `task`, `left` and `right` where answers are compared, and
`weight` where it is not 1). Label Studio replaces `completed_by` by whoever imports a file, and the
times by its own, so rater, kind and time also stand among the answers themselves. Its plain export
has of a prediction the number alone. Seen with Label Studio 1.23.2.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from ikusi import disk
from ikusi.data.sources import tables
from ikusi.data.sources.tables import BadLine
from ikusi.judgements.judgement import NO_VERDICT, VERDICTS, Judgement

SUFFIX = ".json"
_ITEM = ("benchmark", "language", "id", "task", "left", "right", "weight")
_TEXTS = ("rater", "kind", "made", "note", "prompt_hash", "raw", "seed")
_NESTED = ("criteria", "correction")
_SHOWN = "item"  # the control that all answers belong to
_AT_ONCE = timedelta(seconds=1)  # within which Label Studio writes what it imports
_ONLY_NUMBERS = (
    "expected what somebody said, found its number alone; export a snapshot with "
    '`"serialization_options": {"predictions": {"only_id": false}}`'
)

Row = dict[str, Any]


class _UnreadableError(ValueError):
    """An annotation is no judgement; the message says why."""


def read(path: Path) -> Iterator[Row | BadLine | None]:
    """Yield what each annotation and prediction of a file says; None for a task without any."""
    for task in tables.read(str(path)):
        if isinstance(task, BadLine):
            yield task
            continue
        answers = [(one, "person") for one in _list(task.get("annotations"))]
        answers += [(one, "model") for one in _list(task.get("predictions"))]
        if not answers:
            yield None
        for one, kind in answers:
            try:
                yield _fields(task, one, kind)
            except _UnreadableError as error:
                yield BadLine(json.dumps(one, ensure_ascii=False), str(error))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _fields(task: Row, answer: Any, kind: str) -> Row:
    if not isinstance(answer, dict):
        raise _UnreadableError(_ONLY_NUMBERS)
    data = task.get("data")
    fields: Row = {"kind": kind}
    if isinstance(data, dict):
        fields |= {name: data[name] for name in _ITEM if data.get(name) not in (None, "")}
    fields.setdefault("id", task.get("id"))
    fields["id"] = str(fields["id"]) if isinstance(fields["id"], int) else fields["id"]
    fields["rater"] = answer.get("model_version") if kind == "model" else _who(answer)
    made = fields["made"] = answer.get("updated_at") or answer.get("created_at")
    if answer.get("lead_time") is not None:
        fields["seconds"] = answer["lead_time"]
    for region in _list(answer.get("result")):
        _take(fields, region)
    if _was_changed(answer):
        fields["made"] = made
    if answer.get("was_cancelled") is True:
        fields["verdict"] = "skipped"
    return {name: value for name, value in fields.items() if value is not None}


def _was_changed(answer: Row) -> bool:
    """Whether somebody changed what was said, later than it came to be."""
    try:
        first, last = (
            datetime.fromisoformat(answer[f"{name}_at"]) for name in ("created", "updated")
        )
        return last - first > _AT_ONCE
    except (KeyError, TypeError, ValueError):
        return False


def _who(annotation: Row) -> Any:
    """The author of an annotation: an address, or `user-` and a number; None where it has none."""
    user = annotation.get("completed_by")
    if isinstance(user, dict):
        user = user.get("email") or user.get("id")
    return f"user-{user}" if isinstance(user, int) else user


def _take(fields: Row, region: Any) -> None:
    """Add what one answer says to the fields of a judgement."""
    about = region if isinstance(region, dict) else {}
    name, value = about.get("from_name"), about.get("value")
    if not isinstance(name, str) or not isinstance(value, dict):
        raise _UnreadableError("result: expected from_name and value, found others")
    group, _, key = name.partition(".")
    if name == "reasons":
        fields[name] = _to_list(value)
    elif name == "verdict":
        fields[name] = _one(name, value)
    elif group in _NESTED and key:
        fields.setdefault(group, {})[key] = _one(name, value)
    elif name in _TEXTS:
        text = _one(name, value)
        fields[name] = int(text) if name == "seed" and text.lstrip("-").isdecimal() else text
    else:
        known = ", ".join(("verdict", "reasons", *_TEXTS, *(f"{one}.NAME" for one in _NESTED)))
        raise _UnreadableError(f"result: expected answers to {known}, found one to {name}")


def _to_list(value: Mapping[str, Any]) -> list[Any]:
    given = value.get("choices", value.get("text"))
    return given if isinstance(given, list) else [given]


def _one(name: str, value: Mapping[str, Any]) -> Any:
    given = _to_list(value)
    if len(given) != 1:
        raise _UnreadableError(f"{name}: expected one answer, found {len(given)}")
    return given[0]


def write(judgements: Sequence[Judgement], path: Path) -> None:
    """Write a file of tasks, and beside it the interface to set the project up with, as XML."""
    tasks: dict[tuple[str | float, ...], Row] = {}
    for one in judgements:
        key = tuple(getattr(one, name) for name in _ITEM)
        data = {
            name: value for name, value in zip(_ITEM, key, strict=True) if value not in ("", 1.0)
        }
        data["shown"] = _describe(one)
        task = tasks.setdefault(key, {"data": data, "annotations": [], "predictions": []})
        task["predictions" if one.kind == "model" else "annotations"].append(_read_result(one))
    text = json.dumps(list(tasks.values()), ensure_ascii=False, indent=1)
    disk.write_text(path, f"{text}\n")
    disk.write_text(locate_interface(path), write_interface(judgements))


def locate_interface(path: Path) -> Path:
    """The path of the labelling interface beside a file of tasks."""
    return path.with_suffix(".xml")


def _describe(one: Judgement) -> str:
    """An item described for people: benchmark, language, id, and which models are A and B."""
    about = f"{one.benchmark}, {one.language}, {one.id}"
    return f"{about}: A is {one.left}, B is {one.right}" if one.left else about


def _read_result(one: Judgement) -> Row:
    chosen: list[tuple[str, list[str]]] = []
    chosen += [(f"criteria.{name}", [verdict]) for name, verdict in one.criteria.items()]
    chosen += [("verdict", [one.verdict])] + ([("reasons", one.reasons)] if one.reasons else [])
    written = [(name, str(getattr(one, name))) for name in _TEXTS if _is_given(one, name)]
    written += [(f"correction.{name}", text) for name, text in one.correction.items()]
    result = [_region(name, "choices", choices) for name, choices in chosen]
    result += [_region(name, "textarea", [text]) for name, text in written]
    if one.kind == "model":
        return {"model_version": one.rater, "result": result, "created_at": one.made}
    about: Row = {"created_at": one.made, "updated_at": one.made}
    if one.seconds is not None:
        about["lead_time"] = one.seconds
    skipped = one.verdict == "skipped"
    return about | {"was_cancelled": skipped, "ground_truth": False, "result": result}


def _is_given(one: Judgement, name: str) -> bool:
    return getattr(one, name) not in ("", None)


def _region(name: str, kind: str, values: list[str]) -> Row:
    key = "choices" if kind == "choices" else "text"
    about = {"id": name.replace(".", "-"), "from_name": name, "to_name": _SHOWN, "type": kind}
    return about | {"value": {key: values}}


def write_interface(judgements: Iterable[Judgement]) -> str:
    """The labelling interface that has every control which these judgements answer."""
    offered: dict[str, dict[str, None]] = {}
    written: dict[str, None] = {}
    for one in judgements:
        verdicts = dict.fromkeys((*VERDICTS[one.task], *NO_VERDICT))
        for name in (*(f"criteria.{key}" for key in one.criteria), "verdict"):
            offered.setdefault(name, {}).update(verdicts)
        offered.setdefault("reasons", {}).update(dict.fromkeys(one.reasons))
        written |= {f"correction.{key}": None for key in one.correction}
    lines = [f'  <Text name="{_SHOWN}" value="$shown"/>']
    for name, choices in offered.items():
        if choices:
            lines += _choices(name, choices)
    for name in (*_TEXTS, *written):
        lines.append(f'  <TextArea name={quoteattr(name)} toName="{_SHOWN}" maxSubmissions="1"/>')
    return "\n".join(["<View>", *lines, "</View>", ""])


def _choices(name: str, choices: Iterable[str]) -> list[str]:
    many = "multiple" if name == "reasons" else "single"
    head = f'  <Choices name={quoteattr(name)} toName="{_SHOWN}" choice="{many}">'
    return [head, *(f"    <Choice value={quoteattr(one)}/>" for one in choices), "  </Choices>"]


def holds(judgement: Judgement) -> bool:
    """Whether there is a place for a judgement: for all."""
    return True
