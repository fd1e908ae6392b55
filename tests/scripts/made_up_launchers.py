# SPDX-License-Identifier: Apache-2.0
"""Made-up mpirun, srun, sbatch, squeue and sinfo, for the tests of scaling.py over nodes.

mpirun and srun start one made-up program with MADE_UP_HOSTS set, in place of the ranks, and note
their arguments in launches.txt. sbatch runs the script at once, unless behaviour.json beside them
says {"hold": TEXT of the script's name} (it stays in the queue), {"lose": TEXT} (it has ended, and
left nothing) or {"refuse": TEXT}. NAME.env has the environment of the last call of each.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def note(name: str, args: list[str]) -> None:
    with open(HERE / "launches.txt", "a", encoding="utf-8") as file:
        file.write(" ".join([name, *args]) + "\n")


def start(args: list[str], hosts: list[str]) -> int:
    """Runs what stands behind the launcher's options."""
    at = next(i for i, word in enumerate(args) if word.endswith("/convscale"))
    code = json.loads((HERE / "behaviour.json").read_text()).get("launcher_exit", 0)
    if code:
        return int(code)
    environment = {**os.environ, "MADE_UP_HOSTS": ",".join(hosts)}
    return subprocess.run(args[at:], env=environment, check=False).returncode


def mpirun(args: list[str]) -> int:
    if args == ["--version"]:
        print("mpirun (Open MPI) 4.1.4")
        return 0
    note("mpirun", args)
    named = args[args.index("--host") + 1].split(",")
    return start(args, [name for one in named for name, _, slots in [one.partition(":")]
                        for _ in range(int(slots))])


def srun(args: list[str]) -> int:
    if "SLURM_PMIX_FENCE" not in os.environ:
        return 128 + 11  # as a rank may end then
    note("srun", args)
    values = dict(re.findall(r"--([a-z-]+)=(\S+)", " ".join(args)))
    nodes = int(values.get("nodes") or os.environ["SLURM_NNODES"])
    per_node = int(values.get("ntasks-per-node") or os.environ["SLURM_NTASKS_PER_NODE"])
    return start(args, [f"h{node + 1}" for node in range(nodes) for _ in range(per_node)])


def sbatch(args: list[str]) -> int:
    behaviour = json.loads((HERE / "behaviour.json").read_text())
    script = Path(args[-1])
    note("sbatch", args)

    def told(what: str) -> bool:
        return what in behaviour and behaviour[what] in script.name

    if told("refuse"):
        print("sbatch: error: too many nodes", file=sys.stderr)
        return 1
    jobs = json.loads((HERE / "jobs.json").read_text()) if (HERE / "jobs.json").exists() else []
    jobs.append(told("hold"))
    (HERE / "jobs.json").write_text(json.dumps(jobs))
    print(f"{len(jobs)};cluster")
    if not told("hold") and not told("lose"):
        options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", script.read_text(), re.M))
        environment = {**os.environ, "SLURM_NNODES": options["nodes"],
                       "SLURM_NTASKS_PER_NODE": options["ntasks-per-node"]}
        with open(script.with_suffix(".txt"), "wb") as output:
            subprocess.run(["bash", script], cwd=script.parent, env=environment, stdout=output,
                           stderr=output, check=False)
    return 0


def squeue(_args: list[str]) -> int:
    path = HERE / "jobs.json"
    jobs = json.loads(path.read_text()) if path.exists() else []
    for number, held in enumerate(jobs, 1):
        waits = held and time.time() - path.stat().st_mtime < 300  # a test that fails must end
        print(f"{number}|PENDING|Resources" if waits else f"{number}|COMPLETED|None")
    return 0


def sinfo(_args: list[str]) -> int:
    print("4\n2+")
    return 0


if __name__ == "__main__":
    program = Path(sys.argv[0]).name
    (HERE / f"{program}.env").write_text(json.dumps(dict(os.environ)))
    sys.exit(globals()[program](sys.argv[1:]))
