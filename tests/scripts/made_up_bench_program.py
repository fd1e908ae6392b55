# SPDX-License-Identifier: Apache-2.0
"""Stands in for convscale, for the tests of bench_compare. Writes the record of template.json for
its options; behaviour.json says how long that takes, and what goes wrong. Notes each start in the
folder above. Both files are beside this one.
"""
from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
behaviour = json.loads((HERE / "behaviour.json").read_text(encoding="utf-8"))
with open(HERE.parent / "starts", "a+", encoding="utf-8") as starts:
    starts.write(json.dumps([HERE.name, options]) + "\n")
    starts.flush()
    starts.seek(0)
    count = len(starts.readlines())

if behaviour.get("hangs"):
    (HERE / "pid").write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(300)
if "signal" in behaviour:
    os.kill(os.getpid(), signal.Signals[behaviour["signal"]])
if "says" in behaviour:
    sys.stderr.write(behaviour["says"])
code = behaviour.get("code", 0)
if code not in (0, 4):
    sys.exit(code)

document = json.loads((HERE / "template.json").read_text(encoding="utf-8"))
[template] = document["records"]
document["records"] = []
for workers in options["--num_workers"].split(","):
    time_s = 0.01 * behaviour.get("times", {}).get(options["--filter-size"], 1)
    times = [time_s * (1 + 1e-3 * (count * step % 7) + 1e-6 * count) for step in (1, 2, 3)]
    side, pixels = int(options["--size"]), int(options["--mem"])
    document["records"].append({
        **template, "method": options["--method"], "dtype": options["--dtype"], "height": side,
        "width": side, "images": pixels // side**2, "filter_size": int(options["--filter-size"]),
        "stride": int(options["--stride"]), "num_workers": int(workers),
        "kernel": behaviour.get("kernel", "avx512"), "times_s": times,
        "median_s": sorted(times)[1],
        "verification": {"status": "failed" if code == 4 else "passed"}})
document["wall_s"] = 1.0
Path(options["--json"]).write_text(json.dumps(document), encoding="utf-8")
sys.exit(code)
