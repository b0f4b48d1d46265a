"""Benchmarks are data: every packaged one loads, mistakes are told, prompts wrap questions."""

from pathlib import Path

import pytest

from ikusi import language, packaged
from ikusi.errors import InputError
from ikusi.evaluate import benchmark

PAPER = ["aokvqa", "bertaqa", "pixmo_capqa", "vqav2", "wildvision"]


def test_every_packaged_benchmark_loads_under_its_own_name() -> None:
    names = benchmark.list_benchmarks()
    assert [name for name in names if "/" not in name] == PAPER
    assert len([name for name in names if name.startswith("miniature/")]) == 5
    for name in names:
        loaded = benchmark.load(name)
        assert loaded.name == name
        assert loaded.description and loaded.mirrors


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean miniature/vqa\?"):
        benchmark.load("miniature/vq")


VQA = (packaged.BENCHMARKS / "miniature" / "vqa.yaml").read_text(encoding="utf-8")
BERTAQA = (packaged.BENCHMARKS / "bertaqa.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (VQA, "unit:", "units:", r":\d+: units: expected a known key.*did you mean unit\?"),
        (
            VQA,
            "metric: inclusion",
            "metric: bleu",
            r":\d+: metric: expected accuracy or vqa_accuracy or",
        ),
        (
            VQA,
            "metric: inclusion",
            "metric: accuracy",
            "metric: expected accuracy for options, another",
        ),
        (VQA, "metric: inclusion", "metric: none", "metric: expected none for open rows"),
        (VQA, "max_new_tokens: 12\n", "", "max_new_tokens: expected none for options, more than"),
        (VQA, "scorer: generate", "scorer: options", "scorer: expected options for choice rows"),
        (VQA, "text_only: false\n", "", "text_only: expected a value, found nothing"),
        (VQA, "unit:", 'prompts: {eu: "Zer da?"}\nunit:', "prompts.eu: expected text with {quest"),
        (BERTAQA, "{options}", "", r"prompts.any: expected text with {options}"),
        (BERTAQA, "any:", "eu:", "prompts: expected one for `any`, with {options}, found eu"),
        (BERTAQA, "few_shots: 5", "few_shots: -1", "few_shots: expected .*0"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path, text: str, old: str, new: str, message: str
) -> None:
    path = tmp_path / "own.yaml"
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        benchmark.read(path)
    assert "\n" not in str(caught.value)


def test_the_prompt_wraps_the_question_per_language() -> None:
    eu, gl = language.load("eu"), language.load("gl")
    vqa = benchmark.load("vqav2")
    assert vqa.prompt(eu, "Zer da {hau}?").startswith("Zer da {hau}?\nErantzun galderari")
    assert vqa.prompt(gl, "Que é?") == "Que é?", "a language without a wording of its own"
    trivia = benchmark.load("bertaqa")
    asked = trivia.prompt(eu, "Non dago?", ["Bilbo", "{question}", "Irun"])
    assert asked == "Galdera: Non dago?\nA: Bilbo\nB: {question}\nC: Irun\nErantzuna:"
    assert trivia.list_options(["Bilbo", "Donostia", "Irun"]) == ("A", "B", "C")
    assert benchmark.load("aokvqa").list_options(["a", "b"]) == ("a", "b")


def test_the_primary_metric_names_unit_and_aggregate() -> None:
    assert benchmark.load("vqav2").primary == "inclusion_any_token_span"
    assert benchmark.load("bertaqa").primary == "accuracy_without_end"
    assert benchmark.load("aokvqa").primary == "accuracy"


def test_ones_own_benchmark_needs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "benchmarks" / "mine" / "vqa.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(VQA.replace("miniature/vqa", "mine/vqa"), encoding="utf-8")
    assert "mine/vqa" in benchmark.list_benchmarks()
    assert benchmark.load("mine/vqa").name == "mine/vqa"
    assert benchmark.load(str(place)).name == "mine/vqa"


def test_ones_own_may_extend_a_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "benchmarks" / "short.yaml"
    place.parent.mkdir()
    place.write_text("extends: miniature/vqa.yaml\nname: short\nmax_new_tokens: 3\n")
    changed = {"name": "short", "max_new_tokens": 3}
    assert benchmark.load("short") == benchmark.load("miniature/vqa").model_copy(update=changed)
    place.write_text("extends: miniature/vqa.yaml\nname: short\nmax_new_tokens: 4\n")
    assert benchmark.load("short").max_new_tokens == 4, "nothing is remembered of a changed file"


def test_a_name_left_as_the_extended_file_has_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "benchmarks" / "short.yaml"
    place.parent.mkdir()
    place.write_text("extends: miniature/vqa.yaml\nmax_new_tokens: 3\n")
    with pytest.raises(InputError, match="name: expected short, found miniature/vqa"):
        benchmark.load("short")
