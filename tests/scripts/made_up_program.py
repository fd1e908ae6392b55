#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for convscale on a machine with a GPU, for the tests of gpu_report.sh.

Every figure is MADE UP, by the model below, and says nothing about any hardware. The record that it
fills in is one that the real program wrote (template.json beside this file's copy); behaviour.json
says what goes wrong.
"""
import copy
import itertools
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

HERE = Path(__file__).resolve().parent
KERNELS = {  # of the bound, by kernel_s
    "vector": {"strided": 0.9},
    "tiled": {"strided": 0.5, "full": 0.7},
    "direct": {"strided": 0.4, "full": 0.3},
    "cudnn": {"strided": 0.1, "full": 0.2},
    "brand_new": {"strided": 0.3, "full": 0.8},
}
READ, LINK, LAUNCH_S = 4e12, 5e10, 1e-5


def options_of(args: List[str]) -> Dict[str, str]:
    options = {"--backend": "cpu", "--kernel": "auto", "--method": "full", "--scope": "end-to-end",
               "--dtype": "float64", "--num_workers": "4", "--size": "1000", "--mem": "33554432",
               "--host-memory": "pinned", "--iterations": "10"}
    for name, value in zip(args, args[1:] + [""]):
        name = {"-w": "--num_workers"}.get(name, name)
        if name.startswith("--"):
            options[name] = value
    return options


def record_of(template: Dict[str, Any], options: Dict[str, str], row: Any,
              behaviour: Dict[str, Any]) -> Dict[str, Any]:
    backend, kernel, method, scope, dtype, workers = row
    r = copy.deepcopy(template)
    own = behaviour.get("kernel_with_digests_of_its_own")
    side, size = int(options["--size"]), 8 if dtype == "float64" else 4
    if kernel == "auto":
        kernel = "vector" if method == "strided" else "brand_new"
    images = int(options["--mem"]) // side**2
    r.update(backend=backend, kernel=kernel, method=method, scope=scope, dtype=dtype, height=side,
             width=side, images=images, num_workers=int(workers), warnings=["made up"],
             host_memory=options["--host-memory"], device="made-up device", balance=None,
             digest="-".join(map(str, (method, dtype, images, side, kernel == own))))
    efficiency = behaviour.get("efficiency", {}).get(kernel, KERNELS[kernel].get(method))
    if efficiency is None or (backend == "cpu" and scope == "resident"):
        r.update(status="skipped", reason="{} does not do {}".format(kernel, method), times_s=[],
                 median_s=None)
        r["verification"].update(status="skipped")
        return r
    size_bytes = images * side**2 * size
    kernel_s = size_bytes / READ / efficiency
    link_s = size_bytes / LINK
    resident = scope == "resident"
    slow = 2 if options["--host-memory"] == "pageable" else 1
    bound_s = size_bytes / READ if resident else link_s
    median_s = kernel_s + LAUNCH_S if resident else slow * link_s / 0.95
    r.update(median_s=median_s, bytes_per_s=size_bytes / median_s, cv=0.01)
    r["bound"].update(limit="memory" if resident else "transfer", time_s=bound_s, bytes=size_bytes,
                      read_bytes_per_s=READ, up_bytes_per_s=LINK, down_bytes_per_s=LINK,
                      duplex_bytes_per_s=LINK, fraction=bound_s / median_s)
    r["phases"].update(upload_s=None if resident else link_s, kernel_s=kernel_s)
    r["verification"].update(status="skipped" if "--no-verify" in options else "passed")
    if kernel == behaviour.get("wrong_kernel"):
        r.update(status="failed", reason="verification failed: made up")
        r["verification"].update(status="failed")
    return r


def stop(interrupted: threading.Event) -> None:
    """As convscale: who asks twice gets no records."""
    if interrupted.is_set():
        os._exit(143)
    interrupted.set()


def main() -> int:
    args = sys.argv[1:]
    behaviour = json.loads((HERE / "behaviour.json").read_text())
    if "CALLS" in os.environ:
        with open(os.environ["CALLS"], "a") as calls:
            calls.write("convscale {} [CUDNN_PATH={}] [LD_LIBRARY_PATH={}]\n".format(
                " ".join(args), os.environ.get("CUDNN_PATH", ""),
                os.environ.get("LD_LIBRARY_PATH", "")))
    document = json.loads((HERE / "template.json").read_text())
    options = options_of(args)
    if "--version" in options:
        print("convscale made-up")
        return 0
    if "--list" in options:
        why = behaviour.get("no_device")
        print("cpu    kernel  scalar   supported (made up)")
        print("cuda   device  0        " + ("not supported: " + why if why else "supported"))
        for kernel in KERNELS:
            print("cuda   kernel  {:<8} supported (made up)".format(kernel))
        return 0
    if behaviour.get("no_device"):
        print("convscale: --backend cuda: " + behaviour["no_device"], file=sys.stderr)
        return int(behaviour.get("code_without_device", 3))
    kernels = options["--kernel"].split(",")
    if kernels == [behaviour.get("missing_kernel")]:
        print("convscale: row 1: made-up library is missing", file=sys.stderr)
        return 3
    interrupted = threading.Event()
    hangs = behaviour.get("hanging_kernel") in kernels
    if hangs:
        signal.signal(signal.SIGTERM, lambda *_: stop(interrupted))
        if behaviour.get("deaf"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kernels = kernels[:kernels.index(behaviour["hanging_kernel"])]
        options["--kernel"] = ",".join(kernels)
        (HERE / "hangs").write_text(str(os.getpid()))
        while not interrupted.wait(0.05):
            pass
    rows = itertools.product(*(options[name].split(",") for name in (
        "--backend", "--kernel", "--method", "--scope", "--dtype", "--num_workers")))
    records = [record_of(document["records"][0], options, row, behaviour) for row in rows
               if row[0] == "cuda" and row[1]]
    if hangs:
        time.sleep(behaviour.get("seconds_to_end", 0))
    document.update(records=records, devices=[{"index": 0, "name": "made-up device"}])
    print("a table of {} made-up rows".format(len(records)))
    if "--json" in options:
        Path(options["--json"]).write_text(json.dumps(document))
    if hangs:
        return 130
    return 4 if any(r["status"] == "failed" for r in records) else 0


if __name__ == "__main__":
    sys.exit(main())
