# SPDX-License-Identifier: Apache-2.0
"""How much memory the scripts believe that they can have."""
from __future__ import annotations

import mmap
import time
from pathlib import Path
from typing import Any, Optional

import pytest

from convscale import host
from convscale.cli import Error

MEBI = 1 << 20


def test_memory_is_that_of_the_least_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
    inner = cgroup / "job" / "step"
    for folder in (proc / "self", inner):
        folder.mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n")
    (proc / "self" / "cgroup").write_text("0::/job/step\n")
    assert host.available_memory(proc, cgroup) == 4000 * 1024
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("500000\n")
    (inner.parent / "memory.max").write_text("1000000\n")
    (inner.parent / "memory.current").write_text("800000\n")
    (inner.parent / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert host.available_memory(proc, cgroup) == 250000
    monkeypatch.setattr(host, "available_memory", lambda: 250000)
    monkeypatch.setattr(host, "most_memory", lambda: 250000)
    host.check_memory(250000)
    with pytest.raises(Error, match="cgroup limits included"):
        host.check_memory(250001)


def test_memory_of_virtual_machines_may_grow(tmp_path: Path) -> None:
    proc, cgroup, virtio = tmp_path / "proc", tmp_path / "cgroup", tmp_path / "drivers"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/\n")
    (proc / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n")
    (proc / "zoneinfo").write_text("Node 0, zone DMA\n   nr_present 7\n   present  1200\n"
                                   "   managed  900\nzone Normal\n   present 800\n   managed 0\n")

    def most() -> Optional[int]:
        return host.most_memory(proc, cgroup, virtio)

    assert most() == 4000 * 1024
    (virtio / "virtio_balloon" / "module").mkdir(parents=True)
    assert most() == 4000 * 1024  # no device
    (virtio / "virtio_balloon" / "virtio0").mkdir()
    assert most() == 4000 * 1024 + 1100 * mmap.PAGESIZE
    (proc / "vmstat").write_text("balloon_inflate 9\nballoon_deflate 2\n")
    assert most() == 4000 * 1024 + 1107 * mmap.PAGESIZE
    (proc / "vmstat").write_text("balloon_inflate 0\nballoon_deflate 980\n")
    assert most() == 4000 * 1024  # the kernel's own
    (virtio / "virtio_mem" / "virtio1").mkdir(parents=True)
    assert most() is None
    cgroup.mkdir()
    (cgroup / "memory.max").write_text("50000\n")
    (cgroup / "memory.current").write_text("1000\n")
    assert most() == 49000


class Guest:
    """A machine that grows while less than 500 MiB are left; in a mmap's place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, available: int, to_come: int) -> None:
        self.available, self.to_come = available, to_come
        self.least, self.pauses = available, 0
        monkeypatch.setattr(host, "available_memory", lambda: self.available)
        monkeypatch.setattr(host, "most_memory", lambda: None)
        monkeypatch.setattr(mmap, "mmap", lambda *_args, **_kinds: self)
        monkeypatch.setattr(time, "sleep", self.pause)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_error: Any) -> None:
        pass

    def __setitem__(self, where: slice, values: bytes) -> None:
        assert len(values) == len(range(where.start, where.stop, where.step))
        self.available -= where.stop - where.start
        self.least = min(self.least, self.available)
        if self.available < 500 * MEBI:
            more = min(self.to_come, 256 * MEBI)
            self.available, self.to_come = self.available + more, self.to_come - more

    def pause(self, _seconds: float) -> None:
        self.pauses += 1


def test_memory_that_grows_is_had(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest(monkeypatch, 2000 * MEBI, 3000 * MEBI)
    host.check_memory(4500 * MEBI)
    assert guest.least >= 128 * MEBI and guest.pauses == 0


def test_memory_that_does_not_grow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest(monkeypatch, 2000 * MEBI, 500 * MEBI)
    with pytest.raises(Error, match="needs 4.72 GB of memory and 2.62 GB are available"):
        host.check_memory(4500 * MEBI)
    assert guest.least >= 128 * MEBI and guest.pauses >= 10


def test_memory_is_taken_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "available_memory", lambda: 150 * MEBI)  # whatever is taken
    monkeypatch.setattr(host, "most_memory", lambda: None)
    host.check_memory(170 * MEBI)
    monkeypatch.setattr(mmap, "mmap", lambda *_args, **_kinds: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        host.check_memory(170 * MEBI)
    host.check_memory(150 * MEBI)
