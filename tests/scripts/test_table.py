# SPDX-License-Identifier: Apache-2.0
"""The table of records of several files: the program's cells, and which rows are compared."""
from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from convscale.table import table_text


def row(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "status": "ok", "reason": None, "backend": "cpu", "kernel": "avx2", "method": "full",
        "scope": "end-to-end", "dtype": "float64", "height": 10, "width": 20, "images": 100,
        "filter_size": 4, "stride": 5, "num_workers": 2, "median_s": 0.01, "cv": 0.012,
        "images_per_s": 10000.0, "bytes_per_s": 1.5e9, "flops_per_s": 2e9, "work_time": None,
        "bound": {"fraction": 0.5, "limit": "memory"}, "times_s": [0.01]}
    return {**fields, **changes}


def test_times_on_a_device_have_a_column_where_there_are_some() -> None:
    resident = row(phases={"upload_s": None, "kernel_s": 75.5e-6, "download_s": None})
    lines = table_text([row(phases=None), resident]).splitlines()
    assert "  on device  " in lines[1]
    assert "10.00 ms          -" in lines[2] and "10.00 ms   75.50 us" in lines[3]
    assert "on device" not in table_text([row(), row(phases={"kernel_s": None})])


def versus(*rows: dict[str, Any]) -> list[str]:
    """The column "vs first"."""
    lines = [line for line in table_text(rows).split("\n\n")[0].splitlines()
             if not line.startswith("In all rows")]
    assert lines[0].endswith("vs first")
    return [re.split(r"  +", line)[-1] for line in lines[1:]]


def test_what_rows_share_is_said_once() -> None:
    text = table_text([row(), row(backend="python", kernel="scipy-fork", num_workers=4,
                                  images_per_s=None)])
    lines = text.splitlines()
    assert lines[0] == "In all rows: method full, dtype float64, size 10x20, images 100"
    assert lines[1].split() == ("row backend kernel workers median cv images/s GB/s GFLOP/s "
                                "of bound limit vs first").split()
    assert "stride" in table_text([row(stride=2), row(stride=2)]).splitlines()[0]
    assert "filter" in table_text([row(filter_size=3), row()]).splitlines()[1]


def test_rows_are_compared_with_the_first_of_their_method() -> None:
    skipped = row(status="skipped", reason="not here", median_s=None, cv=None)
    assert versus(skipped, row(), row(method="strided", median_s=0.001), row(median_s=0.04),
                  row(method="strided", median_s=0.0005), row(images=200),
                  row(status="failed", reason="wrong")) == [
                      "-", "1.00", "1.00", "0.25", "2.00", "2.00", "-"]
    assert "row 1 skipped: not here\n" in table_text([skipped, row()])


def test_rows_without_figures_are_grouped_by_their_reason() -> None:
    def without(status: str, reason: str) -> dict[str, Any]:
        return row(status=status, reason=reason, median_s=None, cv=None)

    gone, late = without("skipped", "not here"), without("failed", "late")
    lines = table_text([gone, late, gone, row(), gone, gone, without("failed", "not here"),
                        gone, late]).split("\n\n")[1]
    assert lines == ("rows 1, 3, 5, 6, 8 skipped: not here\nrows 2, 9 failed: late\n"
                     "row 7 failed: not here\n")
    assert table_text([gone] * 3) == "rows 1-3 skipped: not here\n"  # nothing for a table
    assert "vs first" not in table_text([late]) and "backend" in table_text([late])


def test_what_is_not_whole_is_marked_and_compared_with_nothing() -> None:
    cut_short = row(status="interrupted", reason="interrupted by a signal", median_s=0.001)
    wrong = row(status="failed", reason="wrong")
    assert versus(cut_short, row(), wrong, row(median_s=0.005)) == ["-", "1.00", "-", "2.00"]
    lines = table_text([cut_short, row(), wrong]).splitlines()
    assert "  status  " in lines[1]
    assert [re.split(r"  +", line.strip())[-9] for line in lines[2:5]] == [
        "interrupted", "-", "failed"]
    skipped = row(status="skipped", reason="not here", median_s=None, cv=None)
    assert "status" not in table_text([skipped, row()])


def test_work_times_that_differ_are_never_compared() -> None:
    assert versus(row(), row(work_time=0.5, median_s=2), row(work_time=0.25),
                  row(work_time=0.5, median_s=1)) == ["1.00", "1.00", "1.00", "2.00"]


def test_cells_are_the_programs(program: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [program, "--kernel", "scalar,scalar", "--size", "30,50x40", "--mem", "20k", "-w", "1",
         "--iterations", "8", "--json", tmp_path / "run.json"], check=True, capture_output=True,
        text=True)
    records = json.loads((tmp_path / "run.json").read_text())["records"]
    assert len(records) == 4
    wanted = done.stdout.split("\n\n")[0]
    assert table_text(records).split("\n\n")[0].rstrip("\n") == wanted
