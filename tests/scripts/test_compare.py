# SPDX-License-Identifier: Apache-2.0
"""compare.py's verdicts and exit codes, and what it compares with what. All times are made up."""
from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Optional, Sequence

import pytest

from comparer import Comparer, around, record

SEED = random.SystemRandom().randrange(2**32)  # shown with a failure, as a parameter's name


@pytest.fixture
def comparer(tmp_path: Path) -> Comparer:
    return Comparer(tmp_path)


# --- Verdicts


def test_slower_faster_and_same(comparer: Comparer) -> None:
    a = comparer.file("a.json", *(record(around(0.01, 30, seed=i), num_workers=i)
                                  for i in (1, 2, 3)))
    b = comparer.file("b.json", *(record(around(0.01 * factor, 30, seed=9 + i), num_workers=i)
                                  for i, factor in ((1, 1.05), (2, 0.95), (3, 1.0))))
    figures = comparer.figures(a, b)
    assert [c["verdict"] for c in figures["comparisons"]] == ["slower", "faster", "same"]
    slower = figures["comparisons"][0]
    assert slower["ratio"] == pytest.approx(1.05, abs=0.01)
    assert 1.02 < slower["ratio_low"] < slower["ratio"] < slower["ratio_high"] < 1.08
    assert slower["adjusted_p"] == pytest.approx(3 * slower["p"])
    assert figures["samples"] == "iterations" and not figures["failed"]
    text = comparer.run(a, b).stdout
    assert text.endswith("\n1 faster, 1 slower, 1 same (in these runs)\n")
    assert "One run a side" in text and "p by Holm for 3 records" in text


@pytest.mark.parametrize("seed", [SEED])
def test_exchanging_the_sides_exchanges_the_verdicts(comparer: Comparer, seed: int) -> None:
    rng = random.Random(seed)
    factors = [rng.choice((0.8, 0.95, 0.98, 1, 1.02, 1.05, 1.3)) for _ in range(12)]
    a = comparer.file("a.json", *(record(around(1, 12, 0.02, rng.randrange(2**32)),
                                         num_workers=i + 1)
                                  for i in range(12)))
    b = comparer.file("b.json", *(record(around(f, 12, 0.02, rng.randrange(2**32)),
                                         num_workers=i + 1)
                                  for i, f in enumerate(factors)))
    swap = {"slower": "faster", "faster": "slower"}
    assert comparer.verdicts(a, b) == [swap.get(v, v) for v in comparer.verdicts(b, a)]


def test_a_file_against_itself_is_the_same(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(0.01)))
    assert comparer.verdicts(a, a) == ["same"]
    assert "+0.0 % [" in comparer.run(a, a).stdout


def test_a_change_under_the_threshold_is_the_same(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(0.01, 30, 0.001)))
    b = comparer.file("b.json", record(around(0.01015, 30, 0.001, 1)))
    assert comparer.verdicts(a, b) == ["same"]
    assert comparer.verdicts(a, b, "--threshold", "1%") == ["slower"]
    # --fail-slower asks for less than the threshold: then it counts.
    assert comparer.verdicts(a, b, "--fail-slower", "1%", code=1) == ["slower"]


def test_noise_that_may_hide_a_change_is_unclear(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(0.01, 10, 0.2)))
    b = comparer.file("b.json", record(around(0.01, 10, 0.2, 1)))
    assert comparer.verdicts(a, b) == ["unclear"]
    done = comparer.run(a, b)
    assert "a change of 5 % may hide" in " ".join(done.stdout.split())
    assert "0 faster, 0 slower, 0 same, 1 unclear" in done.stdout
    assert comparer.verdicts(a, b, "--threshold", "300%") == ["same"]


def test_many_records_do_not_make_one_of_them_slower_by_chance(comparer: Comparer) -> None:
    rng = random.Random(3)

    def noise(name: str) -> str:
        return comparer.file(name, *(record([rng.gauss(1, 0.05) for _ in range(10)],
                                            num_workers=i + 1) for i in range(400)))

    figures = comparer.figures(noise("a.json"), noise("b.json"), "--threshold", "0")
    assert sum(c["p"] <= 0.01 for c in figures["comparisons"]) >= 1  # each for itself
    assert not {"slower", "faster"} & {c["verdict"] for c in figures["comparisons"]}


# --- Several files a side


def runs(comparer: Comparer, side: str, medians: Sequence[float], **fields: Any) -> list[str]:
    return [comparer.file(f"{side}{i}.json", record(around(median, 9, 0.0001, i), **fields))
            for i, median in enumerate(medians)]


def test_runs_are_the_samples(comparer: Comparer) -> None:
    before = runs(comparer, "a", [1.00, 1.01, 0.99, 1.02, 0.98])
    after = runs(comparer, "b", [1.10, 1.11, 1.09, 1.12, 1.08])
    figures = comparer.figures("--before", *before, "--after", *after)
    (found,) = figures["comparisons"]
    assert (figures["samples"], found["verdict"]) == ("runs", "slower")
    assert found["p"] == pytest.approx(2 / 252) and len(found["before_s"]) == 5
    text = comparer.run("--before", *before, "--after", *after).stdout
    assert "5 runs a side" in text and "these runs" not in text


