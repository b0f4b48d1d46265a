"""The generated parts of the documentation say what the code and the data say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_generated_sections_are_current() -> None:
    """If this fails, run `python docs/generate.py` and commit what it wrote."""
    check = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_page_is_in_the_menu() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    listed = {page for entry in menu for page in entry.values()}
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_documents_name_only_files_that_exist() -> None:
    """A path such as `src/ikusi/cli.py` or `recipes/emoji-eu.yaml` quoted in prose is real."""
    pattern = re.compile(r"`((?:src|tests|recipes|docs|bench)/[\w./-]+\.\w+)`")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    quoted = {
        (page.name, path)
        for page in pages
        for path in pattern.findall(page.read_text(encoding="utf-8"))
    }
    assert {(page, path) for page, path in quoted if not (ROOT / path).exists()} == set()
