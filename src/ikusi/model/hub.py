"""Models on the hub: their licences, their place in the cache, and what goes wrong with both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ikusi.errors import InputError
from ikusi.pretrained import split_place

SECONDS = 10.0  # that the hub may take to answer


def describe_licence(model: str | Path) -> str:
    """Describe the licence to accept for a model on the hub, as the end of a sentence; empty where
    the hub asks for none or cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    name, _ = split_place(model)
    try:
        info = HfApi().model_info(name, timeout=SECONDS)
    except (HfHubHTTPError, HFValidationError, OSError):
        return ""
    if not info.gated:
        return ""
    terms = getattr(info.card_data, "license", None) or "its licence"
    return f"; accept {terms} at https://huggingface.co/{name} first, then `hf auth login`"


def find_folder(model: str | Path) -> Path:
    """The folder of a model on this machine: its own, or that in the hub's cache under this name.

    Raises:
        InputError: the cache holds none, or not that revision.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if Path(model).is_dir():
        return Path(model)
    name, pinned = split_place(model)
    revision = pinned.get("revision")
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError) as error:
        fetch = f"hf download {name}" + (f" --revision {revision}" if revision else "")
        raise InputError(
            f"{model}: expected the folder of a model, or a hub id that is in the cache "
            f"({fetch}), found none"
        ) from error


@contextmanager
def guard_opening(model: str | Path, expected: str) -> Iterator[None]:
    """Turn whatever is raised at a model's missing, cut or damaged files into InputError.

    Configurations, tokenizers and weights are read by libraries that raise errors of many kinds,
    tokenizers' being bare `Exception`.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # of a GPU; torch is not loaded here
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{model}: expected {expected}, found none: {reason}") from error
