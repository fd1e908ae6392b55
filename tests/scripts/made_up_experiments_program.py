# SPDX-License-Identifier: Apache-2.0
"""Stands in for convscale in the tests of experiments.py: rank 0 writes made-up records at once.

behaviour.json beside it says what goes wrong, by a text that is somewhere in the arguments:
{"exit": {TEXT: CODE}, "silent": TEXT, "fail": TEXT, "wrong": TEXT, "skip": TEXT, "interrupt": TEXT,
"fast": TEXT (faster than the hardware allows), "version": TEXT, "mpi": TEXT}.
"""
from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def record(options: dict[str, str], method: str, ranks: int) -> dict[str, Any]:
    side = int(options["--size"])
    images = int(options["--mem"]) // side**2
    workers = int(options["--num_workers"])
    median = 1e-3 * images / workers * (1 if method == "full" else 0.5)
    hosts = [f"n{rank + 1}" for rank in range(ranks)]
    return {"status": "ok", "reason": None, "warnings": [], "backend": options["--backend"],
            "kernel": "made-up", "method": method, "scope": "end-to-end", "dtype": "float64",
            "height": side, "width": side, "images": images, "filter_size": 4, "stride": 5,
            "fill": options["--fill"], "seed": 0, "num_workers": workers,
            "times_s": [median] * int(options["--iterations"]), "median_s": median, "cv": 0.01,
            "images_per_s": images / median, "work_time": None,
            "bound": {"limit": "memory", "time_s": median / 2, "fraction": 0.5},
            "ranks": ranks, "distribute": options.get("--distribute"),
            "communication_share": 0.25 if ranks > 1 else None,
            "fastest_rank": {"rank": 0, "host": "n1", "run_s": median} if ranks > 1 else None,
            "slowest_rank": {"rank": ranks - 1, "host": hosts[-1], "run_s": 1.5 * median}
            if ranks > 1 else None,
            "per_rank": [{"rank": rank, "host": host} for rank, host in enumerate(hosts)]
            if ranks > 1 else None}


def main() -> int:
    args = sys.argv[1:]
    behaviour = json.loads((HERE / "behaviour.json").read_text())
    if args == ["--version"]:
        print(f"convscale {behaviour.get('version', '9.9.9')} (git abc)\nRelease build, "
              f"{behaviour.get('mpi', 'made-up MPI')}, flags")
        return 0
    text = " ".join(args)
    ranks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if int(os.environ.get("SLURM_PROCID", "0")) > 0:
        return 0
    with open(HERE / "calls.txt", "a", encoding="utf-8") as calls:
        calls.write(text + "\n")
    print("a table of made-up rows", flush=True)

    def is_told(what: str) -> bool:
        return what in behaviour and behaviour[what] in text

    code = next((code for key, code in behaviour.get("exit", {}).items() if key in text), 0)
    if code:
        if not is_told("silent"):
            print(f"convscale: made-up failure {code}", file=sys.stderr)
        print("convscale: warning: made-up", file=sys.stderr)
        return int(code)
    options = dict(zip(args, args[1:]))
    records = [record(options, method, ranks) for method in options["--method"].split(",")]
    if is_told("fast"):
        records[0]["bound"]["fraction"] = 1.05
    for what, status in (("fail", "failed"), ("skip", "skipped")):
        if is_told(what):
            records[0].update(status=status, reason=f"made-up reason, {status}", median_s=None,
                              times_s=[])
    if is_told("wrong"):
        records[0].update(status="failed", reason="made-up reason, wrong",
                          verification={"status": "failed"})
    Path(options["--json"]).write_text(json.dumps({
        "schema_version": "1", "program": {"name": "convscale", "git": "abc", "argv": sys.argv,
                                           "version": behaviour.get("version", "9.9.9")},
        "started_at": "2030-01-02T03:04:05Z", "wall_s": 1.5, "interrupted": is_told("interrupt"),
        "build": {"type": "Release"}, "host": {"name": "n1"}, "devices": [], "ranks": ranks,
        "hosts": None, "records": records, "break_even": []}))
    return 5 if is_told("fail") else 130 if is_told("interrupt") else 0


if __name__ == "__main__":
    sys.exit(main())
