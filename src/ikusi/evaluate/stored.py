"""Checks of a folder of results, made before it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from ikusi import jsonfile
from ikusi.data.parquet import guard_reading, open_table, select_schema
from ikusi.errors import InputError
from ikusi.evaluate.rows import SCHEMA
from ikusi.recipe.folder import RESULTS as RESULTS
from ikusi.recipe.folder import ROWS as ROWS


class Measured(jsonfile.Record):
    """The least that ``results.json`` has for a benchmark in a language, or for a group."""

    metric: str


class Figures(Measured):
    """The same with its figures."""

    n: int
    score: float | None
    low: float | None
    high: float | None
    chance: float | None
    majority: float | None


def read_results(path: Path, each: type[Measured] = Figures) -> dict[str, Any]:
    """Read a ``results.json``: benchmark -> language -> group or ``all`` -> figures.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    shape = dict[str, dict[str, dict[str, each]]]  # type: ignore[valid-type]
    results: dict[str, Any] = jsonfile.read_plain(path, shape, "the results of an evaluation")
    for benchmark, languages in results.items():
        for language, groups in languages.items():
            if "all" not in groups:
                raise InputError(
                    f"{path}: {benchmark}.{language}.all: expected a value, found none"
                )
    return results


class Gold(jsonfile.Record):
    """The right answer among options."""

    answer: int
    choices: list[str]


_METRICS: TypeAdapter[Any] = TypeAdapter(dict[str, Annotated[float, Field(allow_inf_nan=False)]])
_GOLD: TypeAdapter[Any] = TypeAdapter(list[str] | Gold)
_GIVEN = ("benchmark", "language", "position", "id", "question", "metrics", "prompt_hash")
_CHECKED = (*_GIVEN, "gold", "correct", "pick", "scores")


def check_rows(path: Path) -> list[tuple[str, str]]:
    """Check a ``rows.parquet`` that this process has not written; return what it is of.

    That is, each benchmark and language, in the order of the rows.

    Raises:
        InputError: it cannot be read, or a row lacks something or holds what no evaluation writes.
    """
    keys: dict[tuple[str, str], None] = {}
    with open_table(path, SCHEMA) as file, guard_reading(path):
        for number in range(file.num_row_groups):
            table = select_schema(file.read_row_group(number), SCHEMA)
            for row in table.select(_CHECKED).to_pylist():
                _check_row(path, row)
                keys[row["benchmark"], row["language"]] = None
    return list(keys)


def _check_row(path: Path, row: Mapping[str, Any]) -> None:
    where = f"{path}: row {row['id']}"
    for name in _GIVEN:
        if row[name] is None:
            raise InputError(f"{where}: {name}: expected a value, found none")
    for name, kind in (("metrics", _METRICS), ("gold", _GOLD)):
        try:
            gold = kind.validate_json(row[name]) if row[name] is not None else None
        except ValidationError:
            raise InputError(f"{where}: {name}: expected JSON, found {row[name][:60]!r}") from None
    if isinstance(gold, Gold) and not 0 <= gold.answer < len(gold.choices):
        raise InputError(f"{where}: gold: expected the number of a choice, found {gold.answer}")
    if row["pick"] is not None and not 0 <= row["pick"] < len(row["scores"] or ()):
        raise InputError(f"{where}: pick: expected the number of a score, found {row['pick']}")
    if row["correct"] is not None and not 0 <= row["correct"] <= 1:
        raise InputError(f"{where}: correct: expected 0 to 1, found {row['correct']}")
