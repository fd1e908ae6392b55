# SPDX-License-Identifier: Apache-2.0
"""Figures of one sample of times. Needs NumPy alone, as do the scripts that travel to other nodes.
"""
from __future__ import annotations

import math
from typing import NamedTuple, Optional, Sequence

import numpy as np
import numpy.typing as npt

ROUNDING = 1 + 1e-9  # a probability of 0.05 that was summed up counts as 0.05


class Interval(NamedTuple):
    low: float
    high: float


class Summary(NamedTuple):
    """Figures of one sample, by the program's definitions."""

    mean: float
    std: float  # of the population, as numpy.std
    min: float
    median: float
    max: float
    cv: float
    outliers: int
    median_interval: Optional[Interval]


def summarise(samples: Sequence[float]) -> Summary:
    """`samples` is not empty."""
    values = np.asarray(samples, np.float64)
    mean, std = float(np.mean(values)), float(np.std(values))
    return Summary(mean, std, float(np.min(values)), float(np.median(values)),
                   float(np.max(values)), std / mean if mean > 0 else 0.0, count_outliers(samples),
                   interval_of_median(samples))


def count_outliers(samples: Sequence[float]) -> int:
    """Samples with a modified z-score over 3.5 (Iglewicz and Hoaglin, 1993); none where the median
    absolute deviation is 0."""
    deviations = np.abs(np.asarray(samples, np.float64) - np.median(samples))
    mad = float(np.median(deviations))
    return int(np.count_nonzero(0.6745 * deviations / mad > 3.5)) if mad > 0 else 0


def interval_of_median(samples: Sequence[float], confidence: float = 0.95) -> Optional[Interval]:
    """Order statistics x_(k) and x_(n-k+1), whatever the distribution, with the largest k such that
    P(B(n, 1/2) < k) <= (1 - confidence) / 2 (David and Nagaraja, Order Statistics, 7.1).

    None where there are too few samples for the confidence: under six for 95 %.
    """
    tail = (1 - confidence) / 2 * ROUNDING
    n = len(samples)
    k = int(np.searchsorted(_binomial_law(n), tail, side="right"))
    if k == 0:
        return None
    ordered = sorted(samples)
    return Interval(float(ordered[k - 1]), float(ordered[n - k]))


def _binomial_law(n: int) -> npt.NDArray[np.float64]:
    """P(B(n, 1/2) <= k) for k = 0 to n - 1: sums of quotients' logarithms, as 2^-n may be 0."""
    steps = np.arange(1, n, dtype=np.float64)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n + 1 - steps) / steps))])
    law: npt.NDArray[np.float64] = np.cumsum(np.exp(logs - n * math.log(2)))
    return law
