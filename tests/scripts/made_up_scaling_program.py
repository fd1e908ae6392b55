# SPDX-License-Identifier: Apache-2.0
"""Stands in for convscale in the tests of scaling.py and heatmap.py: writes made-up records.

behaviour.json beside it says what goes wrong, by a text that is somewhere in the arguments:
{"exit": {TEXT: CODE}, "skip": {TEXT: REASON}, "wait": TEXT, "finish": TEXT, "truncate": TEXT,
"version": TEXT}. wait and finish wait for an interrupt, after which wait has one row, and finish
has all.
calls.txt beside it has a line for each call that measures. MADE_UP_HOSTS, a host of each rank, is
what a made-up launcher says of ranks.
"""
from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from scaling_model import document, over, record, skipped

HERE = Path(__file__).resolve().parent


def records_of(options: dict[str, str], reason: str) -> list[dict[str, Any]]:
    lists = [options[name].split(",") for name in
             ("--backend", "--kernel", "--method", "--scope", "--dtype", "--num_workers", "--size")]
    rows = []
    for backend, kernel, method, scope, dtype, workers, size in itertools.product(*lists):
        height, width = map(int, size.split("x"))
        hosts = os.environ.get("MADE_UP_HOSTS", "here").split(",")
        made = record if not reason else lambda **fields: skipped(reason, **fields)
        if len(hosts) > 1:
            made = partial(over, len(hosts), options["--distribute"],
                           len(hosts) // len(set(hosts)))
        rows.append(made(backend=backend, kernel="avx512" if kernel == "auto" else kernel,
                         method=method, scope=scope, dtype=dtype, size=(height, width),
                         images=int(options["--mem"]) // (height * width),
                         num_workers=int(workers),
                         filter_size=int(options.get("--filter-size", "4")),
                         stride=int(options.get("--stride", "5"))))
    for row in rows:
        row["interleaved"] = "--interleave" in options and len(rows) > 1
    return rows


def main() -> int:
    args = sys.argv[1:]
    if "SLURM_PROCID" in os.environ or "PMIX_RANK" in os.environ:
        print("convscale: would be a rank of a made-up launcher", file=sys.stderr)
        return 2
    behaviour = json.loads((HERE / "behaviour.json").read_text())
    version = behaviour.get("version", "9.9.9")
    if args == ["--list"]:
        for kernel in ("avx512", "avx2", "scalar", "tiled", "vector"):
            print(f"cpu    kernel  {kernel:<8} supported\ncuda   kernel  {kernel:<8} supported")
        return 0
    if args == ["--version"]:
        print(f"convscale {version} (git abc)\nRelease build")
        return 0
    text = " ".join(args)
    with open(HERE / "calls.txt", "a", encoding="utf-8",
              errors="surrogateescape") as calls:
        calls.write(text + "\n")
    code = next((code for key, code in behaviour.get("exit", {}).items() if key in text), 0)
    if code:
        print(f"convscale: made-up failure {code}", file=sys.stderr)
        return int(code)
    options = {"--scope": "end-to-end", **dict(zip(args, args[1:] + [""]))}
    reason = next((why for key, why in behaviour.get("skip", {}).items() if key in text), "")
    made = document(records_of(options, reason), args)
    made["program"]["version"] = version
    hosts = os.environ.get("MADE_UP_HOSTS", "here").split(",")
    made.update(ranks=len(hosts), hosts=hosts if len(hosts) > 1 else None)
    interrupted: list[bool] = []
    cut_short = behaviour.get("wait") and behaviour["wait"] in text
    if cut_short or (behaviour.get("finish") and behaviour["finish"] in text):
        signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
        (HERE / "waiting.new").write_text(str(os.getpid()))
        (HERE / "waiting.new").rename(HERE / "waiting")
        end = time.monotonic() + 300
        while not interrupted and time.monotonic() < end:
            time.sleep(0.01)
    if cut_short:
        made.update(interrupted=True, records=made["records"][:1])
    whole = json.dumps(made)
    cut = behaviour.get("truncate") and behaviour["truncate"] in text
    Path(options["--json"]).write_text(whole[:len(whole) // 2] if cut else whole)
    print("a table of made-up rows")
    return 130 if cut_short else 0


if __name__ == "__main__":
    sys.exit(main())
