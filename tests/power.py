"""A disk in a model: the system calls of a run, recorded by strace, and what a power cut leaves.

A file's content is kept up to its last fsync; a name that was made, moved or removed is kept from
the next fsync of its folder. Between the two a disk may keep what it likes: everything, nothing,
or some names without others.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import warm

NAMING = "open,openat,creat,mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat"
NAMING += ",rename,renameat,renameat2"  # calls that take a path
OTHERS = "close,dup,dup2,dup3,fcntl,write,pwrite64,writev,lseek,ftruncate,fallocate"
OTHERS += ",fsync,fdatasync,sendfile,copy_file_range,chdir"
LINE = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)")


# Lets any process trace this one, where the system asks for that, and waits for it.
WAITS = """
import ctypes, os, signal
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def recorded(code: str, *arguments: object) -> list[tuple[str, str, int]]:
    """Run Python code under strace: the calls that succeeded, with their arguments and results."""
    trace = Path(str(arguments[0])).with_suffix(".strace")
    program = warm.Command(["-c", WAITS + code, *map(str, arguments)], os.environ)
    wait_until(lambda: psutil.Process(program.pid).status() == psutil.STATUS_STOPPED)
    command = ["strace", "-f", "-o", trace, "-xx", "-s", "10000000"]
    command += ["-e", f"trace={NAMING},{OTHERS}", "-p", program.pid]
    tracer = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr and "attached" in tracer.stderr.readline()
    os.kill(program.pid, signal.SIGCONT)
    outputs = program.communicate(timeout=300)
    tracer.communicate(timeout=60)
    assert program.returncode == 0, outputs[1][-2000:]
    return list(_calls(trace.read_text(encoding="ascii")))


def wait_until(seen: Callable[[], bool]) -> None:
    """Wait for something that comes soon."""
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def _calls(text: str) -> Iterator[tuple[str, str, int]]:
    begun: dict[str, str] = {}
    for line in text.splitlines():
        process, _, told = line.partition(" ")
        told = told.strip()
        if told.endswith("<unfinished ...>"):
            begun[process] = told.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", told):
            told = begun.pop(process) + resumed[1]
        if (match := LINE.match(told)) and int(match[3]) >= 0:
            yield match[1], match[2], int(match[3])


@dataclass(eq=False)
class File:
    now: bytearray = field(default_factory=bytearray)
    kept: bytes = b""


@dataclass(eq=False)
class Folder:
    now: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


Change = tuple[tuple[Folder, str, Any], ...]  # names that change at once: folder, name, what


