"""Models on the hub: NAME, or NAME@REVISION, where a revision is a branch, a tag or a commit."""

from pathlib import Path

from ikusi.errors import InputError


def place(model: str | Path) -> tuple[str, dict[str, str]]:
    """What transformers' `from_pretrained` opens a model by: a folder or hub id, and its revision.

    >>> place("org/name@v2")
    ('org/name', {'revision': 'v2'})
    >>> place("org/name")
    ('org/name', {})
    """
    name, at, revision = str(model).partition("@")
    if not at or Path(model).is_dir():
        return str(model), {}
    return name, {"revision": revision}


def folder(model: str | Path) -> Path:
    """Where a model is on this machine: its folder, or what the hub's cache holds of that name.

    Raises:
        InputError: the cache holds none, or not that revision.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if Path(model).is_dir():
        return Path(model)
    name, pinned = place(model)
    revision = pinned.get("revision")
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError) as error:
        fetch = f"hf download {name}" + (f" --revision {revision}" if revision else "")
        raise InputError(
            f"{model}: expected the folder of a model, or a hub id that is in the cache "
            f"({fetch}), found none"
        ) from error
