# SPDX-License-Identifier: Apache-2.0
"""bench_compare.sh in small repositories, whose CMake project copies a made-up program: what it
builds, what it keeps, and what it leaves behind."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from comparer import Comparer, record

ONE = "full-f64-k4-s5-64"
# Builds for as long as there is a file `slow`, and says what it was configured with.
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES NONE)
set(CMAKE_CXX_COMPILER "$ENV{CXX}" CACHE STRING "")
set(CMAKE_CXX_FLAGS "$ENV{CXXFLAGS}" CACHE STRING "")
set(CONVSCALE_TESTS ON CACHE BOOL "")
set(CONVSCALE_EXTRA none CACHE STRING "")
file(WRITE ${PROJECT_BINARY_DIR}/facts "${CMAKE_CXX_COMPILER} ${CMAKE_CXX_FLAGS} "
  "${CONVSCALE_TESTS} ${CONVSCALE_EXTRA}")
add_custom_target(convscale COMMAND sh -e ${PROJECT_SOURCE_DIR}/build.sh
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
"""
BUILD = """if [ -e slow ]; then touch building; sleep 300; fi
mkdir -p build/release/bin
cp convscale template.json behaviour.json build/release/bin
"""
PRESETS = {"version": 6, "configurePresets": [
    {"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}"}],
    "buildPresets": [{"name": "release", "configurePreset": "release"}]}


class Tree:
    """A checkout with two commits; times of the program are those of its behaviour.json."""

    def __init__(self, scripts: Path, folder: Path) -> None:
        self.folder = folder
        (folder / "scripts").mkdir(parents=True)
        for name in ("bench_compare.sh", "bench_compare.py"):
            shutil.copy(scripts / name, folder / "scripts" / name)
        (folder / "scripts/convscale").symlink_to(scripts / "convscale")
        # Which packages are here is not what is tested.
        (folder / "scripts/prepare.sh").write_text((scripts / "prepare.sh").read_text()
                                                   + "\nrequire_packages() { :; }\n")
        made_up = Path(__file__).with_name("made_up_bench_program.py").read_text()
        self.write("convscale", f"#!/usr/bin/env -S python3 -BSE\n{made_up}").chmod(0o755)
        Comparer(folder).file("template.json", record())
        self.write("CMakeLists.txt", PROJECT)
        self.write("CMakePresets.json", json.dumps(PRESETS))
        self.write("build.sh", BUILD)
        self.write(".gitignore", "build/\n")
        self.let(times={"4": 1})
        self.git("init", "--quiet")
        self.commit("first")
        self.write("more", "text")
        self.commit("second")

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def let(self, **behaviour: Any) -> None:
        self.write("behaviour.json", json.dumps(behaviour))

    def git(self, *args: object) -> str:
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=b", *map(str, args)], cwd=self.folder,
            capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD")

    def start(self, *options: object, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.folder / "scripts/bench_compare.sh", *map(str, options)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder, process_group=0,
            env={**os.environ, "CXX": "", "CXXFLAGS": "", **environment})

    def run(self, *options: object, code: int, **environment: str) -> tuple[str, str]:
        """Standard output and error; with one workload, if it comes to that."""
        with self.start("--only", ONE, *options, **environment) as process:
            out, err = process.communicate(timeout=240)
        assert process.returncode == code, (out, err)
        self.is_clean()
        return out, err

    def is_clean(self) -> None:
        """Nothing of the other revision shows, nor is it half-made."""
        assert self.git("worktree", "list").count("\n") == 0
        assert list(self.folder.glob("build/compare/*.partial")) == []
        assert "build" not in self.git("status", "--porcelain", "--untracked-files=all")

    def base(self, revision: str) -> Path:
        commit = self.git("rev-parse", f"{revision}^{{commit}}")
        return self.folder / "build/compare" / commit[:12]


@pytest.fixture(name="tree")
def make_tree(scripts: Path, tmp_path: Path) -> Tree:
    return Tree(scripts, tmp_path / "a tree")


# --- What is compared


def test_the_working_tree_is_what_is_measured(tree: Tree) -> None:
    tree.let(times={"4": 1.3})
    out, err = tree.run("HEAD", code=1)  # it is not committed
    assert f"slower   {ONE}" in out and "\nThe rounds' results: build/compare/results\n" in out
    head = tree.git("rev-parse", "HEAD")
    assert f"before is HEAD ({head[:12]}), after is this working tree" in err
    tree.let(times={"4": 0.7})
    assert f"faster   {ONE}" in tree.run(head[:8], code=0)[0]
    starts = (tree.base("HEAD") / "build/release/starts").read_text()
    assert len(starts.splitlines()) == 10  # five rounds, twice, in the same folder


def test_options_reach_the_programs_and_the_judge(tree: Tree) -> None:
    tree.let(times={"4": 1.04})
    out, _ = tree.run("--threshold=9%", "--rounds", "6", "HEAD~1", "--", "--seed", "3", code=0)
    assert f"same     {ONE}" in out and "6 runs a side" in out
    for folder in (tree.folder, tree.base("HEAD~1")):
        starts = (folder / "build/release/starts").read_text().splitlines()
        assert len(starts) == 6 and '"--seed": "3"' in starts[0]


