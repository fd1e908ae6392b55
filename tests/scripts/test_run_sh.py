# SPDX-License-Identifier: Apache-2.0
"""run.sh --baseline with a made-up program and no build: what it refuses, and whose results it
puts beside the baseline's."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PREPARE = """build_packages=()
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
say() { echo "run.sh: $*" >&2; }
make_build_folder() { :; }
require_packages() { :; }
build() { echo built >>"$root/log"; }
"""
# Writes what $RESULTS names to the file behind --json, unless it is empty; exits with $CODE.
PROGRAM = """#!/bin/sh
echo "ran $*" >>"$0.log"
for option; do
  if [ "$before" = --json ]; then file=$option; fi
  case $option in --json=*) file=${option#*=} ;; esac
  before=$option
done
if [ -n "$RESULTS" ]; then cat "$RESULTS" >"$file"; fi
exit "$CODE"
"""
SMALL = ("--size", "20", "--mem", "800", "--iterations", "1")


class Runner:
    """A copy of run.sh in a folder of its own."""

    def __init__(self, scripts: Path, folder: Path) -> None:
        self.folder = folder
        (folder / "scripts").mkdir()
        for name in ("run.sh", "baseline.py"):
            shutil.copy(scripts / name, folder / "scripts" / name)
        (folder / "scripts" / "convscale").symlink_to(scripts / "convscale")
        (folder / "scripts" / "prepare.sh").write_text(PREPARE)
        self.program = folder / "build/release/bin/convscale"
        self.program.parent.mkdir(parents=True)
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def run(self, *options: object, code: int = 0,
            results: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.folder / "scripts/run.sh", "--baseline=scipy-serial", *map(str, options)],
            capture_output=True, text=True, check=False, timeout=240, cwd=self.folder,
            env={**os.environ, "CODE": str(code), "RESULTS": results})

    @property
    def has_run(self) -> bool:
        return (self.folder / "build/release/bin/convscale.log").exists()


@pytest.fixture(name="runner")
def make_runner(scripts: Path, tmp_path: Path) -> Runner:
    return Runner(scripts, tmp_path)


@pytest.fixture(name="results")
def make_results(program: Path, tmp_path: Path) -> str:
    """A file that the real program wrote."""
    path = tmp_path / "results.json"
    subprocess.run([program, *SMALL, "-w", "1", "--quiet", "--json", path], check=True,
                   capture_output=True)
    return str(path)


@pytest.mark.parametrize("given", [(), ("--json=own.json",)])
def test_the_programs_results_are_beside_the_baselines(runner: Runner, results: str,
                                                       given: tuple[str, ...]) -> None:
    done = runner.run(*SMALL, *given, results=results)
    assert done.returncode == 0, done.stderr
    kernel = json.loads(Path(results).read_text())["records"][0]["kernel"]
    assert kernel in done.stdout and "scipy-serial" in done.stdout
    assert (runner.folder / "own.json").exists() == bool(given)


@pytest.mark.parametrize("code", [0, 3])
def test_a_file_of_an_earlier_run_is_not_shown(runner: Runner, results: str, code: int) -> None:
    shutil.copy(results, runner.folder / "own.json")
    done = runner.run(*SMALL, "--json", "own.json", code=code)
    assert (done.returncode, done.stdout) == (code, "")
    assert runner.has_run


def test_a_failure_with_results_is_shown(runner: Runner, results: str) -> None:
    done = runner.run(*SMALL, code=5, results=results)
    assert done.returncode == 5 and "scipy-serial" in done.stdout


@pytest.mark.parametrize("options", [("--json", "-"), ("--csv=-",)])
def test_standard_output_is_the_tables(runner: Runner, options: tuple[str, ...]) -> None:
    done = runner.run(*SMALL, *options)
    assert (done.returncode, done.stdout) == (2, "") and not runner.has_run
    assert done.stderr == (f"run.sh: {' '.join(options).replace('=', ' ')} beside --baseline: "
                           "standard output has the table; give a file\n")


def test_a_bad_kernel_is_found_first(runner: Runner) -> None:
    done = subprocess.run([runner.folder / "scripts/run.sh", "--baseline=scipy-spwan", *SMALL],
                          capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout) == (2, "") and not runner.has_run
    assert done.stderr.startswith("baseline.py: --kernel scipy-spwan: expected one of scipy-serial")


@pytest.mark.parametrize("options", [("--method=strided",), ("--scope", "resident")])
def test_what_a_pool_does_not_do_is_refused(runner: Runner, options: tuple[str, ...]) -> None:
    done = runner.run(*SMALL, *options)
    assert done.returncode == 2
    assert "beside --baseline: a pool runs method full, end to end" in done.stderr
    assert not runner.has_run
