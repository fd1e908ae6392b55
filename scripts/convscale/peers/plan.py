# SPDX-License-Identifier: Apache-2.0
"""How a peer is timed: numbers of copies and passes, and the time of a pass. Pure functions."""
from __future__ import annotations

import math
from typing import NamedTuple

WARM_UP_S = 0.1  # of work, until the clocks are up
LEAST_SAMPLES = 10  # of the time on the device
MOST_COPIES = 64  # of the inputs

_CACHES = 4  # how many times the second-level cache the inputs of all copies are at least
_BATCH_S = 0.02
_ALONE_S = 0.01  # beside a pass of this length, the gap behind its launch does not count
_MOST_PASSES = 1000  # in a batch: a driver's queue of launches has an end


class Batches(NamedTuple):
    """Passes that are queued between two events: two numbers of them, and their difference counts;
    or one number alone, with a `short` of 0."""

    short: int
    long: int


def copies_of(input_bytes: int, l2_bytes: int) -> int:
    """So many that passes over each in turn find none of their data in the cache."""
    return min(MOST_COPIES, _CACHES * l2_bytes // input_bytes + 1)


def may_stay_in_cache(input_bytes: int, l2_bytes: int) -> bool:
    """Whether even MOST_COPIES are too few for that."""
    return MOST_COPIES * input_bytes <= _CACHES * l2_bytes


def batches_of(pass_s: float) -> Batches:
    """For passes that take about so long."""
    if pass_s >= _ALONE_S:
        return Batches(0, 1)
    long = _MOST_PASSES
    if pass_s * _MOST_PASSES > _BATCH_S:
        long = max(2, math.ceil(_BATCH_S / pass_s))
    return Batches(max(1, long // 4), long)


def seconds_of_pass(batches: Batches, short_s: float, long_s: float) -> float:
    """From what both took: the slope, which holds nothing of what a batch costs once. Where a
    disturbance made the short batch the longer one, the mean of the long one."""
    slope = (long_s - short_s) / (batches.long - batches.short)
    return slope if batches.short and slope > 0 else long_s / batches.long
