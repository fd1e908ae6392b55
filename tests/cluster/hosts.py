# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine: network namespaces on a bridge, which nothing but their network joins.

A cluster is torn down when its context ends, and by a watchdog when its process ends in any other
way. Run as a program, this file is the watchdog: hosts.py TAG FOLDER.
"""
from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

NAMESPACES = Path("/run/netns")
SWITCH = "sw"
NETWORK = "10.77.0"

# Takes the command line of ssh. A host is a network namespace; each call has a mount namespace of
# its own, in which the host's shared memory and temporary files are, and the folders that it hides.
AGENT = """#!/bin/sh
while :; do
  case $1 in
    -[BbcDEeFIiJLlmOopQRSWw]) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
host=$1
shift
if ! [ -e {namespaces}/{tag}-"$host" ]; then
  echo "agent: Could not resolve hostname $host" >&2
  exit 255
fi
exec nsenter --net={namespaces}/{tag}-"$host" \\
  unshare --uts --ipc --mount --propagation private sh -c '
    hostname "$1" && mount -t tmpfs tmpfs /dev/shm || exit 255
    TMPDIR=/dev/shm
    export TMPDIR
    while IFS= read -r hidden; do mount -t tmpfs tmpfs "$hidden" || exit 255; done <"$2"
    eval "$3"' sh "$host" {folder}/"$host".hidden "$*"
"""


class ClusterError(Exception):
    """A step of the set-up failed; the message is one line."""


class Process(NamedTuple):
    """A process that runs on a host."""

    pid: int
    name: str


class Counters(NamedTuple):
    """Bytes that went through a host's interface, with the headers of each frame."""

    received: int
    sent: int