def test_iterations_of_one_run_are_not_runs(comparer: Comparer) -> None:
    """Two runs differ by 4 % and their iterations hardly: that is no difference of programs."""
    before = runs(comparer, "a", [1.00, 1.04, 1.00, 1.04, 1.00, 1.04])
    after = runs(comparer, "b", [1.04, 1.00, 1.04, 1.00, 1.04, 1.00])
    assert comparer.verdicts(before[0], after[0]) == ["slower"]
    assert comparer.verdicts("--before", *before, "--after", *after) == ["same"]


def test_too_few_runs_are_said(comparer: Comparer) -> None:
    before, after = runs(comparer, "a", [1, 1.01, 1.02]), runs(comparer, "b", [2, 2.01, 2.02])
    args = ["--before", *before, "--after", *after]
    assert comparer.verdicts(*args) == ["unclear"]
    text = " ".join(comparer.run(*args).stdout.split())
    assert "too few runs: 3 runs a side can never show a change at alpha 0.01; 5 a side could" \
        in text
    assert comparer.verdicts(*args, "--alpha", "0.1") == ["slower"]
    # A check that can never fail is none.
    assert "--fail-slower would find nothing slower, whatever it took: too few runs: 3 runs" in \
        comparer.usage_error(*args, "--fail-slower", "5%")
    assert comparer.run(*args, "--fail-slower", "5%", "--alpha", "0.1").returncode == 1


def test_too_few_runs_for_so_many_records(comparer: Comparer) -> None:
    def files(side: str, factor: float) -> list[str]:
        return [comparer.file(f"{side}{i}.json",
                              *(record([factor * (1 + i / 100)], num_workers=w + 1)
                                for w in range(12))) for i in range(5)]

    args = ["--before", *files("a", 1), "--after", *files("b", 2)]
    assert comparer.verdicts(*args) == ["unclear"] * 12
    text = " ".join(comparer.run(*args).stdout.split())
    assert "in one of 12 records at alpha 0.01; 7 a side could" in text


# --- What is compared with what


@pytest.mark.parametrize("field,value,label", [
    ("method", "strided", "method"), ("scope", "resident", "scope"), ("dtype", "float32", "dtype"),
    ("height", 256, "size"), ("width", 256, "size"), ("images", 7, "images"),
    ("filter_size", 3, "filter_size"), ("stride", 1, "stride"), ("fill", "zeros", "fill"),
    ("seed", 1, "seed"), ("work_time", 0.5, "work_time")])
def test_different_workloads_are_refused(comparer: Comparer, field: str, value: Any,
                                         label: str) -> None:
    a = comparer.file("a.json", record(around(1)))
    b = comparer.file("b.json", record(around(1), **{field: value}))
    line = comparer.usage_error(a, b)
    assert line.startswith(f"no record in common: {label} ") and "--ignore" not in line


@pytest.mark.parametrize("field,value", [
    ("backend", "cuda"), ("kernel", "scalar"), ("num_workers", 4), ("schedule", "split"),
    ("bind", "none"), ("host_memory", "pinned"), ("device", "a card"), ("ranks", 2),
    ("distribute", "scatter")])
def test_different_configurations_are_compared_if_told_so(comparer: Comparer, field: str,
                                                          value: Any) -> None:
    a = comparer.file("a.json", record(around(1, 20)))
    b = comparer.file("b.json", record(around(1.1, 20, seed=1), **{field: value}))
    assert f"--ignore {field} would compare" in comparer.usage_error(a, b)
    assert comparer.verdicts(a, b, "--ignore", field) == ["slower"]
    assert f"-> {value}" in " ".join(comparer.run(a, b, "--ignore", field).stdout.split())


def per_rank(*hosts: str) -> list[dict[str, Any]]:
    return [{"rank": rank, "host": host, "num_workers": 1, "images": 8, "run_s": 1.0}
            for rank, host in enumerate(hosts)]


def test_ranks_of_one_node_are_not_those_of_two(comparer: Comparer) -> None:
    ranks = {"ranks": 2, "distribute": "local"}
    a = comparer.file("a.json", record(around(1, 20), **ranks, per_rank=per_rank("n1", "n1")))
    b = comparer.file("b.json", record(around(1.1, 20, seed=1), **ranks,
                                       per_rank=per_rank("n1", "n2")))
    c = comparer.file("c.json", record(around(1.1, 20, seed=2), **ranks,
                                       per_rank=per_rank("n7", "n8")))
    line = comparer.usage_error(a, b)
    assert "nodes 1 before, 2 after; --ignore nodes would compare" in line
    assert comparer.verdicts(a, b, "--ignore", "nodes") == ["slower"]
    assert comparer.verdicts(b, c) == ["same"]  # which nodes they were does not matter


