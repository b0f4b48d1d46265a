"""A real SLURM on this machine alone: its daemons, two nodes, in a folder of their own."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ikusi.study.launch.ranks import find_free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
NODES = ("127.0.0.1", "127.0.0.2")  # names that are addresses: at the first, processes meet
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])

# Two daemons for one machine; nothing of cgroups, accounts or MPI. A job that was requeued waits
# until its credential has expired.
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket,cred_expire=5
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool-%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd-%n.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=2
SlurmdParameters=config_overrides
{nodes}
PartitionName=low Nodes=ALL Default=YES State=UP PriorityTier=1
PartitionName=high Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Message that names the programs that SLURM lacks here; empty where it has all."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    hint = "apt-get install slurm-wlm munge" if lacking else ""
    return f"SLURM is not installed ({', '.join(lacking)}): {hint}" if lacking else ""


@contextmanager
def started(home: Path) -> Iterator[dict[str, str]]:
    """Start the daemons, and stop them after.

    Yields the variables by which SLURM's commands find them.

    Raises:
        RuntimeError: they do not come up; the message is what they last said.
    """
    (home / "munge").mkdir(parents=True, mode=0o700)
    (home / "state").mkdir()
    (home / "munge" / "key").write_bytes(os.urandom(128))
    (home / "munge" / "key").chmod(0o600)
    nodes = (
        f"NodeName={name} NodeHostname=localhost NodeAddr={name} Port={find_free_port()} CPUs=8"
        for name in NODES
    )
    told: dict[str, Any] = {"home": home, "port": find_free_port(), "user": getpass.getuser()}
    configuration = CONFIGURATION.format(nodes="\n".join(nodes), **told)
    (home / "slurm.conf").write_text(configuration)
    variables = {"SLURM_CONF": str(home / "slurm.conf"), "PATH": PATH}
    with ExitStack() as daemons:
        for command in _commands(home):
            daemons.enter_context(_daemon(command, os.environ | variables))
        if not waited(lambda: _idle(variables), 30):
            raise RuntimeError(f"SLURM did not come up: {_last_words(home)}")
        yield variables


def _commands(home: Path) -> list[list[str]]:
    files = {name: f"--{name}-file={home}/munge/{name}" for name in ("key", "log", "pid", "seed")}
    munge = ["munged", "--foreground", "--force", f"--socket={home}/munge/socket", *files.values()]
    return [munge, ["slurmctld", "-D", "-c"], *(["slurmd", "-D", "-N", name] for name in NODES)]


@contextmanager
def _daemon(command: Sequence[str], variables: dict[str, str]) -> Iterator[None]:
    program = shutil.which(command[0], path=PATH) or command[0]
    quiet: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
    process = subprocess.Popen([program, *command[1:]], env=variables, **quiet)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _idle(variables: dict[str, str]) -> bool:
    asked = ["sinfo", "--noheader", "--partition=low", "--format=%t %D"]
    told = subprocess.run(asked, env=os.environ | variables, capture_output=True, text=True)
    return told.stdout.split() == ["idle", str(len(NODES))]


def _last_words(home: Path) -> str:
    logs = (path.read_text(errors="replace").splitlines() for path in sorted(home.glob("*.log")))
    return "; ".join(lines[-1] for lines in logs if lines)


def waited(happened: Callable[[], Any], seconds: float) -> bool:
    """Wait until something has happened; whether it has."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
