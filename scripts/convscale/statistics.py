# SPDX-License-Identifier: Apache-2.0
"""Two samples of times: the rank test of Mann and Whitney, and what belongs to it."""
from __future__ import annotations

import functools
import math
from typing import NamedTuple, Sequence

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from convscale.samples import ROUNDING

_Array = npt.NDArray[np.float64]
_EXACT_UP_TO = 100  # samples of both sides together; beyond, the normal approximation is good


class Ratio(NamedTuple):
    """How many times as long it takes after as before, with the interval of a confidence."""

    estimate: float
    low: float  # 0 and infinity where there are too few samples for the confidence
    high: float


@functools.lru_cache(maxsize=256)
def _rank_sum_law(doubled_ranks: tuple[int, ...], chosen: int) -> _Array:
    """P(sum = s) where `chosen` of the ranks are drawn, each set as likely as any other."""
    sums = np.zeros((chosen + 1, sum(doubled_ranks) + 1))
    sums[0, 0] = 1
    for rank in doubled_ranks:
        sums[1:, rank:] += sums[:-1, :sums.shape[1] - rank]  # NumPy buffers the overlap
    law: _Array = sums[chosen] / math.comb(len(doubled_ranks), chosen)
    law.flags.writeable = False
    return law


def rank_test(before: Sequence[float], after: Sequence[float]) -> float:
    """The two-sided p-value of Mann and Whitney's test (the Wilcoxon rank-sum test).

    Exact for up to 100 samples together, ties included: of all ways to deal the midranks, the share
    whose rank sum is at least as far from its mean. The normal approximation with corrections for
    ties and continuity beyond.
    """
    m, n = len(before), len(after)
    ranks = stats.rankdata(np.concatenate([before, after]))
    if np.all(ranks == ranks[0]):
        return 1.0
    if m + n > _EXACT_UP_TO:
        return float(stats.mannwhitneyu(after, before, method="asymptotic").pvalue)
    doubled = np.rint(2 * ranks).astype(int)
    fewer = min(m, n)
    observed = int(np.sum(doubled[:m] if m <= n else doubled[m:]))
    law = _rank_sum_law(tuple(sorted(doubled.tolist())), fewer)
    mean = fewer * (m + n + 1)  # of the doubled sum
    far = np.abs(np.arange(len(law)) - mean) >= abs(observed - mean)
    return float(min(1.0, np.sum(law[far])))


def least_p(m: int, n: int) -> float:
    """The smallest p-value that `rank_test` can give for m and n samples: that of two samples of
    which one is wholly above the other."""
    return float(min(1.0, 2 / special.binom(m + n, m)))


def samples_needed(alpha: float) -> int:
    """The least number of samples a side that can give a p-value of `alpha` at all."""
    n = 1
    while least_p(n, n) > alpha:
        n += 1
    return n


def cliffs_delta(before: Sequence[float], after: Sequence[float]) -> float:
    """P(after > before) - P(after < before) over all pairs (Cliff, 1993): -1 to 1."""
    ordered = np.sort(np.asarray(before, np.float64))
    below = np.searchsorted(ordered, after, side="left").sum()  # pairs in which after is larger
    above = (len(before) - np.searchsorted(ordered, after, side="right")).sum()
    return float(int(below) - int(above)) / (len(before) * len(after))


def hodges_lehmann(before: Sequence[float], after: Sequence[float], confidence: float) -> Ratio:
    """The median of all ratios after / before, and the interval of the ratios that `rank_test`
    would not reject: the estimator of Hodges and Lehmann and Moses' interval, on logarithms
    (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 4.2 and 4.3).

    All times are above 0.
    """
    x, y = np.sort(np.log(before)), np.sort(np.log(after))
    pairs = len(x) * len(y)
    middle = [_kth_difference(x, y, k) for k in {(pairs + 1) // 2, pairs // 2 + 1}]
    estimate = math.exp(sum(middle) / len(middle))
    k = _rank_of_bound(len(x), len(y), confidence)
    if k == 0:
        return Ratio(estimate, 0.0, math.inf)
    return Ratio(estimate, math.exp(_kth_difference(x, y, k)),
                 math.exp(_kth_difference(x, y, pairs + 1 - k)))


def _kth_difference(x: _Array, y: _Array, k: int) -> float:
    """The k-th smallest (from 1) of all y - x, to some 1e-15. Both are sorted. Bisects, as millions
    of iterations would make more pairs than memory holds."""
    low, high = float(y[0] - x[-1]), float(y[-1] - x[0])
    low -= 1e-15 * max(1.0, abs(low))
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high or high - low < 1e-15:
            break
        # Pairs with y - x <= middle.
        if int((len(x) - np.searchsorted(x, y - middle, side="left")).sum()) >= k:
            high = middle
        else:
            low = middle
    return high


def _rank_of_bound(m: int, n: int, confidence: float) -> int:
    """Largest k such that the k-th smallest and largest of the m n differences bound the interval;
    0 if there is none."""
    tail = (1 - confidence) / 2 * ROUNDING
    if m + n > _EXACT_UP_TO:
        z = float(stats.norm.ppf(1 - tail))
        return max(0, math.floor(m * n / 2 - z * math.sqrt(m * n * (m + n + 1) / 12)))
    fewer = min(m, n)
    # U = k where the doubled rank sum is 2 k + fewer (fewer + 1); P(U < k) <= tail.
    law = _rank_sum_law(tuple(range(2, 2 * (m + n) + 1, 2)), fewer)
    cumulated = np.cumsum(law[fewer * (fewer + 1)::2])
    return int(np.searchsorted(cumulated, tail, side="right"))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being many (Holm, 1979): at most `alpha` where the family's
    probability of a false finding stays under `alpha`."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted
