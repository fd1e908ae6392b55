# SPDX-License-Identifier: Apache-2.0
"""The campaigns of tests/robustness, with programs that are made up: what they skip, wait for and
count."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "robustness"
# As hwloc where no memory comes: it fails inside of it, and goes on.
IN_HWLOC = """#!/bin/sh
[ "$FAULTS_ALLOCATION" = 0 ] && { echo "count 3" >>"$FAULTS_LOG"; exit 0; }
[ "$FAULTS_FROM" = 1 ] || { echo "convscale: out of memory" >&2; exit 5; }
printf 'failed malloc\\n/lib/libhwloc.so.15(+0x123) [0x5]\\n' >>"$FAULTS_LOG"
exec sleep 300
"""
# It takes a while before it handles the signal; shells handle it while they wait for others.
LATE = """#!/usr/bin/perl
sleep 2;
$SIG{INT} = sub { print STDERR "convscale: interrupted by a signal\\n"; exit 130 };
sleep 300 while 1;
"""


def run(code: str, folder: Path, program: str,
        path: str = "") -> "subprocess.CompletedProcess[str]":
    """`code` with `program`, the path of the made-up one."""
    made_up = folder / "convscale"
    made_up.write_text(program)
    made_up.chmod(0o755)
    head = f"import sys; sys.path.insert(0, {str(FOLDER)!r})\nfrom pathlib import Path\n" \
           f"program = Path({str(made_up)!r})\n"
    return subprocess.run([sys.executable, "-B", "-c", head + code], capture_output=True, text=True,
                          check=False, timeout=280, cwd=folder,
                          env={**os.environ, **({"PATH": path} if path else {})})


@pytest.mark.parametrize("compiler, code", [
    ("echo wrong >&2; exit 1", 1), ("case $* in *-Werror*) exit 1; esac", 0), ("", 77)])
def test_only_what_lacks_is_skipped(tmp_path: Path, compiler: str, code: int) -> None:
    """A library that cannot be built is a failure."""
    (tmp_path / "bin").mkdir()
    if compiler:
        (tmp_path / "bin" / "cc").write_text(f"#!/bin/sh\n{compiler}\n")
        (tmp_path / "bin" / "cc").chmod(0o755)
    (tmp_path / "bin" / "ldd").symlink_to("/bin/true")
    done = run("from shim import Shim, Unusable\ntry:\n    Shim(program, Path.cwd())\n"
               "except Unusable:\n    sys.exit(77)", tmp_path, "#!/bin/sh\n",
               str(tmp_path / "bin"))
    assert done.returncode == code, done.stderr
    assert ("faults.c cannot be built: wrong" in done.stderr) == (code == 1)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no cc here")
def test_runs_that_hang_in_hwloc_are_counted_apart(tmp_path: Path) -> None:
    done = run("import allocations, harness\nfrom shim import Shim\nreal = Shim.environment\n"
               "def environment(self, **faults):\n"
               "    return {**real(self, **faults), 'LD_PRELOAD': ''}  # the shell is not to fail\n"
               "Shim.environment = environment\n"
               "sys.argv = ['', '--program', str(program), '--kinds', 'plain', "
               "'--count', '2']\nallocations.HANGS_AFTER_S = 250\n"
               "allocations._HWLOC_HANGS_AFTER_S = 1\nallocations.main()", tmp_path, IN_HWLOC)
    assert "\nallocations: 2 runs of seed 1, exit codes: 5 2 times\n" in done.stdout, done.stderr
    assert "hwloc goes on for ever where all memory is gone: 2\n" in done.stdout
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/usr/bin/perl").exists(), reason="no perl here")
def test_a_signal_is_sent_when_it_is_handled(tmp_path: Path) -> None:
    done = run("import files, harness\ncampaign = harness.Campaign('files', 1)\n"
               "with harness.Place() as place:\n"
               "    files.nobody_reads(program, place, campaign)\ncampaign.finish()", tmp_path,
               LATE)
    assert done.stdout.startswith("files: 1 runs of seed 1, exit codes: 130 1 times\n"), done
    assert done.returncode == 0


def test_campaigns_keep_what_people_set_for_mpi(tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("HYDI_CONTROL_FD", "1")
    monkeypatch.setenv("OMPI_MCA_btl", "self,tcp")
    done = run("import harness\nprint(harness.run([program], Path.cwd()).out.decode())", tmp_path,
               "#!/bin/sh\necho $OMPI_COMM_WORLD_RANK$HYDI_CONTROL_FD$OMPI_MCA_btl\n")
    assert done.stdout.strip() == "self,tcp"
