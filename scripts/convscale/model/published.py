# SPDX-License-Identifier: Apache-2.0
"""The original's published times, as its documentation has them."""
from __future__ import annotations

from typing import NamedTuple

from convscale.model.network import Job

SOURCE = ("https://github.com/DragonHPC/dragon/blob/3304d5fbabed2b2f0213a71097eacfad096dcbc2/doc/"
          "benchmarks/scipy_image.rst")


class Published(NamedTuple):
    nodes: int
    num_workers: int
    runtime: str
    average_s: float
    std_s: float
    job: Job


DEFAULT_JOB = Job(33, 1000, 1000)  # of --mem 33554432 --size 1000
LARGE_JOB = Job(8192, 256, 256)  # of --mem 536870912 --size 256

POINTS = (
    Published(1, 4, "multiprocessing", 0.5, 0.01, DEFAULT_JOB),
    Published(1, 4, "Dragon 0.3", 0.39, 0.0, DEFAULT_JOB),
    Published(2, 4, "Dragon 0.3", 1.46, 0.02, DEFAULT_JOB),
    Published(2, 32, "Dragon 0.3", 1.34, 0.61, DEFAULT_JOB),
    Published(4, 32, "Dragon 0.3", 1.11, 0.02, DEFAULT_JOB),
    Published(64, 896, "Dragon 0.3", 1.46, 0.03, LARGE_JOB))
