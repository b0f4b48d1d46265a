"""A model that `ikusi merge` wrote says what it was made of, how, and what licences ask."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from ikusi.model.merging import Mix
from ikusi.publish.merged import write_merged_card
from publish.studied import LLM, RUN, make_study

GIVEN = {"run": "Seer", "plus": "Latxa-Llama-3.1-8B", "minus": "org/Llama"}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Three folders with as much as a card needs."""
    folders = {role: tmp_path / name for role, name in GIVEN.items()}
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"vision_config": {}}')
    (folders["run"] / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folders["run"] / "LICENSE").write_text("the terms of Seer")
    (folders["plus"] / "NOTICE").write_text("Adapted by some.")
    return folders


def describe(places: dict[str, Path], mix: Mix, **given: str) -> ModelCard:
    out = places["run"].parent / "out"
    out.mkdir()
    write_merged_card(out, "out", {**{k: str(v) for k, v in places.items()}, **given}, places, mix)
    return ModelCard.load(out / "README.md")


def test_a_merged_model_says_what_it_was_made_of_and_how(places: dict[str, Path]) -> None:
    card = describe(places, Mix(0.5, "ties", 0.3, ("llm", "connector")), minus="org/Llama@main")
    assert (
        "`Seer`, plus 0.5 times the difference `Latxa-Llama-3.1-8B` minus [org/Llama]" in card.text
    )
    assert "a share of 0.3" in card.text
    command = (
        "ikusi merge Seer --plus Latxa-Llama-3.1-8B --minus org/Llama --weight 0.5 --method ties "
        "--density 0.3 --part llm --part connector --output out"
    )
    assert command in card.text
    data: Any = card.data
    assert (data.license, data.base_model) == ("apache-2.0", ["org/Llama"])
    assert (data.base_model_relation, data.pipeline_tag) == ("merge", "image-text-to-text")


def test_what_licences_ask_of_a_merged_model_is_said_and_lies_with_it(
    places: dict[str, Path],
) -> None:
    card = describe(places, Mix(1.0))
    out = places["run"].parent / "out"
    assert "**the model Seer**: [Apache License 2.0]" in card.text
    assert "Built with Llama" in card.text and "found 'out'" in card.text
    assert (out / "LICENSE").read_text() == "the terms of Seer"
    assert "Adapted by some." in (out / "NOTICE").read_text()


@pytest.mark.slow
def test_of_a_run_of_a_study_all_that_it_learnt_from_is_said(
    places: dict[str, Path], tmp_path: Path
) -> None:
    run = make_study(tmp_path / "made")
    card = describe({**places, "run": run / "checkpoint"}, Mix(1.0), run=str(run))
    assert f"`{RUN}` of the study `emoji-eu-quick`, plus 1 times" in card.text
    assert f"the LLM {LLM}" in card.text and "cc3m" in card.text
