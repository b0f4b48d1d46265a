from pathlib import Path
from typing import Any

import pytest

from ikusi.errors import InputError
from ikusi.translate import settings
from ikusi.translate.engines.chat import Chat
from ikusi.translate.engines.ctranslate2 import CTranslate2

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes/translate").glob("*.yaml"))
COMMAND = "name: a\nlanguage: eu\nengine: {kind: command, command: [cat]}\n"
CHAT = "name: a\nlanguage: eu\nengine:\n  kind: chat\n  url: x\n  model: y\n  prompt: z\n"


def loaded(folder: Path, text: str, *overrides: str) -> settings.Translation:
    (folder / "a.yaml").write_text(text)
    return settings.load(folder / "a.yaml", overrides)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_read(path: Path, tmp_path: Path) -> None:
    known = "language=eu" if path.stem == "forkme" else "shard_rows=4096"
    assert settings.load(path, [known]).shard_rows == 4096


def test_the_papers_sampling_is_the_recipes() -> None:
    """Appendix B: temperature 0.7, top-p 0.15; captions by the sentence-level model."""
    latxa = settings.load(ROOT / "recipes/translate/vqav2.yaml").engine
    assert isinstance(latxa, Chat)
    assert (latxa.temperature, latxa.top_p, latxa.format) == (0.7, 0.15, "labels")
    captions = settings.load(ROOT / "recipes/translate/cc3m.yaml").engine
    assert isinstance(captions, CTranslate2)
    assert (captions.model, captions.beam_size) == ("HiTZ/mt-hitz-en-eu", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHAT + "  modl: y\n", "a.yaml:8: engine.modl: expected a known key, found modl"),
        (CHAT + "  top_p: 2\n", "a.yaml:8: engine.top_p: expected at most 1, found 2"),
        (COMMAND.replace("[cat]", "[cat, 3]"), "engine.command[1]: expected text, found 3"),
        (COMMAND.replace("kind: command", "kind: comand"), "found comand (did you mean command?)"),
        (COMMAND.replace("kind: command, ", ""), "engine.kind: expected a kind, found nothing"),
        (COMMAND + "checks: {length_bounds: [3, 1]}\n", "expected a smaller and a larger number"),
        (COMMAND.replace("eu", "en"), "expected a language other than source_language, found en"),
        (COMMAND.replace("eu", "xx"), "language: expected a language with a pack"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        loaded(tmp_path, text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_of_an_engine_inside_a_check_is_told_by_its_place(tmp_path: Path) -> None:
    text = COMMAND + "checks:\n  round_trip:\n    engine: {kind: command, command: 3}\n"
    with pytest.raises(InputError, match=r"checks.round_trip.engine.command: expected a list"):
        loaded(tmp_path, text)


def test_overrides_reach_into_the_engine(tmp_path: Path) -> None:
    engine = loaded(tmp_path, CHAT, "engine.temperature=null", "engine.extra={stop: x}").engine
    assert isinstance(engine, Chat)
    assert (engine.temperature, engine.extra) == (None, {"stop": "x"})


def test_hours_and_money_follow_from_tokens_where_prices_are_known() -> None:
    told: dict[str, Any] = {"price_read": 2.0, "price_written": 4.0, "tokens_per_second": 100.0}
    chat = Chat(kind="chat", url="http://x", model="m", prompt="p", **told)
    assert chat.costs(1_000_000, 360_000) == (1.0, pytest.approx(3.44))
    free = Chat(kind="chat", url="http://x", model="m", prompt="p")
    assert free.costs(1_000_000, 360_000) == (None, 0)
    assert CTranslate2(kind="ctranslate2", model="m").costs(1, 1) == (None, None)
