"""Benchmark files: what ships loads, and mistakes are told in one line."""

from pathlib import Path

import pytest

from ikusi.errors import InputError
from ikusi.evaluate import benchmark


def test_every_packaged_benchmark_loads_under_its_own_name() -> None:
    names = benchmark.available()
    assert {"miniature/vqa", "miniature/aokvqa", "miniature/capqa"} <= set(names)
    for name in names:
        loaded = benchmark.load(name)
        assert loaded.name == name and loaded.description and loaded.mirrors


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"miniature/vq: .*did you mean miniature/vqa\?"):
        benchmark.load("miniature/vq")


TEXT = (benchmark.PACKAGED / "miniature" / "vqa.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scorer: generate", "scorer: options", "scorer: expected options for choice rows"),
        ("metric: inclusion", "metric: accuracy", "metric: expected accuracy for options"),
        ("max_new_tokens: 12", "max_new_tokens: 0", "max_new_tokens: expected none for options"),
        ("metric: inclusion", "metrik: inclusion", "metrik.*did you mean metric"),
        ("unit: token_span", "prompts: {en: Hello}", r"prompts\.en: expected text with"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        benchmark.read(path)
    assert "\n" not in str(caught.value)


def test_the_prompt_wraps_the_question_per_language(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT + 'prompts: {en: "{question}\\nOne word."}\n', encoding="utf-8")
    loaded = benchmark.read(path)
    assert loaded.prompt("en", "What {is} it?") == "What {is} it?\nOne word."
    assert loaded.prompt("cy", "Beth?") == "Beth?"
