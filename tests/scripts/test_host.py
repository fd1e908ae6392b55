# SPDX-License-Identifier: Apache-2.0
"""How much memory the scripts believe that they can have."""
from __future__ import annotations

import mmap
from pathlib import Path
from typing import Optional

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
