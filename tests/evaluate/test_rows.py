"""Part files of an evaluation that was cut: one that changed on the disk is not believed."""

from pathlib import Path

from ikusi.evaluate.rows import Parts


def test_a_part_of_other_bytes_or_rows_is_not_there(tmp_path: Path) -> None:
    parts = Parts(tmp_path, "plan")
    parts.write(0, [{"benchmark": "b", "language": "eu", "position": 0, "prediction": "etxea"}])
    assert parts.has(0, 1)
    assert not parts.has(0, 2) and not parts.has(1, 1)
    whole = parts.path(0).read_bytes()
    assert b"etxea" in whole
    parts.path(0).write_bytes(whole.replace(b"etxea", b"etxeb"))
    assert not parts.has(0, 1)
