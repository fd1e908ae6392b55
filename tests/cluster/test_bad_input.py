# SPDX-License-Identifier: Apache-2.0
"""What cannot work on several hosts is said in one line, with the same exit code on every rank."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hosts import Cluster
from launch import Finished, Part, finish

SMALL = ("--size", 64, "--mem", "64Ki", "--iterations", 1)


def refused(cluster: Cluster, code: int, *parts: Part) -> str:
    """Runs a job that all ranks must refuse with `code`; returns the one line that was printed."""
    # Each rank notes its exit code, and mpirun does not kill the others once one has ended.
    note = cluster.folder / "note"
    note.write_text('#!/bin/sh\n"$@"\necho $? >"$0-$OMPI_COMM_WORLD_RANK"\n', encoding="utf-8")
    note.chmod(0o755)
    noted = [Part(part.ranks, note, [part.program, *part.options]) for part in parts]
    done = finish(cluster, *noted, parameters={"orte_abort_on_non_zero_status": "0"})
    assert done.code != 124, f"it went on until its time was up: {done.stderr}"
    codes = [(cluster.folder / f"note-{rank}").read_text(encoding="utf-8").strip()
             for rank in range(sum(part.ranks for part in parts))]
    assert codes == [str(code)] * len(codes), done.stderr
    return only_line(done)


def only_line(done: Finished) -> str:
    """The one line that the program printed."""
    assert done.stdout == ""
    (line,) = done.lines()
    return line


def test_mpirun_passes_the_exit_code_on(cluster: Cluster, program: Path) -> None:
    done = finish(cluster, Part(4, program, ("--size", 64, "--mem", 4095)))
    assert done.code == 2
    assert "--mem 4095" in only_line(done)


@pytest.mark.parametrize("dead", ["unknown", "cut off"])
def test_a_dead_host_in_the_hostfile(cluster: Cluster, program: Path, dead: str) -> None:
    hosts = ["h1", "h2", "h3", "h9" if dead == "unknown" else "h4"]
    if dead == "cut off":
        cluster.cut_link("h4")
    done = finish(cluster, Part(4, program, SMALL), hostfile=cluster.hostfile(hosts))
    assert done.code not in (0, 124)  # 124: it went on until its time was up
    assert hosts[3] in done.stdout + done.stderr
    assert "Number of" not in done.stdout


def test_a_rank_with_other_options(cluster: Cluster, program: Path) -> None:
    line = refused(cluster, 2, Part(2, program, SMALL),
                   Part(2, program, (*SMALL, "--method", "strided")))
    assert "rank 2 on h3" in line
    assert "--method strided" in line


def test_a_rank_with_another_version(cluster: Cluster, program: Path) -> None:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    version = said.stdout.split()[1]
    later = version[:-1] + str((int(version[-1]) + 1) % 10)
    other = cluster.folder / "other" / program.name
    other.parent.mkdir()
    other.write_bytes(program.read_bytes().replace(version.encode() + b"\0",
                                                   later.encode() + b"\0"))
    other.chmod(0o755)
    said = subprocess.run([other, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.split()[1] == later, "the copy is no other version"
    line = refused(cluster, 2, Part(3, program, SMALL), Part(1, other, SMALL))
    assert "rank 3 on h4" in line
    assert version in line and later in line


def test_too_little_memory_for_an_image(cluster: Cluster, program: Path) -> None:
    line = refused(cluster, 2, Part(4, program, ("--size", 64, "--mem", 4095)))
    assert "--mem" in line
    assert "rank" not in line


def test_a_folder_that_one_rank_cannot_see(cluster: Cluster, program: Path,
                                           tmp_path: Path) -> None:
    cluster.hide("h4", tmp_path)
    # It would measure for longer than the job may take: the line comes before.
    options = ("--size", 64, "--mem", "64Ki", "--min-time", 1000, "--distribute", "local",
               "--save", tmp_path / "saved", "--json", tmp_path / "results.json")
    line = refused(cluster, 5, Part(4, program, options))
    assert "rank 3 on h4" in line
    assert str(tmp_path / "saved") in line
    assert not (tmp_path / "results.json").exists()
    assert not list(tmp_path.glob("saved/*.npy"))
