# SPDX-License-Identifier: Apache-2.0
"""convscale.samples and convscale.statistics against published figures, brute force, SciPy, and
simulated data."""
from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from scipy import stats

from convscale import samples
from convscale import statistics as s

SEED = random.SystemRandom().randrange(2**32)  # printed with a failure, as a parameter's name


def brute_force_p(before: list[float], after: list[float]) -> float:
    """Over all ways to deal the values to the two sides."""
    ranks = stats.rankdata(before + after)
    mean = len(before) * (len(ranks) + 1) / 2
    observed = abs(sum(ranks[:len(before)]) - mean)
    sums = [sum(deal) for deal in itertools.combinations(ranks, len(before))]
    return float(sum(abs(value - mean) >= observed - 1e-9 for value in sums)) / len(sums)


# --- One sample


def test_summary_has_the_programs_definitions() -> None:
    summary = samples.summarise([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 100.0])
    assert summary.mean == 16
    assert summary.std == pytest.approx(np.std([1, 2, 3, 4, 5, 6, 7, 100]))
    assert (summary.min, summary.median, summary.max) == (1, 4.5, 100)
    assert summary.cv == pytest.approx(summary.std / 16)
    assert summary.outliers == 1
    assert summary.median_interval == (1, 100)


def test_one_time_is_a_sample() -> None:
    assert samples.summarise([0.5]) == (0.5, 0, 0.5, 0.5, 0.5, 0, 0, None)


def test_outliers_are_those_over_3_5_mads() -> None:
    # Median 0 and MAD 1: the score is 0.6745 |x|, 3.5 at 5.189.
    base = [-1.0, -1.0, 0.0, 1.0, 1.0]
    assert samples.count_outliers([*base, -5.18, 5.18]) == 0
    assert samples.count_outliers([*base, -5.2, 5.2]) == 2
    assert samples.count_outliers([1.0, 1.0, 1.0, 9.0]) == 0  # the MAD is 0


