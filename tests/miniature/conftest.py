"""The miniature's packages, fetched once into the user's cache, and what is made of them."""

from pathlib import Path

import pytest

from ikusi import language
from ikusi.miniature import corpora, packages
from ikusi.miniature.pictures.drawings import Drawings, load_drawings
from ikusi.miniature.pictures.splits import Splits, split
from ikusi.recipe import Miniature

SETTINGS = Miniature(
    concepts=60,
    train_scenes=40,
    caption_scenes=12,
    test_scenes=18,
    text_rows=120,
    image_size=48,
)


@pytest.fixture(scope="session", autouse=True)
def fetched() -> Path:
    return packages.fetch()


@pytest.fixture(scope="session")
def drawn() -> Drawings:
    return load_drawings()


@pytest.fixture(scope="session")
def divided(drawn: Drawings) -> Splits:
    return split(drawn, 60)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    packs = {code: language.load(code) for code in ("eu", "en")}
    corpora.build(SETTINGS, "eu", "en", packs, folder)
    return folder
