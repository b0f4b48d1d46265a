"""The sources of a run: from the hub, from a folder, packaged."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from compare.studies import Folder, even
from ikusi.errors import InputError
from ikusi.publish.model import publish_model
from ikusi.publish.release import name_thing
from ikusi.publish.trained import Trained, describe_base, name_dataset
from model.test_hub import publish


def test_a_base_on_the_hub_has_its_commit_and_the_licence_of_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "README.md").write_text("---\nlicense: gemma\n---\n")
    commit = publish(tmp_path / "cache", "org/llm", "main", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    base = describe_base("the LLM", "org/llm")
    assert (base.name, base.revision, base.on_hub) == ("org/llm", commit, True)
    assert base.licence.id == "gemma" and base.folder is not None
    assert base.shown == f"[org/llm](https://huggingface.co/org/llm), revision `{commit}`"


def test_a_base_that_is_not_here_has_the_revision_that_the_recipe_pins() -> None:
    base = describe_base("the LLM", "org/Llama-3.1-8B@v2")
    assert (base.name, base.revision, base.folder, base.on_hub) == (
        *("org/Llama-3.1-8B", "v2", None),
        True,
    )
    assert base.licence.id == "llama3.1"


def test_of_a_folder_only_the_last_name_is_shown(tmp_path: Path) -> None:
    base = describe_base("the encoder", str(tmp_path))
    assert (base.name, base.revision, base.on_hub) == (tmp_path.name, None, False)
    packaged = describe_base("the encoder", "miniature/encoder")
    assert (packaged.shown, packaged.licence.id) == ("`miniature/encoder`", "apache-2.0")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"source": "vqav2"}, ("lmms-lab/VQAv2", None)),
        ({"source": "table"}, None),
        ({"release": "hub:org/aokvqa-eu@abc"}, ("org/aokvqa-eu", "abc")),
        ({"release": "a-folder"}, None),
        ({}, None),
    ],
)
def test_a_data_set_of_the_hub_is_known_by_what_was_imported(
    settings: dict[str, str], named: tuple[str, str | None] | None
) -> None:
    assert name_dataset({"kind": "data import", "settings": settings}) == named


def test_a_run_that_starts_from_another_was_made_from_all_that_this_one_was(
    tmp_path: Path,
) -> None:
    Folder(tmp_path, name="emoji-eu-adapt", pictures=2).train()
    trained = Trained(tmp_path / "instruct" / "seeing-eu020")
    assert [base.name for base in trained.bases] == ["miniature/llama-en", "miniature/encoder"]
    stages = ["english-eu000: align", "english-eu000: instruct", "align", "instruct"]
    assert [(one.stage, one.share) for one in trained.lessons] == list(
        zip(stages, (0, 0, 0, 0.2), strict=True)
    )
    assert [name for name, _, _ in trained.list_stages()] == stages


MERGED = [
    "grid.backbones=[english]",
    "grid.ratios=[0,0.2]",
    "grid.text_only=[false]",
    "benchmarks=[miniature/aokvqa]",
    "merges.basque={run: english-eu000, plus: adapted, minus: english, weights: [1]}",
    "merges.back={run: english-eu020, plus: english-eu000, minus: english, weights: [0.5]}",
]


def merge(folder: Path, name: str) -> Path:
    """A study with a model that was merged in it, whose weights are a word."""
    made = Folder(folder, MERGED, pictures=12)
    made.train()
    with made.step(f"merge/{name}") as staging:
        checkpoint = staging / "checkpoint"
        checkpoint.mkdir()
        (checkpoint / "config.json").write_text('{"projector_hidden_act": "linear"}')
        (checkpoint / "model.safetensors").write_text("weights")
    return folder / "merge" / name


@pytest.mark.slow
def test_a_merged_model_is_released_with_all_that_it_was_made_from(tmp_path: Path) -> None:
    place = merge(tmp_path / "study", "english-eu000-basque100")
    measured = Folder(tmp_path / "study", MERGED, pictures=12)
    measured.measure(even, only=[], merged=lambda merged, bench, code: 0.6)
    assert name_thing(place) == "run"
    release = tmp_path / "english-with-basque"
    publish_model(place, release)
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "plus 1 times the difference `adapted` minus `english`, in its llm" in card
    assert "base_model_relation: merge" in card
    for line in ("the model added miniature/llama-eu", "the LLM miniature/llama-en"):
        assert line in card
    results = json.loads((release / "results.json").read_text())
    assert results["miniature/aokvqa"]["eu"]["all"]["score"] == pytest.approx(0.6, abs=0.15)
    assert (release / "model.safetensors").read_text() == "weights"
    trained = Trained(place)
    assert [one.stage for one in trained.lessons] == ["align", "instruct"]
    assert [(one.stage, one.share) for one in trained.lessons][1] == ("instruct", 0.0)


def test_what_a_run_that_is_added_learnt_from_counts_too(tmp_path: Path) -> None:
    trained = Trained(merge(tmp_path, "english-eu020-back050"))
    assert [one.stage for one in trained.lessons] == [
        *("align", "instruct"),
        *("english-eu000: align", "english-eu000: instruct"),
    ]
    assert [base.what for base in trained.bases] == [
        *("the LLM", "the encoder"),
        "the model subtracted",
    ]


def test_a_model_that_the_recipe_merges_no_longer_is_refused(tmp_path: Path) -> None:
    place = merge(tmp_path, "english-eu000-other050")
    with pytest.raises(InputError, match="expected a model of"):
        Trained(place)
