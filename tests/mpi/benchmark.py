#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What ranks cost on one machine: two ranks of one worker each against one process with two, and an
iteration of `scatter` against a bare exchange of the same bytes. In turn, and with nothing else
running; prints the medians of all runs.

    benchmark.py PROGRAM [RUNS]
"""
from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterable

MPIRUN = ["mpirun", "-np", "2", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
CASES: dict[str, tuple[list[str], list[str]]] = {
    "one process": ([], []),
    "local": (MPIRUN, ["--distribute", "local"]),
    "scatter": (MPIRUN, ["--distribute", "scatter"]),
    "scatter, --bind none": (MPIRUN, ["--distribute", "scatter", "--bind", "none"])}


def measure(program: str, launcher: list[str], options: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        subprocess.run([*launcher, program, "-w", "2", "--iterations", "20", *options,
                        "--json", str(path)], check=True, capture_output=True, timeout=300)
        record: dict[str, Any] = json.loads(path.read_text())["records"][0]
        return record


def main() -> None:
    program, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    for method in ("full", "strided"):
        records: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
        for _ in range(runs):
            for case, (launcher, options) in CASES.items():
                records[case].append(measure(program, launcher, ["--method", method, *options]))
        alone = records["one process"]
        for case, own in records.items():
            text = f"{method:8} {case:21} {median(r['median_s'] for r in own) * 1e3:8.3f} ms"
            if case == "local":
                ratio = median(a["median_s"] / b["median_s"] for a, b in zip(own, alone))
                text += f"  {ratio:.3f} of one process"
            elif case.startswith("scatter"):
                bare = [r["exchanged_bytes"] / r["bound"]["network_bytes_per_s"] for r in own]
                ratio = median(b / r["median_s"] for b, r in zip(bare, own))
                text += f"  a bare exchange {median(bare) * 1e3:.3f} ms, {ratio:.3f} of it"
            print(text, flush=True)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
