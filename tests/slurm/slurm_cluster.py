# SPDX-License-Identifier: Apache-2.0
"""A Slurm cluster of its own on this machine: munged, slurmctld, and a slurmd for each node.

Everything lives in a folder and in a process namespace, which end with the process that made
them, however that ends: the namespace's first process reads from a pipe that closes then, and takes
all others along. Each slurmd has a host name of its own, so that jobs see several hosts. What jobs
leave in /dev/shm is the namespace's, too.
"""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Optional

NODES = 4
CPUS = 2  # of a node; jobs may be given more than the machine has
_START_S = 240.0
_END_S = 240.0
_POLL_S = 0.02

_CONF = """\
ClusterName=convscale
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
GresTypes=gpu
KillWait=2
MessageTimeout=100
BatchStartTimeout=240
MinJobAge=300
ReturnToService=2
{nodes}
PartitionName={partition} Nodes=n[1-{count}] Default=YES MaxTime=60 State=UP
"""

# Deletes the folder when the namespace has ended.
_KEEP = """
unshare --pid --fork --kill-child=KILL --mount-proc sh -c "$1" sh "$2" "$3"
rm -rf -- "$2"
"""
# The first process of the namespace, which ends when nobody can write to its input any more.
_START = """
exec 3<&0 </dev/null
mount -t tmpfs none /dev/shm || exit
mount --bind "$1/hosts" /etc/hosts || exit
munged --foreground --force --num-threads=2 --key-file="$1/munge.key" --socket="$1/munge.socket" \\
  --pid-file="$1/munged.pid" --log-file="$1/munged.log" --seed-file="$1/munged.seed" &
while [ ! -S "$1/munge.socket" ]; do sleep 0.01; done
slurmctld -D -c -f "$SLURM_CONF" &
n=1
while [ "$n" -le "$2" ]; do
  unshare --uts sh -c 'hostname "$1"; exec slurmd -D -N "$1" -f "$SLURM_CONF"' sh "n$n" &
  n=$((n + 1))
done
cat <&3
exit 0  # also so that it stays the shell, which reaps what others leave
"""


class NoSlurm(Exception):
    """Why there can be no cluster here."""


def check_tools() -> None:
    """Raises NoSlurm where something is missing that a cluster needs."""
    if os.geteuid() != 0:
        raise NoSlurm("not root here")
    programs = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "unshare")
    missing = [name for name in programs if shutil.which(name, path=_path()) is None]
    if missing:
        raise NoSlurm(f"no {', no '.join(missing)} here (Debian's slurm-wlm and munge have them)")
    try:  # as Slurm does, for its own sockets
        socket.getaddrinfo(None, 1, socket.AF_INET, socket.SOCK_STREAM, 0,
                           socket.AI_ADDRCONFIG | socket.AI_PASSIVE)
    except socket.gaierror:
        raise NoSlurm("no network here but the loopback's, on which Slurm does not listen"
                      ) from None
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "--uts", "true"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoSlurm(f"no namespaces here ({done.stderr.strip()})")


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"


def _free_ports(count: int) -> list[int]:
    """Nobody listens there now; all are bound at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes, other than this one, that know of a cluster's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        name = str(folder).encode()
        if (name in environment or name in command) and int(process.name) != os.getpid():
            found.append(command.replace(b"\0", b" ").decode(errors="replace").strip())
    return found


class SlurmCluster:
    """A context manager; `environment` is that of commands such as sbatch."""

    partition = "batch"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="convscale-slurm-"))
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "SBATCH_", "SRUN_", "PMIX_", "OMPI_"))}
        self.environment |= {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _path(),
                             "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        self._process: Optional[subprocess.Popen[bytes]] = None

    def __enter__(self) -> SlurmCluster:
        try:
            self._write_files()
            with open(self.folder / "start.log", "wb") as log:
                self._process = subprocess.Popen(
                    ["sh", "-c", _KEEP, "sh", _START, str(self.folder), str(NODES)],
                    stdin=subprocess.PIPE, stdout=log, stderr=log, env=self.environment,
                    start_new_session=True)
            self._wait_until_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes and deletes the folder."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(_END_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """A command such as sbatch, with what it says."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout, check=False)

    def _write_files(self) -> None:
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        for name in ("state", *(f"tmp-n{node}" for node in range(1, NODES + 1))):
            (self.folder / name).mkdir()
        controller_port, *ports = _free_ports(1 + NODES)
        nodes = "\n".join(
            f"NodeName=n{node} NodeHostname=n{node} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} "
            f"RealMemory=1024 Gres=gpu:2 State=UNKNOWN" for node, port in enumerate(ports, 1))
        (self.folder / "slurm.conf").write_text(_CONF.format(
            host=socket.gethostname(), controller_port=controller_port, folder=self.folder,
            nodes=nodes, partition=self.partition, count=NODES))
        (self.folder / "hosts").write_text("127.0.0.1 localhost " + " ".join(
            [socket.gethostname(), *(f"n{node}" for node in range(1, NODES + 1))]) + "\n")
        (self.folder / "gres.conf").write_text("AutoDetect=off\n"
                                               "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            states = self.run("sinfo", "--noheader", "--format=%T %D").stdout.split()
            if states == ["idle", str(NODES)]:
                return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(_POLL_S)
        logs = "".join(f"\n{path.name}: {path.read_text(errors='replace')[-600:]}"
                       for path in sorted(self.folder.glob("*.log")))
        raise RuntimeError(f"the cluster did not come up within {_START_S:.0f} s{logs}")
