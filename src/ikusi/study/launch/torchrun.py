"""A study in processes that somebody else's torchrun has started, on any number of machines.

The first process leads: it runs the study as ever, one step at a time. A training is shared with
all the others, who wait for nothing else. Each of them takes part in it with a process of its own,
so that one training leaves nothing behind for the next.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from ikusi.errors import IkusiError, InputError
from ikusi.processes import die_with_parent
from ikusi.study.launch import ranks
from ikusi.study.launch.ranks import Processes, Task

T = TypeVar("T")

# What torchrun gives each process (torch.distributed.run), and how its other variables begin.
NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
PREFIXES = ("TORCHELASTIC_", "GROUP_", "ROLE_")
STARTED, SHARED_STORE = "TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE"
RESTARTS = "TORCHELASTIC_RESTART_COUNT"

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_LEAVE = 10.0
PATIENCE = timedelta(minutes=30)  # with a store that does not answer

# Keys in torchrun's own store, which all processes reach.
COUNT, ORDER, OVER, END = "count", "order/{}", "over/{}", "end"


@dataclass(frozen=True)
class Group:
    """This process and the others of its group, from torchrun's environment variables."""

    variables: dict[str, str]

    @property
    def first(self) -> bool:
        """Whether this process leads."""
        return self.variables["RANK"] == "0"

    @property
    def processes(self) -> int:
        """Number of processes on this machine."""
        return int(self.variables["LOCAL_WORLD_SIZE"])

    @property
    def everywhere(self) -> int:
        """Number of processes on all machines."""
        return int(self.variables["WORLD_SIZE"])

    def store(self) -> Any:
        """The store that torchrun keeps for all of them, without what an earlier start left."""
        from torch.distributed import PrefixStore, TCPStore

        place = self.variables["MASTER_ADDR"], int(self.variables["MASTER_PORT"])
        whole = TCPStore(*place, is_master=False, timeout=PATIENCE)
        return PrefixStore(f"ikusi/{self.variables[RESTARTS]}", whole)

    def start(self, task: Task) -> Processes:
        """Share a task with the others; see `ranks.Starter`."""
        task.save()
        store, port = self.store(), ranks.find_free_port()
        number = store.add(COUNT, 1)
        order = {"folder": str(task.folder.absolute()), "port": port}
        store.set(ORDER.format(number), json.dumps(order))
        return Led(self.take_part(task.folder, port), task.folder, store, number)

    def take_part(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        """A new process with this one's place in the group, which meets the others at `port`.

        (At torchrun's own port they would find what those of the last training left there.)
        """
        place = self.variables | {"MASTER_PORT": str(port), SHARED_STORE: "False"}
        command = [sys.executable, "-m", "ikusi.study.launch.ranks", str(folder)]
        return subprocess.Popen(command, env=os.environ | place, preexec_fn=die_with_parent)

    def set_aside(self) -> None:
        """Remove torchrun's variables, so that libraries take this process for the only one."""
        for name in self.variables:
            os.environ.pop(name, None)


def read_group() -> Group | None:
    """The group that this process was started in; None where torchrun did not start it.

    Raises:
        InputError: torchrun keeps its store to itself.
    """
    if STARTED not in os.environ:
        return None
    variables = {name: value for name, value in os.environ.items() if _is_torchruns(name)}
    if variables.get(SHARED_STORE) != "True":
        variable = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
        raise InputError(f"torchrun: expected a store for all processes, found none ({variable})")
    return Group(variables)


def _is_torchruns(name: str) -> bool:
    return name in NAMES or name.startswith(PREFIXES)


@dataclass
class Led:
    """A task that all processes of the group are at, as its leader sees it."""

    process: subprocess.Popen[bytes]
    folder: Path
    store: Any
    number: int
    _failed: float | None = None

    def poll(self) -> int | None:
        """See `Processes`. Others may have failed, and this machine's process wait for them."""
        if self._failed is None and ranks.has_failed(self.folder):
            self._failed = time.monotonic()
        code = self.process.poll()
        late = self._failed is not None and time.monotonic() - self._failed > SECONDS_TO_LEAVE
        return 1 if code is None and late else code

    def describe(self) -> str:
        """See `Processes`."""
        return ""

    cause = describe

    def stop(self) -> None:
        """See `Processes`."""
        self.store.set(OVER.format(self.number), "")
        self.process.terminate()
        self.process.wait()

    leave = stop


def lead(work: Callable[[], T]) -> T | None:
    """Do some work on studies, in the first process of a group, if there is one.

    Returns:
        What the work returned; None in the others, once they have been let go.
    """
    group = read_group()
    if group and not group.first:
        _follow(group)
        return None
    try:
        return work()
    finally:
        if group:
            group.store().set(END, "")


def _follow(group: Group) -> None:
    """Take part in each task that the leader shares, until it lets this process go."""
    store, number = group.store(), 1
    while True:
        if store.check([ORDER.format(number)]):
            if not _is_over(store, number):
                _take_part(group, store, number)
            number += 1
        elif store.check([END]):
            return
        else:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _is_over(store: Any, number: int) -> bool:
    """Whether the leader has left a task; one that was killed is known by what came after."""
    later = (OVER.format(number), ORDER.format(number + 1), END)
    return any(store.check([key]) for key in later)


def _take_part(group: Group, store: Any, number: int) -> None:
    order = json.loads(store.get(ORDER.format(number)))
    folder = Path(order["folder"])
    process, over = group.take_part(folder, order["port"]), None
    while (code := process.poll()) is None:
        if over is None and _is_over(store, number):
            over = time.monotonic()
        if over is not None and time.monotonic() - over > SECONDS_TO_LEAVE:
            process.kill()
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if code and over is None:  # and it may have had no time to say why
        where = f"process {group.variables['RANK']} on {socket.gethostname()}"
        ranks.write_failure(folder, IkusiError(f"{where} ended with code {code}"))