def test_both_are_built_alike(tree: Tree) -> None:
    facts = Path("build/release/facts")
    tree.run("HEAD~1", code=0, CXX="/opt/a compiler", CXXFLAGS="-g -DA=1")
    built = (tree.folder / facts).read_text()
    assert built == "/opt/a compiler -g -DA=1 OFF none"
    assert (tree.base("HEAD~1") / facts).read_text() == built
    # By hand, and none of the environment any more: what the build has counts.
    subprocess.run(["cmake", "--fresh", "--preset", "release", "-DCONVSCALE_EXTRA=a;b",
                    "-DCMAKE_CXX_COMPILER=other"], cwd=tree.folder, check=True, capture_output=True)
    (tree.folder / "build/release/environment.txt").write_text(
        "CXX= CXXFLAGS= CUDACXX= CUDAFLAGS=\n")
    _, err = tree.run("HEAD~1", code=0)
    assert (tree.base("HEAD~1") / facts).read_text() == "other  OFF a;b"
    assert err.count("are others than before: all is built anew") == 1


def test_in_a_hook_and_in_a_worktree(tree: Tree, tmp_path: Path) -> None:
    """A hook has variables about that name a repository; a worktree's .git is a file."""
    other = tmp_path / "other"
    tree.git("init", "--quiet", other)
    tree.run("HEAD~1", code=0, GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other))
    worktree = tmp_path / "worktree"
    tree.git("worktree", "add", "--quiet", worktree)
    done = subprocess.run([worktree / "scripts/bench_compare.sh", "--only", ONE, "HEAD~1"],
                          capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done
    assert tree.git("worktree", "list").count("\n") == 1


def test_the_list_needs_no_base_and_builds_nothing(tree: Tree) -> None:
    assert tree.run("--list", code=0) == (f"{ONE}\n", "")
    assert list((tree.folder / "build").iterdir()) == []


# --- What goes wrong


@pytest.mark.parametrize("options, line", [
    ([], "bench_compare.sh: BASE, the revision to compare with, is missing; scripts/"),
    (["HEAD", "HEAD~1"], "bench_compare.sh: HEAD~1: a second BASE; options of the program follow "),
    (["-w", "2", "HEAD"], "bench_compare.sh: -w: no such option; options of the program follow --"),
    (["HEAD", "--only"], "bench_compare.sh: --only: a value is missing; scripts/bench_compare.sh"),
    (["HEAD", "--only", "k("], "bench_compare.py: --only k(: is no regular expression"),
    (["HEAD", "--rounds=2"], "bench_compare.py: --rounds 2: no times could call a record faster"),
    (["HEAD", "--", "--size", "9"], "bench_compare.py: --size behind --: each workload sets it; "),
    (["nowhere"], "bench_compare.sh: nowhere: no such revision here; give a commit, branch or tag"),
    (["HEAD^{tree}"], "bench_compare.sh: HEAD^{tree}: no such revision here; give a commit"),
    (["HEAD HEAD~1"], "bench_compare.sh: HEAD HEAD~1: no such revision here; give a commit")])
def test_what_is_wrong_is_said_before_anything_is_built(tree: Tree, options: list[str],
                                                        line: str) -> None:
    out, err = tree.run(*options, code=2)
    assert out == "" and err.count("\n") == 1 and err.startswith(line), err
    assert list((tree.folder / "build").glob("*")) == []


@pytest.mark.parametrize("inside", [False, True])
def test_no_checkout(tree: Tree, tmp_path: Path, inside: bool) -> None:
    """As it comes out of an archive, also where that lies in another repository."""
    shutil.rmtree(tree.folder / ".git")
    if inside:
        subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with tree.start("HEAD") as process:
        _, err = process.communicate(timeout=240)
    assert process.returncode == 5 and err.count("\n") == 1, err
    assert f"{tree.folder}: is not a git checkout, so there is no other revision of it" in err


def test_a_base_that_cannot_be_built(tree: Tree) -> None:
    (tree.folder / "CMakeLists.txt").write_text("message(FATAL_ERROR no)\n")
    bad = tree.commit("bad")
    tree.git("revert", "--no-edit", "HEAD")
    out, err = tree.run(bad, code=5)
    assert out == "" and "CMake Error at CMakeLists.txt:1" in err
    assert err.endswith(f"{tree.base(bad)}/build/release.log)\n")
    tree.run("HEAD", code=0)


def test_a_base_whose_files_are_not_there(tree: Tree) -> None:
    """An object is lost; and what an earlier try has left is no clone."""
    lost = tree.git("rev-parse", "HEAD:more")
    path = tree.folder / ".git/objects" / lost[:2] / lost[2:]
    kept = path.read_bytes()
    path.unlink()
    partial = tree.base("HEAD").with_suffix(".partial")
    partial.mkdir(parents=True)
    (partial / "left").touch()
    out, err = tree.run("HEAD", code=5)
    assert out == "" and lost in err and "failed: git clone" in err
    path.write_bytes(kept)
    tree.run("HEAD", code=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_the_base_is_built(tree: Tree, number: signal.Signals) -> None:
    tree.write("slow", "")
    slow = tree.commit("slow")
    tree.git("rm", "--quiet", "slow")
    tree.commit("quick")
    with tree.start("--only", ONE, slow) as process:
        while not (tree.base(slow) / "building").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and out == ""
    tree.is_clean()
    (tree.base(slow) / "slow").unlink()
    tree.run(slow, code=0)


def test_a_program_that_fails(tree: Tree) -> None:
    tree.let(code=3, says="convscale: not here\n")
    _, err = tree.run("HEAD", code=3)
    assert err.endswith(f"bench_compare.py: after, {ONE}: the program ended with exit code 3: "
                        "convscale: not here\n")
