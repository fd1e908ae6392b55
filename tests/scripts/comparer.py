# SPDX-License-Identifier: Apache-2.0
"""compare.py in a folder with made-up results files, for its tests."""
from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Sequence

import pytest
from forked import Script

from convscale.cli import run_script
from convscale.compare import main

RECORD: dict[str, Any] = {
    "status": "ok", "reason": None, "warnings": [], "backend": "cpu", "kernel": "avx2",
    "method": "full", "scope": "end-to-end", "dtype": "float64", "height": 1000, "width": 1000,
    "images": 33, "filter_size": 4, "stride": 5, "fill": "random", "seed": 0, "num_workers": 2,
    "device": None, "host_memory": None, "schedule": "static", "bind": "spread", "ranks": 1,
    "distribute": None, "work_time": None, "interleaved": False, "bound": {"time_s": 0.001},
    "verification": {"status": "passed"}, "digest": "0123456789abcdef"}


def record(times: Sequence[float] = (), **fields: Any) -> dict[str, Any]:
    ordered = sorted(times)
    middle = len(times) // 2
    median = (ordered[middle] + ordered[~middle]) / 2 if times else None
    return {**copy.deepcopy(RECORD), "times_s": list(times), "median_s": median, **fields}


def around(median: float, count: int = 10, spread: float = 0.01, seed: int = 0) -> list[float]:
    """Times with a coefficient of variation of `spread`, the same for each seed."""
    rng = random.Random(seed)
    return [median * (1 + rng.gauss(0, spread)) for _ in range(count)]


class Comparer:
    """compare.py in a folder with results files."""

    script = Script("compare.py", main)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, *records: dict[str, Any], **fields: Any) -> str:
        document = {"schema_version": "1", "interrupted": False, "started_at": "2026-11-22",
                    "program": {"name": "convscale", "version": "0.2.0", "git": "abc"},
                    "host": {"name": "vm", "cpu": "a processor"}, "records": list(records),
                    "build": {"type": "Release", "compiler": "GNU", "flags": "-O3"}, **fields}
        (self.folder / name).write_text(json.dumps(document))
        return name

    def run(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """In this process, as starting a Python with SciPy takes its time."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), \
                pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(sys, "argv", ["compare.py", *args])
            patch.chdir(self.folder)
            run_script("compare.py", main)
        code = ended.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())

    def run_process(self, *args: str) -> "subprocess.CompletedProcess[str]":
        return self.script.run(*args, cwd=self.folder)

    def figures(self, *args: str, code: int = 0) -> dict[str, Any]:
        done = self.run(*args, "--json", "-")
        assert done.returncode == code, done.stderr
        figures = json.loads(done.stdout)
        assert isinstance(figures, dict)
        return figures

    def verdicts(self, *args: str, code: int = 0) -> list[str]:
        return [c["verdict"] for c in self.figures(*args, code=code)["comparisons"]]

    def usage_error(self, *args: str) -> str:
        """The line, without the script's name."""
        done = self.run(*args)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("compare.py: ")
        return done.stderr.removeprefix("compare.py: ").strip()