class Disk:
    """A disk as the calls of a run have left it, below one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.top = root, Folder()
        self.open: dict[int, list[Any]] = {}  # descriptor -> node and place in it
        self.pending: list[Change] = []

    def do(self, name: str, told: str, result: int) -> bool:
        """Take a call in; says whether it changed what a cut would leave."""
        first = told.partition(",")[0]
        handle = int(first) if first.isdigit() else -1
        if name not in NAMING.split(",") and handle not in self.open:
            return False  # of a file elsewhere, which may be large
        words = re.findall(r'"(?:[^"])*"(?:\.\.\.)?|[^,\s]+(?: => [^,]+)?', told)
        if name in ("open", "openat", "creat"):
            at, path, flags = (words[0], *words[1:3]) if name == "openat" else (None, *words[:2])
            return self._open(at, path, flags, result)
        if name in ("rename", "renameat", "renameat2", "link", "linkat"):
            pairs = words[:4] if name.endswith(("at", "at2")) else [None, words[0], None, words[1]]
            source, target = self._place(*pairs[:2]), self._place(*pairs[2:])
            if source is None and target is not None and "link" in name:
                data = Path(os.fsdecode(_bytes(pairs[1]))).read_bytes()
                return self._name(target, File(bytearray(data), data))
            return self._move(source, target, "link" in name)
        if name in ("mkdir", "mkdirat", "unlink", "unlinkat", "rmdir"):
            at, path = (words[0], words[1]) if name.endswith("at") else (None, words[0])
            return self._name(self._place(at, path), Folder() if "mkdir" in name else None)
        return self._handle(name, handle, words, result)

    def _open(self, at: str | None, path: str, flags: str, handle: int) -> bool:
        found = self._place(at, path)
        if found is None:
            self.open.pop(handle, None)
            return False
        folder, name = found
        node: Any = self.top if folder is None else folder.now.get(name)
        made = node is None
        if made:
            node = File()
            self._name(found, node)
        if isinstance(node, File) and "O_TRUNC" in flags:
            node.now.clear()
        end = len(node.now) if "O_APPEND" in flags else 0
        self.open[handle] = [node, end]
        return made

    def _handle(self, name: str, handle: int, words: list[str], result: int) -> bool:
        node, place = self.open[handle]
        if name in ("dup", "dup2", "dup3") or (name == "fcntl" and "F_DUPFD" in words[1]):
            self.open[result] = self.open[handle]
        elif name == "close":
            del self.open[handle]
        elif name == "lseek":
            self.open[handle][1] = result
        elif name in ("write", "writev", "pwrite64"):
            data = b"".join(_bytes(word) for word in words if '"' in word)[:result]
            start = int(words[-1]) if name == "pwrite64" else place
            node.now[start : start + len(data)] = data
            if name != "pwrite64":
                self.open[handle][1] = start + len(data)
        elif name == "ftruncate":
            del node.now[int(words[1]) :]
        elif name == "fallocate":
            node.now.extend(bytes(max(0, int(words[2]) + int(words[3]) - len(node.now))))
        elif name in ("fsync", "fdatasync"):
            return self._flush(node)
        else:
            assert name == "fcntl", f"a call that the model does not know: {name}"
        return False

    def _flush(self, node: File | Folder) -> bool:
        if isinstance(node, File):
            changed = node.kept != bytes(node.now)
            node.kept = bytes(node.now)
            return changed
        own = [change for change in self.pending if any(part[0] is node for part in change)]
        for change in own:
            self.pending.remove(change)
            _apply(change, lambda folder: folder.kept)
        return bool(own)

    def _move(self, source: Any, target: Any, link: bool) -> bool:
        if source is None or target is None:
            assert source is target, "a name moved out of, or into, what is watched"
            return False
        node = source[0].now[source[1]]
        change = ((*target, node),) if link else ((*source, None), (*target, node))
        return self._change(change)

    def _name(self, found: Any, node: Any) -> bool:
        return found is not None and found[0] is not None and self._change(((*found, node),))

    def _change(self, change: Change) -> bool:
        self.pending.append(change)
        _apply(change, lambda folder: folder.now)
        return True

    def _place(self, at: str | None, path: str) -> tuple[Folder | None, str] | None:
        """Folder and name of a path; no folder for the top; None for what is not watched."""
        given = os.fsdecode(_bytes(path))
        if at is not None and at.isdigit() and not given.startswith("/"):
            if int(at) not in self.open or not isinstance(self.open[int(at)][0], Folder):
                return None
            return self.open[int(at)][0], given
        if not Path(given).is_relative_to(self.root):
            return None
        parts = Path(given).relative_to(self.root).parts
        if not parts:
            return None, ""
        folder = self.top
        for part in parts[:-1]:
            folder = folder.now[part]
        return folder, parts[-1]

    def left(self, keep: str, seed: int = 0) -> dict[str, bytes | None]:
        """The files that a cut leaves now: path -> content, or None for a folder.

        keep: `names`: all names, contents as flushed; `flushed`: only what was flushed; `some`:
        drawn by lot.
        """
        lot = random.Random(seed)
        names: dict[Folder, dict[str, Any]] = {}

        def kept(folder: Folder) -> dict[str, Any]:
            return names.setdefault(folder, dict(folder.kept))

        for change in self.pending:
            if keep == "names" or (keep == "some" and lot.random() < 0.5):
                _apply(change, kept)
        found: dict[str, bytes | None] = {}

        def walk(folder: Folder, path: str) -> None:
            for name, node in sorted(kept(folder).items()):
                if isinstance(node, Folder):
                    found[path + name] = None
                    walk(node, f"{path}{name}/")
                else:
                    whole = keep == "some" and lot.random() < 0.5
                    found[path + name] = bytes(node.now) if whole else node.kept

        walk(self.top, "")
        return found


def _apply(change: Change, names: Any) -> None:
    for folder, name, node in change:
        if node is None:
            names(folder).pop(name, None)
        else:
            names(folder)[name] = node


def _bytes(word: str) -> bytes:
    return bytes.fromhex(word.strip('".').replace("\\x", ""))


def cuts(root: Path, code: str, *arguments: object) -> list[dict[str, bytes | None]]:
    """Every different state in which a power cut can leave `root`, as far as the model goes."""
    disk, found = Disk(root), {}
    for call in recorded(code, *arguments):
        if disk.do(*call):
            for keep, seed in (("names", 0), ("flushed", 0), ("some", 1)):
                left = disk.left(keep, seed)
                found[tuple(sorted(left.items()))] = left
    return list(found.values())


def restore(root: Path, left: dict[str, bytes | None]) -> None:
    """Put a state in the place of whatever is in `root`."""
    shutil.rmtree(root)
    root.mkdir()
    for path, content in left.items():
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)