def test_distributions_and_ranks_have_their_own_counterparts(comparer: Comparer) -> None:
    rows = [(1, None, 1.0), (2, "scatter", 3.0), (2, "local", 0.5), (4, "local", 0.25)]

    def side(name: str, factor: float) -> str:
        return comparer.file(name, *(
            record(around(time * factor, 20, seed=i), num_workers=8, ranks=ranks, distribute=how,
                   per_rank=per_rank(*(f"n{rank}" for rank in range(ranks))) if how else None)
            for i, (ranks, how, time) in enumerate(rows)))

    assert comparer.verdicts(side("a.json", 1), side("b.json", 1.1)) == ["slower"] * 4
    lone = comparer.file("c.json", record(around(1, 20), num_workers=8, ranks=2,
                                          distribute="scatter", per_rank=per_rank("n1", "n2")))
    figures = comparer.figures(lone, "b.json")
    assert len([one for one in figures["comparisons"] if one["verdict"] == "slower"]) == 1


def test_interleaved_against_not_is_refused(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1)))
    b = comparer.file("b.json", record(around(1), interleaved=True))
    for files in ((a, b), (b, a)):
        assert comparer.usage_error(*files).startswith(
            "b.json: record 1 was measured interleaved, a.json: record 1 was not")
    c = comparer.file("c.json", record(around(1), interleaved=True))
    assert comparer.verdicts(b, c) == ["same"]


def test_a_configuration_that_is_there_twice(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1), num_workers=1), record(around(1)),
                      record(around(2)))
    b = comparer.file("b.json", record(around(1)))
    assert comparer.usage_error(a, b).startswith("a.json: records 2 and 3 have the same workload")
    c = comparer.file("c.json", record(around(1)), record(around(1), kernel="scalar"))
    assert "leave out --ignore" in comparer.usage_error(b, c, "--ignore", "kernel")


# --- Lost, new, and --fail-slower


@pytest.mark.parametrize("status", ["failed", "skipped", "interrupted", None])
def test_a_record_that_was_lost(comparer: Comparer, status: Optional[str]) -> None:
    kept = record(around(1), num_workers=1)
    lost = [] if status is None else [record(status=status, reason="no such card")]
    a = comparer.file("a.json", kept, record(around(1)))
    b = comparer.file("b.json", kept, *lost)
    assert comparer.verdicts(a, b) == ["same", "lost"]
    assert comparer.verdicts(a, b, "--fail-slower", "5%", code=1) == ["same", "lost"]
    text = comparer.run(a, b, "--fail-slower", "5%").stdout
    note = f"{status} (no such card) after" if status else "not there after"
    assert f"Lost: kernel avx2, workers 2: {note}\n" in text
    assert text.endswith("0 faster, 0 slower, 1 same, 1 lost (in these runs)\nFailed: 1 lost\n")
    # The other way round it is new, which is no failure.
    assert "new" in comparer.verdicts(b, a, "--fail-slower", "5%")


def test_a_failed_verification_is_no_time(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1)))
    b = comparer.file("b.json", record(around(1), verification={"status": "failed"}))
    assert comparer.verdicts(a, b) == ["lost"]
    assert "failed its verification after" in comparer.run(a, b).stdout


def test_too_few_samples_hide_no_record_that_was_lost(comparer: Comparer) -> None:
    short = record(around(1, 3))
    a = comparer.file("a.json", short, record(around(1, 3), kernel="scalar"))
    b = comparer.file("b.json", short)
    assert comparer.verdicts(a, b, "--fail-slower", "5%", code=1) == ["unclear", "lost"]


def test_a_failure_in_one_of_many_runs_is_lost(comparer: Comparer) -> None:
    before, after = runs(comparer, "a", [1] * 6), runs(comparer, "b", [1.0] * 5)
    after.append(comparer.file("b9.json", record(status="failed", reason="wrong result")))
    args = ["--before", *before, "--after", *after]
    assert comparer.verdicts(*args, "--fail-slower", "5%", code=1) == ["lost"]
    assert "failed (wrong result) after in 1 of 6 runs" in comparer.run(*args).stdout


def test_nothing_measured_is_no_comparison(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(status="skipped"))
    b = comparer.file("b.json", record(around(1)))
    assert "no record was measured on both sides" in comparer.usage_error(a, b)


@pytest.mark.parametrize("limit,code", [("5%", 1), ("9", 1), ("11%", 0), ("0%", 1)])
def test_fail_slower(comparer: Comparer, limit: str, code: int) -> None:
    a = comparer.file("a.json", record(around(1, 30)))
    b = comparer.file("b.json", record(around(1.1, 30, seed=1)))
    done = comparer.run(a, b, "--fail-slower", limit)
    assert done.returncode == code
    assert ("Failed: 1 slower by more than" in done.stdout) == bool(code)
    assert comparer.run(a, b).returncode == 0
    assert comparer.run(b, a, "--fail-slower", limit).returncode == 0  # faster is fine


def test_exit_codes_of_the_process(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1, 30)))
    b = comparer.file("b.json", record(around(1.1, 30, seed=1)))
    c = comparer.file("c.json", record(around(1), seed=1))
    for args, code in (([a, b], 0), ([a, b, "--fail-slower", "5%"], 1), ([a, c], 2), ([a], 2),
                       ([a, b, "--json", "nowhere/x"], 5)):
        done = comparer.run_process(*args)
        assert done.returncode == code
        assert done.stderr.count("\n") == (code > 1)
