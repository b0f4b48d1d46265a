"""A recipe names models that see already beside LLMs that get an encoder, in one grid."""

from pathlib import Path

import pytest
import yaml

from ikusi import recipe
from ikusi.errors import InputError
from ikusi.recipe import backbones
from test_recipe import SMALL

SEEING = SMALL.replace("backbones: [english]", "backbones: [seer]").replace(
    "  english: miniature/llama-en\n", "  english: miniature/llama-en\n  seer: {vlm: org/Seer@v1}\n"
)
ALIGN = SMALL[SMALL.index("  align:") : SMALL.index("  instruct:")]


def load(tmp_path: Path, text: str, *overrides: str) -> recipe.Recipe:
    (tmp_path / "small.yaml").write_text(text, encoding="utf-8")
    return recipe.load(tmp_path / "small.yaml", overrides)


def refusal(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text, *overrides)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_models_that_see_stand_beside_llms_in_one_grid(tmp_path: Path) -> None:
    both = load(tmp_path, SEEING, "grid.backbones=[english, seer]", "grid.ratios=[0.2]")
    assert [run.name for run in both.runs()][::2] == ["english-eu020", "seer-eu020"]
    assert both.backbone("seer") == "org/Seer@v1"
    assert (both.sees("seer"), both.sees("english")) == (True, False)
    assert (both.is_aligned("seer"), both.is_aligned("english")) == (False, True)
    assert recipe.load(_write(tmp_path, recipe.show(both))) == both
    assert "  seer:\n" in recipe.show(both)


def test_what_an_llm_has_read_is_said_beside_it_and_changes_nothing_else(tmp_path: Path) -> None:
    plain, said = "english: miniature/llama-en", "english: {llm: miniature/llama-en, read: 0.001}"
    one, other = load(tmp_path, SMALL), load(tmp_path, SMALL.replace(plain, said))
    assert other.backbone("english") == "miniature/llama-en"
    assert not other.sees("english") and other.is_aligned("english")
    assert other.is_assembled("english")
    assert backbones.list_read(one.backbones, ["english"]) == {}
    assert backbones.list_read(other.backbones, ["english"]) == {"english": 0.001}
    assert recipe.load(_write(tmp_path, recipe.show(other))) == other
    assert recipe.rehearse(other).backbone("english") == "miniature/llama-en"


def test_what_was_read_is_listed_from_least_to_most(tmp_path: Path) -> None:
    given = {"much": 0.8, "none": 0.0, "little": 0.01}
    known = {name: backbones.Reader(llm=name, read=read) for name, read in given.items()}
    assert list(backbones.list_read({**known, "else": "org/LLM"}, [*given, "else"])) == [
        "none", "little", "much",
    ]  # fmt: skip


def _write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "shown.yaml"


def test_neither_encoder_nor_first_stage_is_needed_where_all_see(tmp_path: Path) -> None:
    bare = SEEING.replace(ALIGN, "").replace("vision: miniature/encoder\n", "")
    alone = load(tmp_path, bare)
    assert (alone.vision, alone.stages.align) == (None, None)
    assert [name for name, _ in alone.stages.named] == ["instruct"]
    data = yaml.safe_load(recipe.show(alone))
    assert (data["vision"], data["stages"]["align"]) == (None, None)
    small = recipe.rehearse(alone)
    assert small.backbone("seer") == "miniature/llama-eu"
    assert small.stages.alignment.trainable == ["connector"]


@pytest.mark.parametrize(
    ("change", "overrides", "expected"),
    [
        (("vision: miniature/encoder\n", ""), ["grid.backbones=[english]"],
         "command line: vision: expected a vision encoder, as backbones.english is an LLM, "
         "found nothing"),
        ((ALIGN, ""), ["grid.backbones=[seer, english]"],
         "small.yaml:10: stages.align: expected a stage, as backbones.english is aligned, "
         "found nothing"),
        ((ALIGN, ""), ["backbones.seer.align=true"],
         "small.yaml:10: stages.align: expected a stage, as backbones.seer is aligned, "
         "found nothing"),
        (("", ""), [],
         "small.yaml:11: stages.align: expected nothing, as no backbone of the grid is aligned, "
         "found a stage"),
        (("{vlm: org/Seer@v1}", "{vlm: 3}"), [],
         "small.yaml:8: backbones.seer.vlm: expected text, found 3"),
        (("{vlm: org/Seer@v1}", "{vlm: org/Seer, aling: true}"), [],
         "small.yaml:8: backbones.seer.aling: expected a known key, found aling "
         "(did you mean backbones.align?)"),
        (("{vlm: org/Seer@v1}", "[org/Seer]"), [],
         "small.yaml:8: backbones.seer: expected text, found a list of 1"),
        (("{vlm: org/Seer@v1}", "{align: true}"), [],
         "small.yaml:8: backbones.seer.vlm: expected a value, found nothing"),
        (("", ""), ["backbones.seer.align=true", "stages.instruct.lora={parts: [llm, vision]}"],
         "command line: stages.instruct.lora: expected nothing, as vision is not trainable, "
         "found vision"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(
    change: tuple[str, str], overrides: list[str], expected: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, SEEING.replace(*change), *overrides) == expected


MORE = "grid.backbones=[more, english]"


def test_a_run_is_a_backbone_of_others(tmp_path: Path) -> None:
    both = load(tmp_path, SMALL, "backbones.more.run=english-eu000", MORE)
    assert both.find_start("more") == "english-eu000" and both.find_start("english") is None
    assert both.backbone("more") == both.backbone("english") == "miniature/llama-en"
    assert both.sees("more") and both.is_assembled("more") and not both.is_aligned("more")
    assert recipe.load(_write(tmp_path, recipe.show(both))) == both
    assert recipe.rehearse(both).find_start("more") == "english-eu000"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("{run: english-eu00}", "found english-eu00 (did you mean english-eu020?)"),
        ("{run: more-eu000}", "backbones.more.run: expected a run of the grid that starts from no"),
        ("{run: english-eu000, alingn: true}", "backbones.more.alingn: expected a known key"),
    ],
)
def test_what_is_no_run_to_start_from_is_named(change: str, told: str, tmp_path: Path) -> None:
    assert told in refusal(tmp_path, SMALL, f"backbones.more={change}", MORE)
