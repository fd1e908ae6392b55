# SPDX-License-Identifier: Apache-2.0
"""Stands in for sbatch and squeue in the tests of experiments.py: jobs run as they are
submitted, in the foreground.

slurm.json beside it says what goes wrong, by the experiment's name: {"refuse": NAME (by the check),
"reject": NAME (when it is submitted), "hold": NAME (it stays in the queue), "lose": NAME (it ends
without running), "silent": true (squeue does not answer), "forget": true (squeue knows no jobs)}.
jobs.json beside it holds the state of each job, and "sbatch --parsable.env" and the like the
environment of the last call with that first argument.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def name_of(script: str) -> str:
    found = re.search(r"--job-name=convscale-(\S+)", script)
    return found[1] if found else ""


def option_of(script: str, name: str) -> str:
    found = re.search(rf'^#SBATCH "?--{name}=(.*?)"?$', script, re.MULTILINE)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else ""


def sbatch(args: list[str], told: dict[str, str]) -> int:
    if args == ["--test-only"]:
        if name_of(sys.stdin.read()) == told.get("refuse"):
            print("sbatch: error: invalid partition specified: nowhere\nallocation failure: "
                  "Invalid partition name specified", file=sys.stderr)
            return 1
        return 0
    assert args[0] == "--parsable", args
    script = Path(args[1]).read_text()
    name = name_of(script)
    if name == told.get("reject"):
        print("sbatch: error: Batch job submission failed: too many jobs", file=sys.stderr)
        return 1
    jobs = json.loads((HERE / "jobs.json").read_text())
    number = 100 + len(jobs)
    state = "COMPLETED|None"
    if name == told.get("hold"):
        state = "PENDING|Resources"
    elif name == told.get("lose"):
        state = "NODE_FAIL|None"
    else:
        folder = option_of(script, "chdir")
        with open(option_of(script, "output").replace("%%", "%"), "wb") as output:
            code = subprocess.run(["bash", args[1]], cwd=folder, stdout=output, stderr=output,
                                  check=False).returncode
        state = "COMPLETED|None" if code == 0 else "FAILED|NonZeroExitCode"
    jobs[number] = state
    (HERE / "jobs.json").write_text(json.dumps(jobs))
    print(f"{number};cluster")
    return 0


def squeue(args: list[str], told: dict[str, str]) -> int:
    if told.get("silent"):
        print("slurm_load_jobs error: Unable to contact slurm controller", file=sys.stderr)
        return 1
    jobs = json.loads((HERE / "jobs.json").read_text())
    asked = args[-1].removeprefix("--jobs=").split(",")
    known = [] if told.get("forget") else [number for number in asked if number in jobs]
    if not known:
        print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
        return 1
    for number in known:
        print(f"{number}|{jobs[number]}")
    return 0


def main() -> int:
    program = Path(sys.argv[0]).name
    told = json.loads((HERE / "slurm.json").read_text())
    with open(HERE / "slurm_calls.txt", "a", encoding="utf-8") as calls:
        calls.write(f"{program} {' '.join(sys.argv[1:])}\n")
    args = sys.argv[1:]
    (HERE / f"{' '.join([program, *args[:1]])}.env").write_text(json.dumps(dict(os.environ)))
    return sbatch(args, told) if program == "sbatch" else squeue(args, told)


if __name__ == "__main__":
    sys.exit(main())
