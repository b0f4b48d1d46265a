import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from ikusi import yamlfile
from ikusi.errors import InputError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    rows: int = 1
    share: float = 0.5
    names: list[str] = []


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    title: str = ""
    inner: Inner = Inner()


KNOWN = yamlfile.list_field_names(Outer)


def write(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("true", True), ("false", False),
        ("True", "True"), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3),
        ("010", "010"), ("1_000", "1_000"), ("12:30", "12:30"), ("0x1F", "0x1F"),
        ("2024-01-01", "2024-01-01"), ("1e-3", 0.001), ("1.5E+2", 150.0), (".5", 0.5), ("1.", 1.0),
        ("1.0.0", "1.0.0"), ("e5", "e5"), ("'12'", "12"), ("<<", "<<"), ("=", "="),
    ],
)  # fmt: skip
def test_words_and_numbers_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    found = yamlfile.read(write(tmp_path, f"key: {text}\n")).data["key"]
    assert (found, type(found)) == (value, type(value))


def test_every_key_and_entry_knows_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "title: x\ninner:\n  names:\n    - a\n    - b\n")
    document = yamlfile.read(path)
    assert document.where(("inner", "names", 1)) == f"{path}:5"
    assert document.where(("inner", "names", 1, "deeper")) == f"{path}:5"
    assert document.where(("inner", "rows")) == f"{path}:2"
    assert document.where(("absent",)) == f"{path}:1"


def test_a_replaced_list_forgets_the_old_lines(tmp_path: Path) -> None:
    base = yamlfile.read(write(tmp_path, "inner:\n  names: [a, b, c]\n  rows: 2\n", "base.yaml"))
    new = yamlfile.read(write(tmp_path, "inner: {names: [z]}\n", "new.yaml"))
    merged = yamlfile.merge(base, new)
    assert merged.data == {"inner": {"names": ["z"], "rows": 2}}
    assert merged.where(("inner", "names", 2)) == f"{tmp_path}/new.yaml:1"
    assert merged.where(("inner", "rows")) == f"{tmp_path}/base.yaml:3"
    assert base.data["inner"]["names"] == ["a", "b", "c"]


def test_overrides_change_one_key_each_and_leave_the_others(tmp_path: Path) -> None:
    document = yamlfile.read(write(tmp_path, "inner: {rows: 2, share: 0.1}\n"))
    changed = yamlfile.overlay(document, ["inner.rows=4", "title=no"], KNOWN)
    outer = yamlfile.validate(Outer, changed, KNOWN)
    assert (outer.title, outer.inner.rows, outer.inner.share) == ("no", 4, 0.1)


@pytest.mark.parametrize("text", ["a: !!python/name:os.system x", "a: &b 1\nc: *b", "a: !!int ''"])
def test_tags_and_aliases_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.yaml:\d: expected YAML, found a syntax error \("):
        yamlfile.read(write(tmp_path, text))


def test_an_unknown_key_is_told_before_a_missing_one(tmp_path: Path) -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        rows: int

    document = yamlfile.read(write(tmp_path, "rosw: 3\n"))
    with pytest.raises(InputError, match=r"rosw: expected a known key, .*mean rows\?"):
        yamlfile.validate(Strict, document, {"rows"})


FRAGMENTS = st.lists(
    st.sampled_from(
        ["title", "inner", "rows", "share", "names", ": ", "- ", "\n", "  ", "[", "]", "{", "}",
         "1", "0.5", "-", "x", "'", '"', "#", "|\n", "&a ", "*a", "!!int ", "? ", ", ", "\t",
         "null", "\\n", "="]
    ),
    max_size=25,
)  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FRAGMENTS, FRAGMENTS)
def test_any_text_is_read_or_refused_in_one_line(
    tmp_path: Path, parts: list[str], override: list[str]
) -> None:
    path = write(tmp_path, "".join(parts))
    try:
        document = yamlfile.overlay(yamlfile.read(path), ["".join(override)], KNOWN)
        yamlfile.validate(Outer, document, KNOWN)
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "1e999", "9223372036854775808"])
@pytest.mark.parametrize("text", ["inner: {{share: {}}}", "inner:\n  names: [{}]"])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(
    tmp_path: Path, number: str, text: str
) -> None:
    path = write(tmp_path, text.format(number))
    with pytest.raises(InputError, match=r"a.yaml:\d: inner.*: expected a (finite|whole) number"):
        yamlfile.read(path)
    with pytest.raises(InputError, match=r"command line.*: expected a (finite|whole) number"):
        yamlfile.overlay(yamlfile.Document({}), [f"inner.share={number}"], KNOWN)


def test_the_largest_whole_number_is_read(tmp_path: Path) -> None:
    assert yamlfile.read(write(tmp_path, f"key: {2**63 - 1}")).data == {"key": 2**63 - 1}


@pytest.mark.parametrize(
    "overrides", [["title=a", "title=b"], ["title=a", " title =b"], ["inner={rows: 1, rows: 2}"]]
)
def test_a_key_that_is_given_twice_is_refused(overrides: list[str]) -> None:
    with pytest.raises(InputError, match=r"command line.*: expected each key once, found it again"):
        yamlfile.overlay(yamlfile.Document({}), overrides, KNOWN)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(InputError, match=r"a.yaml: expected a file or folder, found a pipe"):
        yamlfile.read(tmp_path / "a.yaml")