@pytest.mark.parametrize("n,low,high", [(6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (20, 6, 15),
                                        (25, 8, 18), (50, 18, 33)])
def test_interval_of_the_median(n: int, low: int, high: int) -> None:
    # The tables of the sign test, such as Conover, Practical Nonparametric Statistics, 3.2.
    assert samples.interval_of_median([float(i) for i in range(n, 0, -1)]) == (low, high)


def test_interval_of_the_median_needs_six() -> None:
    assert samples.interval_of_median([1.0, 2, 3, 4, 5]) is None
    assert samples.interval_of_median([1.0, 2, 3, 4, 5], 0.9) == (1, 5)


@pytest.mark.parametrize("n", [*range(1, 200), 1500, 10**5])
def test_interval_of_the_median_is_scipys(n: int) -> None:
    for confidence in (0.5, 0.95, 0.999):
        tail = (1 - confidence) / 2 * samples.ROUNDING
        k = int(np.searchsorted(stats.binom.cdf(np.arange(n), n, 0.5), tail, side="right"))
        wanted = (k, n + 1 - k) if k else None
        assert samples.interval_of_median([float(i + 1) for i in range(n)], confidence) == wanted


# --- Two samples


def test_published_rank_test() -> None:
    # Mann and Whitney (1947), table I: P(U <= 2) for n = m = 4 is 0.057, P(U <= 1) is 0.029.
    assert s.rank_test([1, 2, 3, 6], [4, 5, 7, 8]) == pytest.approx(2 * 4 / 70)  # U = 2
    assert s.rank_test([1, 2, 3, 5], [4, 6, 7, 8]) == pytest.approx(2 * 2 / 70)  # U = 1


def test_published_permeability() -> None:
    # Hollander and Wolfe, example 4.1: permeability of the chorioamnion at term and before;
    # W = 30, P = 0.127 on one side; the estimate of the shift is 0.305.
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert s.rank_test(early, term) == pytest.approx(2 * 0.127, abs=0.001)
    shift = s.hodges_lehmann([math.exp(x) for x in early], [math.exp(x) for x in term], 0.95)
    assert math.log(shift.estimate) == pytest.approx(0.305, abs=1e-9)
    # The critical U of 5 and 10 samples at 0.05 is 8 in the tables: the ninth difference bounds.
    differences = sorted(y - x for x in early for y in term)
    assert math.log(shift.low) == pytest.approx(differences[8])
    assert math.log(shift.high) == pytest.approx(differences[-9])


@pytest.mark.parametrize("seed", [SEED])
def test_rank_test_is_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        m, n = rng.randint(1, 5), rng.randint(1, 6)
        kinds = rng.choice((3, 6, 1000))  # many ties, some, hardly any
        before = [float(rng.randrange(kinds)) for _ in range(m)]
        after = [float(rng.randrange(kinds)) for _ in range(n)]
        assert s.rank_test(before, after) == pytest.approx(brute_force_p(before, after)), \
            (before, after)


@pytest.mark.parametrize("seed", [SEED])
def test_rank_test_is_scipys_where_that_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for m, n in ((7, 9), (30, 30), (2, 98), (50, 50)):
        before, after = rng.normal(size=m).tolist(), (rng.normal(size=n) + 0.3).tolist()
        exact = stats.mannwhitneyu(before, after, method="exact").pvalue
        assert s.rank_test(before, after) == pytest.approx(exact, rel=1e-9)


def test_equal_samples_do_not_differ() -> None:
    assert s.rank_test([1.0] * 5, [1.0] * 5) == 1
    assert s.rank_test([1.0] * 200, [1.0] * 200) == 1
    assert s.rank_test([1.0, 2, 3], [1.0, 2, 3]) == 1


def test_least_p_is_that_of_sides_apart() -> None:
    for m, n in ((1, 1), (3, 3), (5, 5), (2, 9), (10, 10)):
        apart = s.rank_test([float(i) for i in range(m)], [100.0 + i for i in range(n)])
        assert s.least_p(m, n) == pytest.approx(apart)
    assert s.least_p(3, 3) == pytest.approx(0.1)
    assert s.least_p(10**6, 10**6) == 0


def test_samples_needed() -> None:
    assert [s.samples_needed(alpha) for alpha in (0.5, 0.1, 0.05, 0.01, 0.01 / 12)] == \
        [2, 3, 4, 5, 7]


@pytest.mark.parametrize("seed", [SEED])
def test_cliffs_delta_counts_pairs(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        before = [rng.randrange(9) for _ in range(rng.randint(1, 8))]
        after = [rng.randrange(9) for _ in range(rng.randint(1, 8))]
        signs = [(y > x) - (y < x) for x in before for y in after]
        assert s.cliffs_delta(before, after) == pytest.approx(sum(signs) / len(signs))
    assert s.cliffs_delta([1.0, 2], [3.0, 4]) == 1


@pytest.mark.parametrize("seed", [SEED])
def test_hodges_lehmann_is_the_median_of_all_ratios(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        m, n = rng.integers(1, 40, 2)
        before, after = rng.lognormal(size=m), rng.lognormal(size=n)
        if rng.random() < 0.3:
            before, after = np.ceil(3 * before), np.ceil(3 * after)
        pairs = np.sort(np.log(np.divide.outer(after, before)).ravel())
        got = s.hodges_lehmann(before.tolist(), after.tolist(), 0.95)
        assert math.log(got.estimate) == pytest.approx(float(np.median(pairs)), abs=1e-12)
        if got.low > 0:
            assert np.min(np.abs(pairs - math.log(got.low))) < 1e-12
            assert np.min(np.abs(pairs - math.log(got.high))) < 1e-12


@pytest.mark.parametrize("seed", [SEED])
def test_interval_holds_what_the_test_does_not_reject(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for size in (5, 8, 20, 40):
        before, after = rng.lognormal(size=size), rng.lognormal(size=size)
        ratio = s.hodges_lehmann(before.tolist(), after.tolist(), 0.95)
        for factor, rejected in ((ratio.low * 0.999999, True), (ratio.low * 1.000001, False),
                                 (ratio.high * 0.999999, False), (ratio.high * 1.000001, True)):
            p = s.rank_test((before * factor).tolist(), after.tolist())
            assert (p <= 0.05) == rejected, (size, factor)


def test_too_few_samples_have_no_interval() -> None:
    ratio = s.hodges_lehmann([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], 0.99)
    assert (ratio.low, ratio.high) == (0, math.inf)
    # The least p of three a side is 0.1: then the interval is that of the extreme pairs.
    ratio = s.hodges_lehmann([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], 0.9)
    assert ratio.low == pytest.approx(2.0 / 1.2) and ratio.high == pytest.approx(2.2)


@pytest.mark.parametrize("seed", [SEED])
def test_exchanging_the_sides_inverts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.lognormal(size=12).tolist(), rng.lognormal(size=17).tolist()
    one, other = (s.hodges_lehmann(*sides, 0.99) for sides in ((before, after), (after, before)))
    assert one == pytest.approx((1 / other.estimate, 1 / other.high, 1 / other.low))
    assert s.rank_test(before, after) == pytest.approx(s.rank_test(after, before))
    assert s.cliffs_delta(before, after) == pytest.approx(-s.cliffs_delta(after, before))


def test_holm() -> None:
    # 4 x 0.005; 3 x 0.01; 2 x 0.03; 0.04, which is less than the one before.
    assert s.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert s.holm([0.5, 0.6]) == [1, 1]
    assert s.holm([0.2]) == [0.2] and s.holm([]) == []


# --- Simulated measurements


def test_errors_of_the_first_kind_are_as_often_as_alpha_says() -> None:
    rng = np.random.default_rng(20261122)
    trials, alpha = 2000, 0.05
    for size in (10, 30):
        found = sum(s.rank_test(*rng.lognormal(0, 0.01, (2, size)).tolist()) <= alpha
                    for _ in range(trials))
        # Four standard deviations, and what the steps of the exact test leave out.
        assert abs(found / trials - alpha) < 4 * math.sqrt(alpha * (1 - alpha) / trials) + 0.007


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(20261122)
    trials = 400
    covered = 0
    for _ in range(trials):
        before, after = rng.lognormal(0, 0.02, (2, 15))
        ratio = s.hodges_lehmann(before.tolist(), (1.05 * after).tolist(), 0.95)
        covered += ratio.low <= 1.05 <= ratio.high
    assert abs(covered / trials - 0.95) < 4 * math.sqrt(0.05 * 0.95 / trials) + 0.005


def test_a_planted_slowdown_is_found() -> None:
    rng = np.random.default_rng(20261122)
    for _ in range(100):
        before, after = rng.normal(1, 0.01, (2, 30))
        ratio = s.hodges_lehmann(before.tolist(), (1.05 * after).tolist(), 0.99)
        assert s.rank_test(before.tolist(), (1.05 * after).tolist()) < 1e-6
        assert ratio.estimate == pytest.approx(1.05, abs=0.015)
