# SPDX-License-Identifier: Apache-2.0
"""The verdict on each record: pure functions from results files to comparisons.

The method and its sources are in docs/compare.md.
"""
from __future__ import annotations

import enum
import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple, Optional, Sequence

from convscale import statistics
from convscale.cli import UsageError
from convscale.compare_match import Pair, match, warnings_of
from convscale.results import Document, Record

_ROUNDING = 1 + 1e-9  # 2 / 20 counts as 0.1
_RELEVANT = 0.05  # a change that `same` rules out, unless --fail-slower names another


class Verdict(enum.Enum):
    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNCLEAR = "unclear"  # not enough data
    LOST = "lost"  # measured before, not after
    NEW = "new"  # measured after, not before
    UNMEASURED = "unmeasured"  # on neither side


class RankTest(NamedTuple):
    p: float
    adjusted_p: float  # for all records together
    delta: float
    ratio: statistics.Ratio


@dataclass(frozen=True)
class Comparison:
    """What was found out about one configuration."""

    pair: Pair
    before_s: list[float]
    after_s: list[float]
    verdict: Verdict
    note: Optional[str] = None
    test: Optional[RankTest] = None
    is_hopeless: bool = False  # no times of so many samples could ever show a change


@dataclass(frozen=True)
class Rules:
    """What the verdicts depend on."""

    by_runs: bool  # a sample is the median of a run, not an iteration
    alpha: float
    threshold: float
    fail_slower: Optional[float]

    @property
    def relevant(self) -> float:
        """The change that `same` rules out."""
        if self.fail_slower is not None:
            return self.fail_slower
        return max(_RELEVANT, self.threshold)

    @property
    def least_change(self) -> float:
        """A change under this is called the same."""
        return self.threshold if self.fail_slower is None else min(self.threshold, self.fail_slower)

    @property
    def unit(self) -> str:
        return "runs" if self.by_runs else "iterations"


@dataclass(frozen=True)
class Result:
    before: list[Document]
    after: list[Document]
    rules: Rules
    comparisons: list[Comparison]
    warnings: list[str]

    @property
    def tests(self) -> int:
        return sum(comparison.test is not None for comparison in self.comparisons)

    @property
    def regressions(self) -> list[Comparison]:
        """What --fail-slower fails for; empty without it."""
        least = self.rules.fail_slower
        if least is None:
            return []
        return [c for c in self.comparisons if c.verdict is Verdict.LOST or
                (c.verdict is Verdict.SLOWER and c.test and c.test.ratio.estimate > 1 + least)]

    def count(self, verdict: Verdict) -> int:
        return Counter(c.verdict for c in self.comparisons)[verdict]


# --- The comparison


def compare(before: list[Document], after: list[Document], rules: Rules,
            ignored: Sequence[str]) -> Result:
    """Raises UsageError where nothing may be compared, or --fail-slower could never fail."""
    pairs = match(before, after, ignored)
    first = [_unmeasured(pair, rules) or
             Comparison(pair, samples(pair.before, rules), samples(pair.after, rules),
                        Verdict.UNCLEAR) for pair in pairs]
    tested = [c for c in first if c.verdict is Verdict.UNCLEAR]
    judged = iter(_judge(tested, rules))
    comparisons = [next(judged) if c.verdict is Verdict.UNCLEAR else c for c in first]
    if not tested and not any(c.verdict is Verdict.LOST for c in comparisons):
        raise UsageError("no record was measured on both sides, as all were skipped, failed or "
                         "interrupted on one; run those again")
    result = Result(before, after, rules, comparisons, warnings_of(before, after, pairs))
    hopeless = [c for c in comparisons if c.is_hopeless]
    if rules.fail_slower is not None and len(hopeless) == len(tested) and not result.regressions:
        raise UsageError("--fail-slower would find nothing slower, whatever it took: "
                         f"{hopeless[0].note}")
    return result


def worst_first(result: Result) -> Result:
    """Lost records, then the tested ones by their change, then the others."""
    def place_of(comparison: Comparison) -> float:
        if comparison.test:
            return -comparison.test.ratio.estimate
        return -math.inf if comparison.verdict is Verdict.LOST else 0

    return replace(result, comparisons=sorted(result.comparisons, key=place_of))


