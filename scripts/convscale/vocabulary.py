# SPDX-License-Identifier: Apache-2.0
"""The names that options, results files and reports share."""
from __future__ import annotations

# What is computed, by a record's fields: times of different workloads are never compared.
WORKLOAD = ("method", "scope", "dtype", "height", "width", "images", "filter_size", "stride",
            "fill", "seed", "work_time")

# How it is computed; compare.py --ignore may leave some of these out of the match. `nodes` is no
# field: it follows from the hosts of the ranks.
CONFIGURATION = ("backend", "kernel", "num_workers", "schedule", "bind", "host_memory", "device",
                 "ranks", "distribute", "nodes")

METHODS = ("full", "strided")
SCOPES = ("end-to-end", "resident")
DTYPES = ("float64", "float32")
BACKENDS = ("cpu", "cuda")  # of the program
DISTRIBUTIONS = ("scatter", "local")

# Of the baseline, scripts/baseline.py.
BASELINE_KERNELS = ("scipy-serial", "scipy-spawn", "scipy-fork", "scipy-forkserver",
                    "scipy-dragon")

CREDIBLE = 1.02  # a larger fraction of the bound is a wrong measurement
MOST_ROWS = 1000  # that lists make without --yes
