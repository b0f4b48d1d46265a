"""Tux Paint's stamps: from a folder, from Debian's package, and fetched where they are not here."""

import os
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.stamps import make_stamps
from ikusi.data.corpus import Corpus
from ikusi.data.importing import import_corpus
from ikusi.data.sources import tuxpaint
from ikusi.errors import InputError


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stamps(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def package(stamps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a Debian package."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    root = tmp_path_factory.mktemp("root") / "root"
    shutil.copytree(stamps.parents[3], root)
    (root / "DEBIAN").mkdir()
    about = f"Package: {tuxpaint.PACKAGE}\nVersion: 1\nArchitecture: all\n"
    maintainer = "Maintainer: Nobody <nobody@example.org>\nDescription: stamps\n"
    (root / "DEBIAN" / "control").write_text(about + maintainer)
    made = root.with_name("stamps.deb")
    subprocess.run(["dpkg-deb", "--build", str(root), str(made)], check=True, capture_output=True)
    return made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it, on a machine without stamps."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tuxpaint, "INSTALLED", tmp_path / "installed")
    return tmp_path / "cache"


def captions(folder: Path, language: str) -> dict[str, str]:
    table = Corpus.open(folder).table(language)
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


def test_captions_come_with_their_pictures(stamps: Path, tmp_path: Path) -> None:
    counts = import_corpus("tuxpaint", tmp_path / "out", stamps)
    assert captions(tmp_path / "out", "en") == {"animals/ant": "An ant.", "animals/dog": "A dog."}
    assert captions(tmp_path / "out", "eu") == {
        "animals/ant": "Inurri bat.",
        "animals/dog": "Txakur bat.",
    }
    assert counts["left out: no caption in eu"] == 1
    quarantined = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    reasons = {row["id"]: row["reason"] for row in quarantined}
    assert reasons["town/gift"].endswith("expected a .png or .svg beside the text, found neither")
    assert reasons["town/torn"].startswith("picture: expected an SVG drawing, found: ")
    assert counts["rows_in"] == 5 == counts["rows"] + counts["quarantined"] + counts["left_out"]
    corpus = Corpus.open(tmp_path / "out")
    assert corpus.image("animals/ant").size == (tuxpaint.WIDTH, tuxpaint.WIDTH // 2)
    assert list(corpus.table("eu")["group"].to_pylist()) == ["animals", "animals"]


def test_languages_are_those_that_are_asked_for(stamps: Path, tmp_path: Path) -> None:
    import_corpus("tuxpaint", tmp_path / "out", stamps, languages=["en", "pt-BR"])
    assert captions(tmp_path / "out", "pt-BR") == {"animals/dog": "Um cachorro."}


def test_a_language_that_no_stamp_has_is_refused_with_its_count(
    stamps: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no caption in xx"):
        import_corpus("tuxpaint", tmp_path / "out", stamps, languages=["xx"])


def test_a_folder_without_stamps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected stamps with a \.txt beside each, found none"):
        import_corpus("tuxpaint", tmp_path / "out", tmp_path / "empty")


def test_a_text_that_is_none_costs_its_stamp(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="text: expected UTF-8, found"):
        tuxpaint.read_captions(tmp_path / "a.txt")


def test_a_package_is_unpacked_once_without_its_sounds(
    package: Path, cache: Path, tmp_path: Path
) -> None:
    folder = tuxpaint.locate_stamps(package)
    assert folder.is_relative_to(cache)
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert kinds == {".txt", ".png", ".svg"}
    (folder / "mark").touch()
    assert (tuxpaint.locate_stamps(package) / "mark").exists()
    assert not [path for path in folder.parent.iterdir() if path.name.startswith("tmp")]
    import_corpus("tuxpaint", tmp_path / "out", package)
    assert len(captions(tmp_path / "out", "eu")) == 2


def test_what_is_no_package_is_refused_and_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    (tmp_path / "stamps.deb").write_bytes(b"no package")
    with pytest.raises(InputError, match=r"stamps\.deb: expected a Debian package, found: "):
        tuxpaint.locate_stamps(tmp_path / "stamps.deb")
    assert not [path for path in cache.rglob("*") if path.suffix != ".lock" and path.is_file()]


def apt(folder: Path, script: str) -> None:
    """A machine whose apt-get does what `script` says."""
    folder.mkdir()
    (folder / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "apt-get").chmod(0o755)


def test_stamps_are_fetched_where_they_are_not_installed(
    package: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt(tmp_path / "bin", f'[ "$*" = "download {tuxpaint.PACKAGE}" ] && cp {package} fetched.deb')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert (tuxpaint.locate_stamps() / "animals/dog.txt").is_file()
    (tmp_path / "installed").mkdir()
    assert tuxpaint.locate_stamps() == tmp_path / "installed"


def test_what_apt_says_is_told_where_it_serves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt(tmp_path / "bin", 'echo "E: no such package" >&2; exit 100')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match="expected apt to serve it, found: E: no such package"):
        tuxpaint.locate_stamps()


def test_without_apt_it_is_said_what_to_give(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="give a folder of stamps, or the package, with --path"):
        tuxpaint.locate_stamps()


def test_pixels_are_taken_where_there_are_both(stamps: Path, tmp_path: Path) -> None:
    for name in ("animals/dog.png", "animals/ant.svg"):
        shutil.copy(stamps / name, tmp_path / f"both{Path(name).suffix}")
    found = tuxpaint.find_drawing(tmp_path / "both.txt", "both")
    assert found.path == tmp_path / "both.png"


def test_what_is_too_large_is_refused(
    stamps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuxpaint, "MOST_BYTES", 20)
    with pytest.raises(InputError, match="text: expected at most 20 bytes, found more"):
        tuxpaint.read_captions(stamps / "animals/dog.txt")
    with pytest.raises(InputError, match="picture: expected at most 20 bytes of SVG, found more"):
        tuxpaint.find_drawing(stamps / "animals/ant.txt", "ant")
