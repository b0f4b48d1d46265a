"""Models by their names on the hub, and of a named revision: from a cache laid out as the hub's."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import CLIPImageProcessorPil

from ikusi import pretrained
from ikusi.errors import InputError
from ikusi.model import hub
from model.families import tokenizer
from model.pairs import llm, tower

OPENS = """
import json, sys
from ikusi.errors import InputError
from ikusi.model import fusion, hub, parts

def tried(work):
    try:
        return work()
    except InputError as error:
        return str(error)

def joined(vision, llm):
    model, processor = fusion.assemble(vision, llm)
    weights = model.lm_head.weight.float().sum().item()
    return [weights, processor.image_processor.image_mean[0], processor.tokenizer.chat_template]

told = {f"{v} {l}": tried(lambda v=v, l=l: joined(v, l)) for v, l in json.loads(sys.argv[1])}
told["folder"] = tried(lambda: str(hub.find_folder("org/llm@second")))
told["none"] = tried(lambda: str(hub.find_folder("org/llm@third")))
print(json.dumps(told))
"""


def publish(cache: Path, name: str, revision: str, files: Path) -> str:
    """Put files into a cache as `hf download` does; returns the commit."""
    place = cache / f"models--{name.replace('/', '--')}"
    commit = hashlib.sha1(f"{name} {revision}".encode()).hexdigest()
    snapshot = place / "snapshots" / commit
    for folder in (place / "refs", place / "blobs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (place / "refs" / revision).write_text(commit)
    for file in files.iterdir():
        content = file.read_bytes()
        blob = place / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    return commit


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float], str]:
    """A cache with two revisions of an encoder and of an LLM.

    Returns:
        Its folder, the sum of each LLM's output weights, and the second LLM's commit.
    """
    root, sums, commits = tmp_path_factory.mktemp("hub"), {}, {}
    for number, revision in enumerate(("main", "second")):
        words, files = tokenizer("chatml"), root / f"llm {revision}"
        model: Any = llm(words=len(words))
        model.lm_head.weight.data += number
        sums[revision] = model.lm_head.weight.sum().item()
        model.save_pretrained(files)
        words.save_pretrained(files)
        commits[revision] = publish(root / "cache", "org/llm", revision, files)
        files = root / f"encoder {revision}"
        tower().save_pretrained(files)
        CLIPImageProcessorPil(image_mean=[0.25 * (number + 1)] * 3).save_pretrained(files)
        publish(root / "cache", "org/encoder", revision, files)
    return root / "cache", sums, commits["second"]


@pytest.mark.slow
def test_parts_are_opened_in_the_revision_that_is_named(
    cache: tuple[Path, dict[str, float], str],
) -> None:
    folder, sums, commit = cache
    asked = [
        ("org/encoder", "org/llm"),
        ("org/encoder@second", "org/llm@second"),
        ("org/encoder", f"org/llm@{commit}"),
        ("org/encoder@third", "org/llm"),
        ("org/encoder", "org/llm@third"),
    ]
    environment = os.environ | {
        "HF_HUB_CACHE": str(folder),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", OPENS, json.dumps(asked)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    first, both, by_commit, no_encoder, no_llm = (told[" ".join(pair)] for pair in asked)
    assert first[:2] == [pytest.approx(sums["main"], rel=1e-4), 0.25]
    assert both[:2] == [pytest.approx(sums["second"], rel=1e-4), 0.5]
    assert by_commit[:2] == [pytest.approx(sums["second"], rel=1e-4), 0.25]
    assert no_encoder.startswith("org/encoder@third: expected a vision encoder, found none: ")
    assert no_llm.startswith("org/llm@third: expected a causal LLM, found none: ")
    assert "\n" not in no_encoder + no_llm
    assert told["folder"].endswith(f"models--org--llm/snapshots/{commit}")
    assert "hf download org/llm --revision third" in told["none"]


def test_a_folder_is_itself_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a@b").mkdir()
    assert pretrained.split_place(tmp_path / "a@b") == (str(tmp_path / "a@b"), {})
    assert hub.find_folder(tmp_path / "a@b") == tmp_path / "a@b"
    with pytest.raises(InputError, match="expected the folder of a model, or a hub id"):
        hub.find_folder("no such model")
