"""The generated parts of the documentation say what the code and the data say."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import check_site
import ikusi
import versions

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.slow
def test_generated_sections_are_current() -> None:
    """If this fails, run `python docs/generate.py` and commit what it wrote."""
    check = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr


def list_menu(entry: Any) -> Iterator[str]:
    """The pages that an entry of the menu leads to."""
    if isinstance(entry, str):
        yield entry
    else:
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from list_menu(part)


def test_every_page_is_in_the_menu_once() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert sorted(list_menu(menu)) == sorted(pages)


def test_every_public_name_has_its_place_in_the_pages_for_python() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md")]
    named = [
        name for page in pages for name in re.findall(r"^::: ikusi\.(\w+)", page, re.MULTILINE)
    ]
    assert sorted(named) == sorted(ikusi.__all__)


SUB = '<a href="../a.html"> <a href="/b.html#there">'


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<a href="b.html#there">', ""),
        ('<a href="sub/">', ""),
        ('<a href="https://example.org/x#y">', ""),
        ('<link rel="canonical" href="https://example.org/a.html">', ""),
        ('<a href="b.html#gone">', "a.html: no such anchor: b.html#gone"),
        ('<a href="#gone">', "a.html: no such anchor: #gone"),
        ('<a href="sub/#gone">', "a.html: no such anchor: sub/#gone"),
        ('<a href="gone.html">', "a.html: no such file: gone.html"),
        ('<a href="/gone.html">', "a.html: no such file: /gone.html"),
        ('<img src="gone.png">', "a.html: no such file: gone.png"),
        ('<script src="https://x.org/a.js">', "a.html: loads: https://x.org/a.js"),
        ('<img src="//x.org/a.png">', "a.html: loads: //x.org/a.png"),
        (
            '<link rel="stylesheet" href="https://x.org/a.css">',
            "a.html: loads: https://x.org/a.css",
        ),
        ('<p style="background: url(https://x.org/a)">', "a.html: loads: https://x.org/a"),
        ("<style>@import 'https://x.org/a.css';</style>", "a.html: loads: https://x.org/a.css"),
    ],
)
def test_the_look_at_the_site_finds_what_leads_nowhere_or_comes_from_elsewhere(
    page: str, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text(SUB, encoding="utf-8")
    (tmp_path / "b.html").write_text('<h2 id="there">', encoding="utf-8")
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    assert check_site.find_faults(tmp_path) == [fault] * bool(fault)


def test_a_style_sheet_of_the_site_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("", encoding="utf-8")
    (tmp_path / "a.css").write_text("@font-face{src:url(https://x.org/f)}", encoding="utf-8")
    assert check_site.find_faults(tmp_path) == ["a.css: loads: https://x.org/f"]


def test_a_site_without_pages_is_no_site(tmp_path: Path) -> None:
    assert check_site.find_faults(tmp_path) == [f"{tmp_path}: expected pages, found none"]


def test_documents_name_only_files_that_exist() -> None:
    """A path such as `src/ikusi/cli.py` or `recipes/emoji-eu.yaml` quoted in prose is real."""
    pattern = re.compile(r"`((?:src|tests|recipes|docs|bench)/[\w./-]+\.\w+)`")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    quoted = {
        (page.name, path)
        for page in pages
        for path in pattern.findall(page.read_text(encoding="utf-8"))
    }
    assert {(page, path) for page, path in quoted if not (ROOT / path).exists()} == set()


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """A folder with the sites of three versions, added in no order; each has a page of its own."""
    for version in ("0.10.0", "0.2.0", "1.0.0rc1"):
        built = tmp_path / "site"
        built.mkdir()
        (built / "index.html").write_text("", encoding="utf-8")
        (built / "404.html").write_text("", encoding="utf-8")
        (built / f"only-{version}.html").write_text("", encoding="utf-8")
        versions.add_version(built, tmp_path / "sites", version)
        shutil.rmtree(built)
    return tmp_path / "sites"


def test_versions_stand_beside_each_other_the_newest_release_in_front(sites: Path) -> None:
    listed = json.loads((sites / "versions.json").read_text(encoding="utf-8"))
    assert [entry["version"] for entry in listed] == ["1.0.0rc1", "0.10.0", "0.2.0"]
    assert [entry["aliases"] for entry in listed] == [[], ["latest"], []]
    assert "url=0.10.0/index.html" in (sites / "index.html").read_text(encoding="utf-8")
    assert check_site.find_faults(sites) == []
    assert not list(sites.rglob("404.html"))


def test_a_version_is_replaced_whole_and_others_stay(sites: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "index.html").write_text("anew", encoding="utf-8")
    versions.add_version(tmp_path / "again", sites, "0.2.0")
    assert [path.name for path in (sites / "0.2.0").iterdir()] == ["index.html"]
    assert (sites / "0.10.0" / "only-0.10.0.html").is_file()
