# SPDX-License-Identifier: Apache-2.0
"""Hostfiles of Open MPI, MPICH and Slurm: which hosts, how many slots, and what is refused where.

What Open MPI 4.1.4 makes of its own lines was asked with --display-allocation.
"""
from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from convscale.cli import UsageError
from convscale.scaling.hostfile import read_hostfile

IN_SLURM = {"SLURM_JOB_NODELIST": "n[1-3]"}


@pytest.mark.parametrize("text, hosts, slots", [
    # Open MPI
    ("a max-slots=8 slots=4\n", "a", 4), ("a slots=4 max-slots=8\n", "a", 4),
    ("a max_slots=8 slots = 4\n", "a", 4), ("a slots-max=8 count=4\n", "a", 4),
    ("a max_cpu=8 cpu =4\n", "a", 4), ("a max-slots=8\n", "a", 8), ("a\n", "a", None),
    ("a\na\n", "a", 2), ("a slots=4\na\n", "a", 5), ("a slots=4\nb\n", "a b", None),
    ("a slots=4\nb slots=2\na slots=2\n", "a b", 2), ("10.0.0.1 slots=3\n", "10.0.0.1", 3),
    ("a port=22 cpu_set=0-3 sockets=2 slots=3\n", "a", 3),
    ("# all\n\n \t\na slots=4# max-slots=8\n#b\nc slots=4 // the last\n", "a c", 4),
    ("/* a\n b slots=2 */ c slots=4\n", "c", 4), ("a slots=4", "a", 4),
    ("a slots=4 # of /scratch/*\nb slots=2 # */ c\n", "a b", 2),
    ("a slots=4 // of /*\nb slots=2 // */ c\n", "a b", 2), ("/* b\n# */a slots=3\n", "a", 3),
    ("a slots=4\r\nb slots=4\r\n", "a b", 4), ("\ufeffa slots=4\n", "a", 4),
    ("a slots=4\nb slots=1\n^b\n", "a", 4),
    ("+n2 slots=4\n+n0 slots=4\n", "n3 n1", 4), ("+n1\n+e slots=2\n", "n2 n1 n3", None),
    ("+E:1 slots=2\n", "n1", 2),
    # MPICH
    ("a:4\nb:4\n", "a b", 4), ("a:4\na:2\n", "a", 6), ("a:4 binding=numa # c\n", "a", 4),
    ("a:4\nb\n", "a b", None),
    # Slurm
    ("n[1-3]\n", "n1 n2 n3", None), ("n[08-10,2]\n", "n08 n09 n10 n2", None),
    ("r[1-2]n[3,4]-ib\n", "r1n3-ib r1n4-ib r2n3-ib r2n4-ib", None), ("a,b\nc\n", "a b c", None),
    ("a*3,b*2\n", "a b", 2), ("n[1-2]\nn[1-2]\n", "n1 n2", 2), ("n[1-2] slots=4\n", "n1 n2", 4)])
def test_hosts_and_the_fewest_slots(tmp_path: Path, text: str, hosts: str,
                                    slots: Optional[int]) -> None:
    path = tmp_path / "hosts"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_hostfile(path, IN_SLURM) == (tuple(hosts.split()), slots)


@pytest.mark.parametrize("text, message", [
    ("", "names no host"), ("# a\n", "names no host"), ("a\n^a\n", "names no host"),
    ("a\nb /* c\nd\n", r"line 2 has a /\* that no \*/ ends"),
    ("/* a */\n/*\n#*/b\n/*/\n", r"line 4 has a /\* that"),
    ("# /*\n\n/*\n*/ a,,b\n", "line 4 begins with no host's name"),
    ("a\n--oversubscribe\n", "line 2 begins with no host's name"),
    ("/*\n*/\n\na,,b\n", "line 4 begins with no host's name"), ("a[\n", "line 1 begins"),
    ("a 4\n", "line 1 has 4, which is no setting"), ("a slots\n", "line 1 has slots, which is no"),
    ("a b\n", "line 1 has b, which is no setting"), ("a max-slot=4\n", "line 1 has max-slot=4"),
    ("a\nb slots=x\n", "line 2 has slots=x, where a number"), ("a slots=0\n", "line 1 has slots=0"),
    ("a slots=-1\n", "line 1 has slots=-1"), ("a slots=\u0664\n", "line 1 has slots="),
    ("a slots=4 cpu=4\n", "line 1 says cpu twice"), ("a:0\n", "line 1 has a:0, where"),
    ("a:x\n", "line 1 begins"), ("a:4 slots=4\n", "line 1 says how many slots in a:4 and again"),
    ("a slots=8 max-slots=4\n", "line 1 has 8 slots and at most 4"),
    ("a username=me\n", "line 1 has username=me: .*ssh/config"),
    ("me@a slots=4\n", "line 1 has me@a: .*ssh/config"),
    ("fe80::1\n", "line 1 has fe80::1: .*IPv6"),
    ("n[3-1]\n", r"line 1 has \[3-1\], which is no range"), ("n[1-]\n", "which is no range"),
    ("n[1-999999999]\n", "line 1 makes more than 65536 hosts"), ("a*99999\n", "makes more than"),
    ("n[1-999][1-999]\n", "line 1 makes more than 65536 hosts"),
    ("+n3\n", r"line 1 has \+n3, and the allocation has 3 nodes"), ("+x\n", "line 1 begins")])
def test_what_is_not_understood_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "hosts"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        read_hostfile(path, IN_SLURM)
    assert "\n" not in str(caught.value) and caught.value.code == 2


@pytest.mark.parametrize("text", ["a\n+n0\n", "a\n+e\n"])
def test_nodes_of_no_allocation(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hosts"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"line 2 has \+.*a Slurm allocation, and this is in none"):
        read_hostfile(path, {})


def test_a_hostfile_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_hostfile(tmp_path / "missing")
    (tmp_path / "hosts").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is no text"):
        read_hostfile(tmp_path / "hosts")
