"""A release to the hub: nothing private, nothing that a licence forbids, and its card last.

Whoever finds the card there finds all of the release. An upload that was cut goes on where it was:
the hub knows what it has by its content.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ikusi import claim
from ikusi.artifact import read_manifest
from ikusi.errors import InputError
from ikusi.publish import guard, texts
from ikusi.publish.card import CARD

COMPANIONS = (claim.MANIFEST, claim.MARKER, f"{claim.MARKER}.*", f"*/{claim.MARKER}", "*.lock")
"""Patterns of files that are there for the work alone, and are not uploaded."""

MESSAGE = "Release by Ikusi"


@dataclass(frozen=True)
class Pushed:
    """The outcome of an upload.

    Attributes:
        url: of the last commit.
        commit: its id, by which the release can be pinned: `ORG/NAME@COMMIT`.
        others: files on the hub that are not of this release, and were left as they are.
    """

    url: str
    commit: str
    others: list[str]


def list_files(folder: Path) -> dict[str, int]:
    """The files that would be uploaded: path in the release -> bytes."""
    from huggingface_hub.utils import filter_repo_objects

    files = claim.list_contents(folder)
    return {name: files[name] for name in filter_repo_objects(files, ignore_patterns=[*COMPANIONS])}


def check(folder: Path, name: str, allowed: Collection[str] = ()) -> None:
    """Refuse to upload what must not leave the machine, or not so.

    Args:
        folder: of a release.
        name: `ORG/NAME`, as on the hub.
        allowed: licences whose prohibitions are set aside.

    Raises:
        InputError: it is no whole release, `name` is no name on the hub, a file looks private, or a
            text that a licence asks for is missing.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    record = read_manifest(folder)
    if record is None or record.get("kind") != "publish":
        raise InputError(f"{folder}: expected a release that `ikusi publish` made, found none")
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise InputError(f"push: expected ORG/NAME, found {name} ({error})") from None
    if "/" not in name:
        raise InputError(f"push: expected ORG/NAME, found {name}")
    guard.check_folder(folder)
    for text, licence in (record["settings"].get("texts") or {}).items():
        if licence not in allowed and not texts.has_text(folder, text):
            raise InputError(
                f"{folder}: expected {text}, as {licence} asks, found none "
                f"(--allow {licence} uploads it without)"
            )


def push(
    folder: Path,
    name: str,
    *,
    private: bool = False,
    revision: str | None = None,
    allowed: Collection[str] = (),
) -> Pushed:
    """Upload a release; called again, it goes on where it was cut, and uploads nothing twice.

    Args:
        folder: of a release.
        name: `ORG/NAME`; it is made if there is none.
        private: whether a new one is seen by its owners alone; an old one stays as it is.
        revision: branch to write to, made if there is none; else the main one.
        allowed: as in `check`.

    Raises:
        InputError: see `check`; or the hub cannot be reached, or does not take it.
    """
    from huggingface_hub import HfApi

    check(folder, name, allowed)
    kind = "model" if (folder / "config.json").is_file() else "dataset"
    api = HfApi()
    with _explain(name):
        api.create_repo(name, repo_type=kind, private=private or None, exist_ok=True)
        if revision:
            api.create_branch(name, branch=revision, repo_type=kind, exist_ok=True)
        for patterns, ignored in ((None, [*COMPANIONS, CARD]), ([CARD], None)):
            done = api.upload_folder(
                repo_id=name,
                folder_path=folder,
                repo_type=kind,
                revision=revision,
                commit_message=MESSAGE,
                allow_patterns=patterns,
                ignore_patterns=ignored,
            )
        there = api.list_repo_files(name, revision=revision, repo_type=kind)
    others = sorted(set(there) - set(list_files(folder)) - {".gitattributes"})
    return Pushed(done.commit_url, done.oid, others)


@contextmanager
def _explain(name: str) -> Iterator[None]:
    """Say in one line what the hub, or the way to it, refuses.

    The HTTP library below huggingface_hub is another from version to version, and so are the errors
    that it raises where nothing answers.
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise InputError(f"{name}: expected the hub, found HF_HUB_OFFLINE set") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = "; `hf auth login` with a token that may write" if status in (401, 403) else ""
        reason = " ".join(str(error.server_message or error).split())
        raise InputError(
            f"{name}: expected the hub to take it, found {status}: {reason}{hint}"
        ) from error
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        raise InputError(f"{name}: expected the hub to take it, found {reason}") from error
