# SPDX-License-Identifier: Apache-2.0
"""What a script can say of the machine that it runs on, as far as its process may use it."""
from __future__ import annotations

import mmap
import os
import platform
import re
import time
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

from convscale.cli import Error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> Optional[int]:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None  # missing, or "max"


def _field(path: Path, key: str) -> Optional[int]:
    """The number behind `key` in a file of lines "key value" or "key: value kB"."""
    found = re.search(rf"^{key}:?\s+([0-9]+)", _text(path), re.MULTILINE)
    return int(found[1]) if found else None


def _cgroup_folders(proc: Path, cgroup: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's cgroup for `controller` ("" is version 2), and its parents."""
    for line in _text(proc / "self/cgroup").splitlines():  # "4:memory:/path", "0::/path"
        fields = line.split(":", 2)
        if len(fields) == 3 and controller in fields[1].split(","):
            inner = Path(fields[2].lstrip("/"))
            for path in (inner, *inner.parents):
                yield cgroup / controller / path


def _within_cgroups(machine: Optional[int], proc: Path, cgroup: Path) -> Optional[int]:
    """The least of `machine` and the headroom of each memory cgroup that this process is in."""
    bounds = [] if machine is None else [machine]
    for controller, limit_file, usage_file, reclaimable in (
            ("", "memory.max", "memory.current", "inactive_file"),
            ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")):
        for folder in _cgroup_folders(proc, cgroup, controller):
            limit, usage = _number(folder / limit_file), _number(folder / usage_file)
            if limit is not None and usage is not None:
                free = limit - usage + (_field(folder / "memory.stat", reclaimable) or 0)
                bounds.append(max(0, free))
    return min(bounds, default=None)


def _available_by_kernel(proc: Path) -> Optional[int]:
    available = _field(proc / "meminfo", "MemAvailable")
    return None if available is None else available * 1024


def available_memory(proc: Path = Path("/proc"),
                     cgroup: Path = Path("/sys/fs/cgroup")) -> Optional[int]:
    """Bytes that this process can still take, as the program reckons: the kernel's MemAvailable,
    and the headroom of each memory cgroup that it is in; whichever is least. None if unknown."""
    return _within_cgroups(_available_by_kernel(proc), proc, cgroup)


def most_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup"),
                virtio: Path = Path("/sys/bus/virtio/drivers")) -> Optional[int]:
    """The most that it may come to in a virtual machine whose memory grows with its use, as the
    program reckons (common/limits.cpp). None if unknown, or if nothing bounds it."""
    if any(virtio.glob("virtio_mem/virtio*")):
        return _within_cgroups(None, proc, cgroup)
    machine = _available_by_kernel(proc)
    if machine is not None and any(virtio.glob("virtio_balloon/virtio*")):
        zones, counters = _text(proc / "zoneinfo"), proc / "vmstat"
        present, managed = (sum(map(int, re.findall(rf"^\s*{key}\s+([0-9]+)", zones, re.MULTILINE)))
                            for key in ("present", "managed"))
        missing = (present - managed + (_field(counters, "balloon_inflate") or 0)
                   - (_field(counters, "balloon_deflate") or 0))
        if missing > present // 16:
            machine += missing * mmap.PAGESIZE
    return _within_cgroups(machine, proc, cgroup)


def _grow_memory(needed: int) -> int:
    """Takes memory step by step, up to `needed` bytes, until so much is there or no more comes, as
    the program does (bench/measure/memory_growth.cpp); lets go of it, and returns how much there
    was."""
    mebi = 1 << 20
    taken = most = pauses = 0
    with mmap.mmap(-1, needed, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        while True:
            available = available_memory() or 0
            if available + taken >= most + mebi:
                most, pauses = available + taken, 0
            room = min(256 * mebi, available - 128 * mebi)
            if most >= needed or pauses == 30:
                return most
            if room >= mebi:
                pages = range(taken, taken + room, mmap.PAGESIZE)
                memory[taken:taken + room:mmap.PAGESIZE] = b"\1" * len(pages)
                taken += room
            else:
                pauses += 1
                time.sleep(0.1)


def check_memory(needed: int) -> None:
    """Raises Error if `needed` bytes more cannot be had, before anything is taken."""
    available, most = available_memory(), most_memory()
    if available is None or needed <= available:
        return
    if most is None or needed <= most:
        try:
            available = _grow_memory(needed)
        except (OSError, OverflowError):
            pass  # not even addresses
    if needed > available:
        raise Error(f"this run needs {needed / 1e9:.2f} GB of memory and {available / 1e9:.2f} GB "
                    "are available (cgroup limits included); a smaller --mem would do")


def ranges_text(numbers: Sequence[int]) -> str:
    """[0, 1, 2, 8] as "0-2,8"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def processors() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0))


def host_info() -> dict[str, Any]:
    """The field `host` of a results file; what is not known here is null."""
    cpus = sorted(os.sched_getaffinity(0))
    model = re.search(r"^model name\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return {"name": platform.node(), "os": f"{platform.system()} {platform.release()}",
            "cpu": model[1] if model else None, "sockets": None, "cores": None,
            "threads": len(cpus), "smt": None, "numa_nodes": None, "caches": None,
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "isa": None,
            "affinity": ranges_text(cpus), "max_clock_hz": None, "governor": None,
            "huge_pages": None, "hypervisor": None, "load": os.getloadavg()[0]}


def job_nodes() -> int:
    """Nodes of the Slurm job that this runs in, over all of which Dragon spreads a pool."""
    text = os.environ.get("SLURM_JOB_NUM_NODES", "")
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,5}", text) else 1
