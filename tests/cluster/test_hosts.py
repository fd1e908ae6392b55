# SPDX-License-Identifier: Apache-2.0
"""The hosts themselves: joined by nothing but their network, and gone when they should be."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hosts import Cluster, namespaces, processes

SERVE = """import socket
server = socket.create_server(("0.0.0.0", 5000))
print("ready", flush=True)
peer, _ = server.accept()
got = 0
while part := peer.recv(1 << 16): got += len(part)
print(got)
"""
SEND = """import socket, sys
with socket.create_connection((sys.argv[1], 5000)) as peer: peer.sendall(bytes(1 << 20))
"""


def remains(tag: str) -> list[str]:
    """All that there is of a cluster: namespaces, folder, processes of it or about it."""
    found = [space.name for space in namespaces(tag)]
    found += [f"{process.pid} {process.name}" for process in processes(*namespaces(tag))]
    found += [str(path) for path in Path(tempfile.gettempdir()).glob(f"{tag}*")]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if tag in command:
            found.append(f"{entry.name} {command}")
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but is not yet collected has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def wait_until_gone(tag: str, pids: list[int], seconds: float = 240) -> list[str]:
    """Waits until nothing is left of a cluster; returns what is."""
    deadline = time.monotonic() + seconds
    while True:
        left = remains(tag) + [f"process {pid}" for pid in pids if is_alive(pid)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def on(cluster: Cluster, host: str, command: str) -> str:
    """What a command on the host prints."""
    return subprocess.run([cluster.agent, host, command], check=True, capture_output=True,
                          text=True).stdout.strip()


def test_only_the_network_joins_the_hosts(cluster: Cluster) -> None:
    server = subprocess.Popen([cluster.agent, "h3", f"exec {sys.executable} -c '{SERVE}'"],
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout and server.stdout.readline() == "ready\n"
    before = cluster.counters("h2"), cluster.counters("h3"), cluster.counters("h4")
    on(cluster, "h2", f"{sys.executable} -c '{SEND}' 10.77.0.13")
    assert server.stdout.read() == f"{1 << 20}\n"
    assert server.wait() == 0
    after = cluster.counters("h2"), cluster.counters("h3"), cluster.counters("h4")
    assert 1 << 20 < after[0].sent - before[0].sent < 1.1 * (1 << 20)
    assert 1 << 20 < after[1].received - before[1].received < 1.1 * (1 << 20)
    assert after[2].received - before[2].received < 10_000

    assert on(cluster, "h2", "hostname; touch /dev/shm/mine; ls /dev/shm") == "h2\nmine"
    assert on(cluster, "h3", "hostname; ls /dev/shm") == "h3"


def test_nothing_is_left_where_a_test_is_killed(tmp_path: Path) -> None:
    report = tmp_path / "tag"
    inner = subprocess.Popen(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
         Path(__file__).with_name("lifetime_case.py")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "LIFETIME_REPORT": str(report)})
    deadline = time.monotonic() + 240
    while not report.exists():
        assert inner.poll() is None and time.monotonic() < deadline, "the inner test never began"
        time.sleep(0.02)
    tag = report.read_text(encoding="utf-8")
    pids = [process.pid for process in processes(*namespaces(tag))]
    assert len(pids) >= 8
    inner.kill()
    inner.communicate(timeout=240)
    assert not wait_until_gone(tag, pids)
