# SPDX-License-Identifier: Apache-2.0
"""Stands in for cmake, for the tests of tests/mutations/run.py: builds shell scripts, and does
again only what is older than what it is made of. Notes in $MADE_UP_NOTES what it compiles.

    cmake -S TREE -B OUT ...            makes OUT
    cmake --build OUT --target NAME...  makes OUT/bin/NAME of each .sh under common, cpu, cuda and
                                        bench, and of tests/NAME.sh; "static_assert TEXT" in this
                                        wants TEXT in one of those
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def is_newer(source: Path, target: Path) -> bool:
    return not target.exists() or source.stat().st_mtime_ns > target.stat().st_mtime_ns


def compiled(source: Path, target: Path) -> Path:
    if is_newer(source, target):
        with open(os.environ["MADE_UP_NOTES"], "a", encoding="utf-8") as notes:
            notes.write(f"{source.name}\n")
        checked = subprocess.run(["sh", "-n", source], capture_output=True, text=True, check=False)
        if checked.returncode != 0:
            sys.exit(f"{source.name}:1: error: {checked.stderr.strip()}")
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    return target


def build(out: Path, names: list[str]) -> None:
    tree = Path((out / "build.ninja").read_text(encoding="utf-8"))
    for name in names:
        own = tree / "tests" / f"{name}.sh"
        if not own.exists():
            sys.exit(f"ninja: error: unknown target '{name}'")
        sources = [path for folder in ("common", "cpu", "cuda", "bench")
                   for path in sorted((tree / folder).glob("*.sh"))]
        texts = "".join(path.read_text(encoding="utf-8") for path in sources)
        for wanted in re.findall(r"static_assert (.*)", own.read_text(encoding="utf-8")):
            if wanted not in texts:
                sys.exit(f"{own}:1:1: error: static assertion failed")
        objects = [compiled(path, out / f"{path.name}.o") for path in [*sources, own]]
        program = out / "bin" / name
        if any(is_newer(path, program) for path in objects):
            program.write_text("#!/bin/sh\n" + "".join(path.read_text() for path in objects))
            program.chmod(0o755)


args = sys.argv[1:]
if args[0] == "-S":
    made = Path(args[3])
    (made / "bin").mkdir(parents=True, exist_ok=True)
    (made / "build.ninja").write_text(args[1], encoding="utf-8")
else:
    build(Path(args[1]), args[3:])
