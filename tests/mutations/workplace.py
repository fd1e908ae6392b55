# SPDX-License-Identifier: Apache-2.0
"""A copy of the sources with a build of its own, which can be put back as it was, times of files
included: to ninja nothing has happened then, and nothing is built again."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Collection, Iterable, Sequence

from checks import Built, Run, run
from convscale.cli import Error, UnsupportedError

# The clock, and how long tests take, say nothing here: optimised is only what costs time
# otherwise (kernels are, whatever the build type says). Tests are not listed when they are built,
# as a lie may crash them.
_OPTIONS = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG",
            "-DCONVSCALE_TESTS=ON", "-DCONVSCALE_CUDA=OFF", "-DCONVSCALE_WARNINGS_AS_ERRORS=OFF",
            "-DCMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE=PRE_TEST")
_BUILD_LIMIT_S = 3600.0


def source_paths(root: Path) -> list[str]:
    """The files below `root` as they lie there, changed and new ones included: those that git does
    not ignore or, where git knows nothing of them, all but what a build makes."""
    command: list[str | Path] = ["git", "-C", root, "ls-files", "-z", "--cached", "--others",
                                 "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=False).stdout
    except FileNotFoundError:
        listed = b""
    names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
    if not names:
        names = set(_files_of(root, {"build", ".git", "__pycache__"}))
    return sorted(name for name in names if (root / name).is_file())


class Workplace:
    """FOLDER/tree, the copy; FOLDER/cc, its build; FOLDER/clean, both as they are without a lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts = ("tree", "cc")
        self._clean = folder / "clean"
        self._complete = folder / "clean" / "complete"
        self.built = Built(folder / "tree", folder / "cc" / "bin")

    def copy(self, root: Path, paths: Iterable[str]) -> None:
        """Makes the copy that of `root`, and touches only what differs."""
        # CMake knows its folders and its compiler for ever.
        made_for, wanted_for = self._folder / "made_for.txt", " ".join(
            [str(self._folder), *(os.environ.get(name, "") for name in ("CXX", "CXXFLAGS"))])
        if not made_for.exists() or made_for.read_text(encoding="utf-8") != wanted_for:
            for old in (self._folder / "cc", self._clean):
                shutil.rmtree(old, ignore_errors=True)
            made_for.write_text(wanted_for, encoding="utf-8")
        if self._complete.exists():
            self.restore()  # what an interrupted run may have left
            self._complete.unlink()
        tree = self.built.tree
        wanted = set(paths)
        for path in _files_of(tree):
            if path not in wanted:
                (tree / path).unlink()
        for path in wanted:
            source, target = root / path, tree / path
            if target.is_file() and target.read_bytes() == source.read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)

    def build(self, targets: Sequence[str], log: Path) -> list[str]:
        """Configures where need be and builds `targets`; returns the errors, a line each."""
        steps: list[list[str | Path]] = [
            ["cmake", "--build", self._folder / "cc", "--target", *targets]]
        if not (self._folder / "cc" / "build.ninja").exists():
            steps.insert(0, ["cmake", "-S", self.built.tree, "-B", self._folder / "cc", *_OPTIONS])
        for step in steps:
            done = run(step, self._folder, _BUILD_LIMIT_S)
            with open(log, "a", encoding="utf-8") as file:
                file.write(done.text)
            if done.code != 0:
                return [line.replace(f"{self.built.tree}/", "") for line in _errors_of(done)]
        return []

    def keep(self) -> None:
        """What lies here now is without a lie."""
        for part in self._parts:
            _make_equal(self._folder / part, self._clean / part)
        self._complete.touch()

    def apply(self, path: str, text: str) -> None:
        (self.built.tree / path).write_text(text, encoding="utf-8")

    def restore(self) -> None:
        """Puts back what `keep` kept."""
        for part in self._parts:
            _make_equal(self._clean / part, self._folder / part)


def require_cmake() -> None:
    """Raises where a build could not even begin."""
    if shutil.which("cmake") is None:
        raise UnsupportedError("no cmake here; scripts/test.sh --mutations installs it")


def _errors_of(done: Run) -> list[str]:
    """What compilers, CMake and ninja call errors, else the last line."""
    lines = [line.strip() for line in done.text.splitlines() if line.strip()]
    errors = [line for line in lines
              if re.search(r"\berror: |undefined reference|CMake Error", line)]
    return errors or lines[-1:] or [done.end]


def _files_of(folder: Path, skipped: Collection[str] = ()) -> dict[str, os.stat_result]:
    """All files below `folder`, by their path there, but for folders that are called so."""
    found: dict[str, os.stat_result] = {}
    pending = [folder] if folder.is_dir() else []
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in skipped:
                        pending.append(Path(entry.path))
                else:
                    name = os.path.relpath(entry.path, folder)
                    found[name] = entry.stat(follow_symlinks=False)
    return found


def _make_equal(source: Path, target: Path) -> None:
    """Makes `target` hold the files of `source`, times included."""
    wanted, there = _files_of(source), _files_of(target)
    for name in there.keys() - wanted.keys():
        (target / name).unlink()
    for name, status in wanted.items():
        known = there.get(name)
        if known and (known.st_mtime_ns, known.st_size) == (status.st_mtime_ns, status.st_size):
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).unlink(missing_ok=True)
        try:
            shutil.copy2(source / name, target / name, follow_symlinks=False)
        except OSError as error:
            raise Error(f"{target / name}: {error.strerror}; {target} takes as much room as a "
                        "build") from error