def run(*command: str, stdin: str | None = None) -> str:
    """Returns the standard output of `command`; raises ClusterError if it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ClusterError(f"{shlex.join(command)}: {said[0] if said else 'no message'}")
    return done.stdout


def namespaces(tag: str) -> list[Path]:
    """The network namespaces of the cluster `tag`."""
    return sorted(NAMESPACES.glob(f"{tag}-*"))


def processes(*spaces: Path) -> list[Process]:
    """What runs in these network namespaces; zombies do not."""
    wanted = set()
    for space in spaces:
        with contextlib.suppress(OSError):
            wanted.add(f"net:[{space.stat().st_ino}]")
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if os.readlink(entry / "ns/net") in wanted:
                name = (entry / "comm").read_text(encoding="utf-8").strip()
                found.append(Process(int(entry.name), name))
    return found


def kill_processes(*spaces: Path, seconds: float = 240) -> None:
    """Kills what runs in these namespaces, and what it starts meanwhile."""
    deadline = time.monotonic() + seconds
    while running := processes(*spaces):
        if time.monotonic() > deadline:
            raise ClusterError(f"still running after {seconds} s: {running}")
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.01)


def tear_down(tag: str, folder: Path) -> None:
    """Removes all that the cluster `tag` consists of; what is gone already does not matter."""
    try:
        kill_processes(*namespaces(tag))
    finally:
        for space in namespaces(tag):
            with contextlib.suppress(ClusterError):
                run("ip", "netns", "del", space.name)
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """Hosts h1, h2, ... on a switch, from the entry of the context to its exit."""

    def __init__(self, hosts: int = 4) -> None:
        # Two clusters side by side, and what is left of one that crashed, have other tags.
        self.tag = f"cs{os.getpid()}-{secrets.token_hex(3)}"
        self.hosts = [f"h{number}" for number in range(1, hosts + 1)]
        self.folder = Path(tempfile.gettempdir()) / self.tag
        self._watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        # In a session of its own, and no child of ours: what kills this process and all that it
        # started leaves the watchdog alone. It sees the end of this process at its standard input.
        self._watchdog = subprocess.Popen(
            ["setsid", "--fork", sys.executable, "-B", __file__, self.tag, str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._watchdog.wait()
        try:
            self._set_up()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._tear_down()

    def _set_up(self) -> None:
        self.folder.mkdir()
        for name in [SWITCH, *self.hosts]:
            run("ip", "netns", "add", f"{self.tag}-{name}")
        switch = ["link add name br0 type bridge", "link set br0 up"]
        for host in self.hosts:
            switch += [f"link add name {host} type veth peer name eth0 netns {self.tag}-{host}",
                       f"link set {host} master br0 up"]
        self._ip(SWITCH, switch)
        for number, host in enumerate(self.hosts):
            self._ip(host, ["link set lo up", f"addr add {NETWORK}.{11 + number}/24 dev eth0",
                            "link set eth0 up"])
            self._file(host, "hidden").touch()
        self.agent.write_text(
            AGENT.format(namespaces=NAMESPACES, tag=self.tag, folder=self.folder),
            encoding="utf-8")
        self.agent.chmod(0o755)

    def _tear_down(self) -> None:
        try:
            tear_down(self.tag, self.folder)
        finally:
            if self._watchdog and self._watchdog.stdin:
                self._watchdog.stdin.close()

    def _ip(self, name: str, lines: list[str]) -> None:
        run("ip", "-n", f"{self.tag}-{name}", "-batch", "-", stdin="\n".join(lines) + "\n")

    def _file(self, host: str, kind: str) -> Path:
        return self.folder / f"{host}.{kind}"

    @property
    def agent(self) -> Path:
        """The command that stands for ssh: AGENT HOST COMMAND."""
        return self.folder / "agent"

    def hostfile(self, hosts: list[str] | None = None, slots: int = 1) -> Path:
        """Writes a hostfile for mpirun; of all hosts, unless they are given."""
        path = self.folder / "hostfile"
        path.write_text("".join(f"{host} slots={slots}\n" for host in hosts or self.hosts),
                        encoding="utf-8")
        return path

    def processes(self, host: str | None = None, name: str | None = None) -> list[Process]:
        """What runs on the host (on all, unless given), of that name (of any, unless given)."""
        spaces = namespaces(self.tag) if host is None else [NAMESPACES / f"{self.tag}-{host}"]
        return [process for process in processes(*spaces) if name in (None, process.name)]

    def kill_all(self) -> None:
        """Kills all that runs on the hosts."""
        kill_processes(*namespaces(self.tag))

    def counters(self, host: str) -> Counters:
        """What went through the host's interface until now."""
        said = run("ip", "-n", f"{self.tag}-{host}", "-s", "-j", "link", "show", "dev", "eth0")
        stats = json.loads(said)[0]["stats64"]
        return Counters(received=int(stats["rx"]["bytes"]), sent=int(stats["tx"]["bytes"]))

    def cut_link(self, host: str) -> None:
        """Pulls the host's cable at the switch. What the agent starts there is cut off, too."""
        self._ip(SWITCH, [f"link set {host} down"])

    def limit_link(self, host: str, rate: str) -> None:
        """Limits the host's link in both directions, as `tc` writes rates ("50mbit").

        A machine without the queueing discipline tbf raises ClusterError.
        """
        for name, device in ((SWITCH, host), (host, "eth0")):
            run("tc", "-n", f"{self.tag}-{name}", "qdisc", "add", "dev", device, "root", "tbf",
                "rate", rate, "burst", "64kb", "limit", "16mb")

    def hide(self, host: str, folder: Path) -> None:
        """Has the host see an empty folder of its own there, in whatever is started from now on."""
        with self._file(host, "hidden").open("a", encoding="utf-8") as file:
            file.write(f"{folder}\n")

    @contextlib.contextmanager
    def slowed(self, host: str, name: str, share: float = 0.05) -> Iterator[None]:
        """Lets the process of that name on the host run only this share of the time."""
        code = "import sys, hosts; hosts.duty_cycle(sys.argv[1], sys.argv[2], float(sys.argv[3]))"
        cycle = subprocess.Popen(
            [sys.executable, "-B", "-c", code, f"{self.tag}-{host}", name, str(share)],
            cwd=Path(__file__).parent)
        try:
            yield
        finally:
            cycle.terminate()
            cycle.wait()
            for process in self.processes(host, name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)


def duty_cycle(namespace: str, name: str, share: float, period_s: float = 0.04) -> None:
    """Stops and continues the first process of that name, for as long as it is there; for ever."""
    while True:
        running = [process for process in processes(NAMESPACES / namespace) if process.name == name]
        with contextlib.suppress(ProcessLookupError):
            while running:
                os.kill(running[0].pid, signal.SIGSTOP)
                time.sleep((1 - share) * period_s)
                os.kill(running[0].pid, signal.SIGCONT)
                time.sleep(share * period_s)
        time.sleep(period_s)


def watch(tag: str, folder: Path) -> None:
    """Tears the cluster down when the process at the other end of standard input is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    tear_down(tag, folder)


if __name__ == "__main__":
    watch(sys.argv[1], Path(sys.argv[2]))
