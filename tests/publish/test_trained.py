"""What a run was made from, told apart: on the hub, in a folder, packaged."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from compare.studies import Folder
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
