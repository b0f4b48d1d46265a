"""A cluster of one machine that answers to SLURM's commands: `cluster.py COMMAND ARGUMENTS...`.

It runs the very script it is given, in as many processes as that asks for, with the variables that
SLURM sets and the addresses 127.0.0.1, 127.0.0.2, ... for its nodes. Jobs are folders in $CLUSTER;
while $CLUSTER/hold exists none starts.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ.get("CLUSTER", ""))
SECONDS = 0.05


def sbatch(script: str) -> None:
    options = asked(Path(script))
    if options.get("partition") == "nowhere":
        sys.exit("sbatch: error: invalid partition specified: nowhere")
    number = str(len(list(HOME.glob("job-*"))) + 1)
    job = HOME / f"job-{number}"
    job.mkdir()
    (job / "script.sh").write_text(Path(script).read_text())
    (job / "state").write_text("PENDING")
    subprocess.Popen(
        [sys.executable, __file__, "work", number],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    print(f"Submitted batch job {number}")


def asked(script: Path) -> dict[str, str]:
    found = re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script.read_text(), re.MULTILINE)
    return {name: value.strip("'") for name, value in found}


def work(number: str) -> None:
    """Run a job once nothing holds it."""
    job = HOME / f"job-{number}"
    while (HOME / "hold").exists() and not (job / "cancelled").exists():
        time.sleep(SECONDS)
    code = -1 if (job / "cancelled").exists() else attempt(job, number)
    ended = "CANCELLED" if (job / "cancelled").exists() else "FAILED" if code else "COMPLETED"
    (job / "state").write_text(ended)


def attempt(job: Path, number: str) -> int:
    options = asked(job / "script.sh")
    nodes = int(options["nodes"])
    variables = {
        "SLURM_JOB_ID": number,
        "SLURM_JOB_NUM_NODES": str(nodes),
        "SLURM_NTASKS": str(nodes * int(options["ntasks-per-node"])),
        "SLURM_JOB_NODELIST": f"127.0.0.[1-{nodes}]" if nodes > 1 else "127.0.0.1",
    }
    (job / "state").write_text("RUNNING")
    with Path(options["output"].replace("%j", number)).open("a") as log:
        process = subprocess.Popen(
            ["bash", str(job / "script.sh")],
            env=os.environ | variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while process.poll() is None:
        if (job / "cancelled").exists():
            end(process)
        time.sleep(SECONDS)
    return process.returncode


def end(process: subprocess.Popen[bytes]) -> None:
    """As SLURM ends a job: it is told, and a little later killed."""
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def srun(*arguments: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it passes on what its tasks do
    command = list(arguments)
    options = {}
    while command[0].startswith("--"):
        name, _, value = command.pop(0)[2:].partition("=")
        options[name] = value or (command.pop(0) if name == "output" else "")
    number, nodes = os.environ["SLURM_JOB_ID"], int(os.environ["SLURM_JOB_NUM_NODES"])
    count = int(os.environ["SLURM_NTASKS"])
    tasks = []
    for rank in range(count):
        node, local = divmod(rank, count // nodes)
        place = {"SLURM_PROCID": rank, "SLURM_LOCALID": local, "SLURM_NODEID": node}
        variables = os.environ | {name: str(value) for name, value in place.items()}
        path = options["output"].replace("%j", number).replace("%t", str(rank))
        with Path(path).open("a") as log:
            tasks.append(subprocess.Popen(command, env=variables, stdout=log, stderr=log))
    while any(task.poll() is None for task in tasks):
        if "kill-on-bad-exit" in options and any(task.poll() for task in tasks):
            time.sleep(1)
            for task in tasks:
                task.kill()
        time.sleep(SECONDS)
    sys.exit(next((1 for task in tasks if task.returncode), 0))


def squeue(*arguments: str) -> None:
    number = arguments[arguments.index("--jobs") + 1]
    path = HOME / f"job-{number}" / "state"
    if not path.exists():
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    state = path.read_text()
    if state in ("PENDING", "RUNNING"):
        print(state, "Resources" if state == "PENDING" else "None")


def scancel(number: str) -> None:
    (HOME / f"job-{number}" / "cancelled").touch()


def scontrol(*arguments: str) -> None:
    state = (HOME / f"job-{arguments[-1]}" / "state").read_text()
    print(f"JobId={arguments[-1]} JobState={state} Reason=None")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
