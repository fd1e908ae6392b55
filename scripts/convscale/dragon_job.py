# SPDX-License-Identifier: Apache-2.0
"""What runs inside Dragon's runtime for the kernel scipy-dragon; dragon_runtime.py starts a copy.

    dragon -s job.py FOLDER    (-m on the nodes of a Slurm job)

Reads FOLDER/request.json; writes its process's number and host to pid.txt, the seconds of each
iteration as a line of times.txt, results.npy, and at the end reply.json.
"""
from __future__ import annotations

import dragon  # noqa: F401  (before multiprocessing, which it extends)

import json
import multiprocessing
import os
import platform
import sys
from pathlib import Path

import numpy as np

from convscale.cli import Error, write_text
from convscale.pools import Job, measure
from convscale.workload import Source, make_workload


def main(folder: Path) -> None:
    write_text(folder / "pid.txt", f"{os.getpid()} {platform.node()}")
    multiprocessing.set_start_method("dragon")
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    source = Source(**request["source"])
    workload = make_workload(source)
    with open(folder / "times.txt", "w", encoding="utf-8") as times:
        measurement = measure(workload, source.stride, Job(**request["job"]),
                              lambda time_s: print(time_s, file=times, flush=True))
    if measurement.results is not None:
        np.save(folder / "results.npy", np.array(measurement.results))
    reply = {"status": measurement.status, "reason": measurement.reason,
             "setup_s": measurement.setup_s, "generation_s": workload.generation_s}
    write_text(folder / "reply.json", json.dumps(reply))


def end_with(status: str, reason: str) -> None:
    write_text(Path(sys.argv[1]) / "reply.json", json.dumps(
        {"status": status, "reason": reason, "setup_s": None, "generation_s": None}))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        end_with("interrupted", "interrupted by a signal")
    except MemoryError:
        end_with("failed", "out of memory")
    except (Error, OSError) as error:
        end_with("failed", str(error))
