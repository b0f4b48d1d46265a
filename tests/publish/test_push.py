"""An upload to a stand-in of the hub: all of a release and nothing else, cut and gone on with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from ikusi import artifact
from ikusi.errors import InputError
from ikusi.publish import card, push
from publish.hub import LARGE, Hub, serve

NAME = "org/basque-llava"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write(tmp_path / "basque-llava", {"LICENSE": "llama3.1"})


def write(folder: Path, texts: dict[str, str]) -> Path:
    """A model's release in small: a large file, small ones, a folder, the work's companions."""
    with artifact.write_folder(
        folder, fingerprint="0", kind="publish", settings={"of": "model", "texts": texts}
    ) as staging:
        (staging / "model.safetensors").write_bytes(os.urandom(LARGE))
        (staging / "config.json").write_text("{}\n")
        (staging / "LICENSE.txt").write_text("the agreement\n")
        (staging / "report").mkdir()
        (staging / "report" / "index.html").write_text("<p>\n")
        (staging / "report" / ".ikusi.json").write_text("{}\n")
        (staging / ".eval_results").mkdir()
        (staging / ".eval_results" / "org--set.yaml").write_text("[]\n")
        card.write_card(staging, {"license": "mit"}, "basque-llava", "It sees.", {})
    return folder


UPLOADED = {
    *("model.safetensors", "config.json", "LICENSE.txt", "report/index.html", "README.md"),
    ".eval_results/org--set.yaml",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, where this process's huggingface_hub looks for the hub."""
    held = Hub()
    with serve(held) as url:
        for name, value in environment(url).items():
            monkeypatch.setattr(constants, name, value)
        yield held


def environment(url: str) -> dict[str, object]:
    return {
        "ENDPOINT": url,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }


def contents(release: Path) -> dict[str, bytes]:
    return {name: (release / name).read_bytes() for name in push.list_files(release)}


def test_all_of_a_release_gets_there_its_card_last(release: Path, hub: Hub) -> None:
    done = push.push(release, NAME)
    repo = hub.repos[NAME]
    assert set(push.list_files(release)) == UPLOADED
    assert hub.files(NAME) == contents(release)
    assert (repo.kind, repo.private, len(repo.commits)) == ("model", False, 2)
    assert list(hub.files(NAME))[-1] == "README.md"
    assert done.commit in done.url and done.others == []
    assert "It sees." in hub.checked[0]  # the hub's own check of cards


def test_the_same_release_again_changes_nothing(release: Path, hub: Hub) -> None:
    push.push(release, NAME)
    uploads, commits = list(hub.uploads), list(hub.repos[NAME].commits)
    again = push.push(release, NAME)
    assert (hub.uploads, hub.repos[NAME].commits) == (uploads, commits)
    assert again.commit == f"{len(commits):040d}"


def test_a_new_repo_may_be_private_and_a_branch_of_its_own(release: Path, hub: Hub) -> None:
    push.push(release, NAME, private=True, revision="v2")
    assert hub.repos[NAME].private
    assert hub.files(NAME) == {} and set(hub.files(NAME, "v2")) == UPLOADED


def test_a_data_set_is_one_on_the_hub_and_what_else_is_there_is_told(
    release: Path, hub: Hub
) -> None:
    (release / "config.json").unlink()
    push.push(release, NAME)
    hub.files(NAME)["data/old.parquet"] = b"old"
    done = push.push(release, NAME)
    assert hub.repos[NAME].kind == "dataset" and "/datasets/" in done.url
    assert done.others == ["data/old.parquet"] and "data/old.parquet" in hub.files(NAME)


@pytest.mark.slow
def test_an_upload_that_was_killed_between_commits_goes_on_to_the_same_end(tmp_path: Path) -> None:
    release = write(tmp_path / "basque-llava", {})
    hub = Hub(commits_taken=1)
    code = (
        "import sys, pathlib; from ikusi.publish.push import push; "
        "push(pathlib.Path(sys.argv[1]), sys.argv[2])"
    )
    with serve(hub) as url:
        given = {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-c", code, str(release), NAME]
        killed = subprocess.Popen(command, env={**os.environ, **given})
        assert hub.waits.wait(60)
        killed.kill()
        killed.wait()
        assert "README.md" not in hub.files(NAME) and "model.safetensors" in hub.files(NAME)
        hub.commits_taken = None
        subprocess.run(command, env={**os.environ, **given}, check=True)
    assert hub.files(NAME) == contents(release)
    assert len(hub.uploads) == 1 and len(hub.repos[NAME].commits) == 2


@pytest.mark.parametrize(
    ("file", "held", "told"),
    [
        ("notes.txt", "hf_" + "a" * 30, "a token of the hub"),
        ("report/notes.html", "x\nsee /home/ane/studies\n", r"report/notes\.html:2: .*a path"),
        ("run.yaml", "url: https://me:sesame@host", "a password in an address"),
    ],
)
def test_what_looks_private_stays_here(
    release: Path, hub: Hub, file: str, held: str, told: str
) -> None:
    (release / file).write_text(held)
    with pytest.raises(InputError, match=told):
        push.push(release, NAME)
    assert hub.repos == {}


def test_a_text_that_a_licence_asks_for_must_be_there(release: Path, hub: Hub) -> None:
    (release / "LICENSE.txt").unlink()
    with pytest.raises(InputError, match=r"expected LICENSE, as llama3\.1 asks.*--allow llama3\.1"):
        push.push(release, NAME)
    assert hub.repos == {}
    push.push(release, NAME, allowed=["llama3.1"])
    assert "LICENSE.txt" not in hub.files(NAME)


@pytest.mark.parametrize("name", ["basque-llava", "org/basque/llava", "org/basque llava"])
def test_a_name_that_the_hub_does_not_have_is_refused(release: Path, hub: Hub, name: str) -> None:
    with pytest.raises(InputError, match="push: expected ORG/NAME, found"):
        push.push(release, name)


def test_only_a_release_is_uploaded(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(InputError, match="expected a release that `ikusi publish` made"):
        push.push(tmp_path, NAME)


def test_what_the_hub_refuses_is_one_line(release: Path, hub: Hub) -> None:
    hub.refuse = (403, "You don't have the rights")
    with pytest.raises(InputError, match="found 403: You don't have the rights; `hf auth login`"):
        push.push(release, NAME)
    hub.refuse, hub.bad_card = None, "license must be one of"
    with pytest.raises(InputError, match="license must be one of"):
        push.push(release, NAME)


def test_without_the_hub_nothing_hangs(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="found HF_HUB_OFFLINE set"):
        push.push(release, NAME)
    with serve(Hub()) as url:
        pass  # nobody is at that address any more
    for name, value in environment(url).items():
        monkeypatch.setattr(constants, name, value)
    with pytest.raises(InputError, match="expected the hub to take it, found"):
        push.push(release, NAME)
