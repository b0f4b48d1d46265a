import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ikusi import artifact

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@dataclasses.dataclass
class Settings:
    rows: int
    place: Path


class Model(BaseModel):
    rows: int


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
@given(JSON)
def test_fingerprint_depends_on_content_alone(part: object) -> None:
    assert artifact.fingerprint(part) == artifact.fingerprint(json.loads(json.dumps(part)))


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_fingerprint_ignores_the_order_of_mappings(part: dict[str, int]) -> None:
    turned = dict(reversed(part.items()))
    assert artifact.fingerprint(part) == artifact.fingerprint(turned)


def test_fingerprint_separates_what_differs() -> None:
    parts = [(1,), (1, 2), ([1, 2],), ("1",), (1.5,), (True,), (None,), (b"1",), ({"1": 1},)]
    assert len({artifact.fingerprint(*part) for part in parts}) == len(parts)


def test_fingerprint_is_sixteen_hex_digits_and_the_same_in_every_process() -> None:
    assert artifact.fingerprint("a", {"b": {3, 1, 2}}) == "67dcab6a0e92e30d"


def test_fingerprint_takes_models_dataclasses_and_paths() -> None:
    assert artifact.fingerprint(Model(rows=3)) == artifact.fingerprint({"rows": 3})
    same = {"rows": 3, "place": "a/b"}
    assert artifact.fingerprint(Settings(3, Path("a/b"))) == artifact.fingerprint(same)


@pytest.mark.parametrize(("part", "error"), [(object(), TypeError), (float("nan"), ValueError)])
def test_fingerprint_refuses_what_has_no_canonical_form(
    part: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        artifact.fingerprint(part)


def test_a_finished_folder_says_what_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "step"
    with artifact.write_folder(
        path, fingerprint="f1", inputs={"corpus": "c1"}, settings=Settings(2, Path("here"))
    ) as staging:
        (staging / "out.txt").write_text("done")
        artifact.add_counts(staging, rows_in=10, rows_out=9)
        artifact.add_counts(staging, quarantined=1)
    assert names(path) == {"out.txt", "manifest.json"}
    assert names(tmp_path) == {"step"}
    record = artifact.read_manifest(path)
    assert record is not None
    assert record["fingerprint"] == "f1"
    assert record["inputs"] == {"corpus": "c1"}
    assert record["settings"] == {"rows": 2, "place": "here"}
    assert record["counts"] == {"rows_in": 10, "rows_out": 9, "quarantined": 1}
    assert record["attempts"] == 1
    assert record["seconds"] >= 0
    assert record["peak_memory_mb"] > 1
    assert {"python", "torch"} <= set(record["versions"])


def test_a_step_is_not_charged_for_memory_that_was_given_back_before(tmp_path: Path) -> None:
    size = 200 << 20
    taken = bytearray(b"1") * size
    before = artifact.measure_peak_memory()
    del taken
    with artifact.write_folder(tmp_path / "step", fingerprint="f1"):
        pass
    record = artifact.read_manifest(tmp_path / "step")
    assert record is not None and before is not None
    spared = before - record["peak_memory_mb"]
    assert spared > 150 or sys.platform != "linux"


def test_only_the_same_fingerprint_is_current(tmp_path: Path) -> None:
    path = tmp_path / "step"
    assert not artifact.is_current(path, "f1")
    with artifact.write_folder(path, fingerprint="f1"):
        assert not artifact.is_current(path, "f1")
    assert artifact.is_current(path, "f1")
    assert not artifact.is_current(path, "f2")


def test_a_damaged_manifest_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"fingerprint": "f1"')
    assert artifact.read_manifest(tmp_path) is None
    assert not artifact.is_current(tmp_path, "f1")


@pytest.mark.parametrize("key", ["fingerprint", "inputs", "counts"])
def test_a_folder_whose_manifest_lost_a_part_is_made_anew(tmp_path: Path, key: str) -> None:
    path = tmp_path / "step"
    for number in range(2):
        with artifact.write_folder(path, fingerprint="f1") as staging:
            artifact.add_counts(staging, rows=number)
            (staging / "out").write_text("made")
        record = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**record, key: 3}))
        assert artifact.read_manifest(path) is None and not artifact.is_current(path, "f1")
    assert names(tmp_path) == {"step"}