def samples(records: Sequence[Record], rules: Rules) -> list[float]:
    """What is ranked: the runs' medians, or one run's iterations."""
    sound = [record for record in records if record.is_measured]
    if rules.by_runs:
        return [record.median_s for record in sound]
    return [time for record in sound for time in record.times_s]


def _unmeasured(pair: Pair, rules: Rules) -> Optional[Comparison]:
    """The verdict where there is nothing to test, or a failure outweighs the times."""
    before, after = samples(pair.before, rules), samples(pair.after, rules)
    failed = [r for r in pair.after if r.raw["status"] == "failed"]
    if before and (not after or (failed and not any(r.raw["status"] == "failed"
                                                    for r in pair.before))):
        if not pair.after:
            note = "not there after"
        else:
            share = f" in {len(failed)} of {len(pair.after)} runs" if after else ""
            note = f"{_state((failed or pair.after)[0])} after{share}"
        return Comparison(pair, before, after, Verdict.LOST, note)
    if before:
        return None
    old = _state(pair.before[0]) if pair.before else "not there"
    if after:
        return Comparison(pair, before, after, Verdict.NEW, f"{old} before")
    new = _state(pair.after[0]) if pair.after else "not there"
    return Comparison(pair, before, after, Verdict.UNMEASURED,
                      f"{old} before, {new} after" if old != new else f"{old} on both sides")


def _state(record: Record) -> str:
    if record.raw["status"] == "ok" and record.failed_verification:
        return "failed its verification"
    reason = record.raw.get("reason")
    return f"{record.raw['status']} ({reason})" if reason else str(record.raw["status"])


def _judge(comparisons: Sequence[Comparison], rules: Rules) -> list[Comparison]:
    """One family: the p-values are adjusted for all of them together."""
    p_values = [statistics.rank_test(c.before_s, c.after_s) for c in comparisons]
    # The best that so many samples could do, were all the sides apart.
    best = statistics.holm([statistics.least_p(len(c.before_s), len(c.after_s))
                            for c in comparisons])
    judged = []
    for c, p, adjusted, least in zip(comparisons, p_values, statistics.holm(p_values), best):
        ratio = statistics.hodges_lehmann(c.before_s, c.after_s, 1 - rules.alpha)
        test = RankTest(p, adjusted, statistics.cliffs_delta(c.before_s, c.after_s), ratio)
        verdict, note = _verdict(test, rules)
        if least > rules.alpha * _ROUNDING:
            verdict, note = Verdict.UNCLEAR, _too_few(c, len(comparisons), rules)
        judged.append(Comparison(c.pair, c.before_s, c.after_s, verdict, note, test,
                                 is_hopeless=least > rules.alpha * _ROUNDING))
    return judged


def _verdict(test: RankTest, rules: Rules) -> tuple[Verdict, Optional[str]]:
    """The same rule seen from both sides: exchanging them turns faster into slower."""
    ratio, least = test.ratio, 1 + rules.least_change
    if test.adjusted_p <= rules.alpha * _ROUNDING:
        if ratio.estimate > 1 and ratio.estimate >= least:
            return Verdict.SLOWER, None
        if ratio.estimate < 1 and ratio.estimate <= 1 / least:
            return Verdict.FASTER, None
    relevant = 1 + rules.relevant
    if 1 / relevant <= ratio.low and ratio.high <= relevant:
        return Verdict.SAME, None
    return Verdict.UNCLEAR, (f"these {rules.unit} vary so much that a change of "
                             f"{100 * rules.relevant:g} % may hide; more of them, or a quieter "
                             "machine, would tell")


def _too_few(comparison: Comparison, family: int, rules: Rules) -> str:
    m, n = len(comparison.before_s), len(comparison.after_s)
    have = f"{m} {rules.unit} a side" if m == n else f"{m} and {n} {rules.unit}"
    of = f" in one of {family} records" if family > 1 else ""
    needed = statistics.samples_needed(rules.alpha / family)
    return (f"too few {rules.unit}: {have} can never show a change{of} at alpha {rules.alpha:g}; "
            f"{needed} a side could")
