# SPDX-License-Identifier: Apache-2.0
"""Which figure of a record each script shows: no two of these records' are alike, so that one in
another's place is seen. They are those of tests/bench/report/all_figures.hpp."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comparer import Comparer
from convscale import record as baseline
from convscale.results import Record
from convscale.scaling import ranks, series, tables
from convscale.table import table_text

TIMES = [time / 1e6 for time in (27, 16, 49, 12, 21, 28, 15, 19, 25, 18)]
MORE_TIMES = [time / 1e6 for time in (14, 9, 31, 7, 10, 12, 6, 13, 11, 8)]


def all_figures(**changes: Any) -> dict[str, Any]:
    return {
        "status": "ok", "reason": None, "warnings": [], "backend": "cuda", "kernel": "tiled",
        "method": "strided", "scope": "end-to-end", "dtype": "float64", "height": 12, "width": 16,
        "images": 250, "filter_size": 3, "stride": 7, "fill": "integers", "seed": 5,
        "num_workers": 6, "device": "Card", "host_memory": "pinned", "schedule": "split",
        "bind": "compact", "ranks": 4, "distribute": "scatter", "work_time": None,
        "interleaved": False, "times_s": TIMES, "mean_s": 23e-6, "std_s": 10e-6, "min_s": 12e-6,
        "median_s": 20e-6, "median_low_s": 15e-6, "median_high_s": 28e-6, "noise": 0.325,
        "max_s": 49e-6, "cv": 0.4348, "outliers": 1, "images_per_s": 12.5e6, "pixels_per_s": 2.4e9,
        "bytes_per_s": 5.4e9, "flops_per_s": 0.7e9,
        "bound": {"limit": "transfer", "time_s": 16e-6, "fraction": 0.8, "bytes": 108000,
                  "flops": 14000, "read_bytes_per_s": 8e9, "copy_bytes_per_s": 7.5e9,
                  "peak_flops_per_s": 2e9, "network_bytes_per_s": 3.0625e9},
        "per_rank": [{"rank": rank, "host": host} for rank, host in
                     enumerate(("n1", "n2", "n3", "n3"))],
        "fastest_rank": {"rank": 1, "host": "n2", "run_s": 14.5e-6},
        "slowest_rank": {"rank": 2, "host": "n3", "run_s": 18.5e-6}, "exchanged_bytes": 49000,
        "wire_bytes": 33000, "communication_share": 0.3944, "barrier_s": 1.25e-6,
        "verification": {"status": "passed"}, "digest": "0123456789abcdef", **changes}


def more_figures(**changes: Any) -> dict[str, Any]:
    more = {"kernel": "direct", "times_s": MORE_TIMES, "mean_s": 12.1e-6, "std_s": 6.76e-6,
            "min_s": 6e-6, "median_s": 10.5e-6, "median_low_s": 7e-6, "median_high_s": 14e-6,
            "noise": 1 / 3, "max_s": 31e-6, "cv": 0.5586, "images_per_s": 250 / 10.5e-6,
            "pixels_per_s": 48000 / 10.5e-6, "bytes_per_s": 108000 / 10.5e-6,
            "flops_per_s": 14000 / 10.5e-6, "digest": None}
    return all_figures(**{**more, **changes})


def records() -> list[Record]:
    return [Record(all_figures(), "a.json", 0), Record(more_figures(), "a.json", 1)]


def test_the_baselines_figures_of_times_are_the_programs() -> None:
    figures = baseline._figures(TIMES)
    wanted = {**all_figures(), "cv": 10 / 23}
    assert figures == pytest.approx({name: wanted[name] for name in figures}, rel=1e-12)
    assert len(figures) == 10


def test_the_table_is_the_programs() -> None:
    bound = {**all_figures()["bound"], "fraction": 16 / 10.5}
    assert table_text([all_figures(), more_figures(bound=bound)]).splitlines()[1:] == [
        "row  backend  kernel    median     cv    images/s   GB/s  GFLOP/s  of bound  limit"
        "       vs first",
        "  1  cuda     tiled   20.00 us  43.5%  12500000.0   5.40      0.7      0.80  transfer"
        "        1.00",
        "  2  cuda     direct  10.50 us  55.9%  23809523.8  10.29      1.3     1.52!  transfer"
        "  1.90 \N{PLUS-MINUS SIGN}1.33"]
    turns = table_text([all_figures(interleaved=True), more_figures(interleaved=True)])
    assert turns.endswith("  2.01 \N{PLUS-MINUS SIGN}0.44\n")


def test_compare_takes_iterations_of_one_run_and_medians_of_several(
        tmp_path: Path) -> None:
    comparer = Comparer(tmp_path)
    one = comparer.file("a.json", all_figures())
    other = comparer.file("b.json", more_figures(kernel="tiled"))
    shown = comparer.run(one, other).stdout
    assert "  20.00 us  10.50 us  -" in shown
    figures = comparer.figures(one, other)["comparisons"][0]
    assert figures["before_s"] == TIMES and figures["after_s"] == MORE_TIMES
    assert figures["before_median_s"] == pytest.approx(20e-6)
    assert figures["after_median_s"] == pytest.approx(10.5e-6)
    again = comparer.file("c.json", all_figures(median_s=22e-6))
    runs = comparer.figures("--before", one, again, "--after", other)["comparisons"][0]
    assert runs["before_s"] == [20e-6, 22e-6] and runs["after_s"] == [10.5e-6]


def test_the_scaling_tables_show_the_median_and_its_rates() -> None:
    first, second = records()
    one = series.Series(series.key_of(first), [first, second])

    assert tables._common_cells(first) == ["20.00 us", "12.00 us", "49.00 us", "43.5 %"]
    assert tables._common_cells(second) == ["10.50 us", "6.000 us", "31.00 us", "55.9 %"]
    assert tables._strong_cells(one, second)[:3] == ["23 809 524", "1.90", "1.90"]
    assert tables._strong_cells(one, first)[-2:] == ["0.80", "transfer"]
    assert tables._weak_cells(one, second) == ["23 809 524", "1.90", "1.52!", "transfer"]
    assert tables._size_cells(one, first) == ["12 500 000", "2400.0 M", "0.80", "transfer"]
    assert ranks.rows([one], series.Along("worker"))[0][1:10] == [
        "2 on n3", "1 on n2", "6", "4", "18.50 us", "14.50 us", "1.28", "39.4 %", "1.250 us"]