def test_a_marker_that_lost_its_attempts_is_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "step"
    settings: dict[str, Any] = {"fingerprint": "f1", "keep_partial": True}
    with pytest.raises(ZeroDivisionError), artifact.write_folder(path, **settings) as staging:
        (staging / "half").write_text("done")
        marker = staging / ".ikusi.json"
        marker.write_text(json.dumps({**json.loads(marker.read_text()), "attempts": None}))
        raise ZeroDivisionError
    with artifact.write_folder(path, **settings) as staging:
        assert (staging / "half").read_text() == "done"


def test_a_new_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "step"
    for name in ("old", "new"):
        with artifact.write_folder(path, fingerprint=name) as staging:
            (staging / name).write_text(name)
    assert names(path) == {"new", "manifest.json"}
    assert names(tmp_path) == {"step"}


def test_a_failure_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "step"
    with artifact.write_folder(path, fingerprint="f1") as staging:
        (staging / "old").write_text("")
    with pytest.raises(KeyboardInterrupt), artifact.write_folder(path, fingerprint="f2") as staging:
        (staging / "new").write_text("")
        raise KeyboardInterrupt
    assert names(path) == {"old", "manifest.json"}
    assert names(tmp_path) == {"step"}
    assert artifact.is_current(path, "f1")


def test_a_step_that_can_resume_finds_what_it_left(tmp_path: Path) -> None:
    path = tmp_path / "step"
    with (
        pytest.raises(RuntimeError),
        artifact.write_folder(path, fingerprint="f1", keep_partial=True) as staging,
    ):
        (staging / "half").write_text("")
        raise RuntimeError
    assert not path.exists()
    with artifact.write_folder(path, fingerprint="f1", keep_partial=True) as staging:
        assert (staging / "half").exists()
    record = artifact.read_manifest(path)
    assert record is not None
    assert record["attempts"] == 2


def test_a_step_with_other_settings_starts_afresh(tmp_path: Path) -> None:
    path = tmp_path / "step"
    with (
        pytest.raises(RuntimeError),
        artifact.write_folder(path, fingerprint="f1", keep_partial=True) as staging,
    ):
        (staging / "half").write_text("")
        raise RuntimeError
    with artifact.write_folder(path, fingerprint="f2", keep_partial=True) as staging:
        assert not (staging / "half").exists()


def test_a_killed_step_is_absent_and_resumes(tmp_path: Path) -> None:
    path = tmp_path / "step"
    code = (
        "import os, signal, sys; from pathlib import Path; from ikusi import artifact\n"
        "path = Path(sys.argv[1])\n"
        "with artifact.write_folder(path, fingerprint='f1', keep_partial=True) as staging:\n"
        "    (staging / 'half').write_text('')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    with artifact.write_folder(path, fingerprint="f1", keep_partial=True) as staging:
        assert (staging / "half").exists()
    assert artifact.is_current(path, "f1")


def test_a_replacement_cut_between_its_renames_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "step"
    with artifact.write_folder(path, fingerprint="f1"):
        pass
    os.rename(path, tmp_path / "step.replaced")
    with pytest.raises(RuntimeError), artifact.write_folder(path, fingerprint="f2"):
        raise RuntimeError
    assert artifact.is_current(path, "f1")


def test_written_files_are_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    artifact.write_json(path, {"word": "ñ", "place": Path("x")})
    assert path.read_text(encoding="utf-8") == '{\n  "word": "ñ",\n  "place": "x"\n}\n'
    with pytest.raises(TypeError):
        artifact.write_json(path, object())
    assert json.loads(path.read_text(encoding="utf-8"))["word"] == "ñ"
    assert names(tmp_path) == {"a.json"}


def test_a_folder_of_an_earlier_version_stays_current(tmp_path: Path) -> None:
    with artifact.write_folder(tmp_path / "made", fingerprint="1") as staging:
        (staging / "rows").write_text("rows")
    path = tmp_path / "made" / artifact.MANIFEST
    record = json.loads(path.read_text())
    for name in ("files", "kind"):
        del record[name]
    path.write_text(json.dumps(record))
    assert artifact.is_current(tmp_path / "made", "1")
    assert not artifact.is_current(tmp_path / "made", "2")
