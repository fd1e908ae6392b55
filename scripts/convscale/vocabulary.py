# SPDX-License-Identifier: Apache-2.0
"""The names that options, results files and reports share."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

# The fields of a record in their order, as the program declares them: JSON Schema, beside which
# `option` names the option that sets a field, and `default` is its value without.
_SCHEMA = json.loads((Path(__file__).parent / "results.schema.json").read_text(encoding="utf-8"))
_RECORD = _SCHEMA["properties"]["records"]["items"]
FIELDS: Mapping[str, Mapping[str, Any]] = _RECORD["properties"]

# What is computed, by a record's fields: times of different workloads are never compared.
WORKLOAD: tuple[str, ...] = ("method", "scope", "dtype", "height", "width", "images",
                             "filter_size", "stride", "fill", "seed", "work_time")

# How it is computed; compare.py --ignore may leave some of these out of the match. `nodes` is no
# field: it follows from the hosts of the ranks.
CONFIGURATION = ("backend", "kernel", "num_workers", "schedule", "bind", "host_memory", "device",
                 "ranks", "distribute", "nodes")

# How long and how exactly it is measured: no part of what is compared.
_EFFORT = ("iterations", "burns", "interleaved", "min_time_s", "max_noise", "timeout_s")

# Options that none of these lists knows, with the values that they have in files from before there
# was such an option. They are taken for part of the workload.
NEWER = {name: field["default"] for name, field in FIELDS.items()
         if "option" in field and name not in (*WORKLOAD, *CONFIGURATION, *_EFFORT)}
WORKLOAD = (*WORKLOAD, *NEWER)


def _names(field: str) -> tuple[str, ...]:
    return tuple(name for name in FIELDS[field]["enum"] if name is not None)


METHODS, SCOPES, DTYPES = _names("method"), _names("scope"), _names("dtype")
DISTRIBUTIONS = _names("distribute")
BACKENDS = ("cpu", "cuda")  # of the program

# Of the baseline, scripts/baseline.py.
BASELINE_KERNELS = ("scipy-serial", "scipy-spawn", "scipy-fork", "scipy-forkserver",
                    "scipy-dragon")

CREDIBLE = 1.02  # a larger fraction of the bound is a wrong measurement
MOST_ROWS = 1000  # that lists make without --yes
