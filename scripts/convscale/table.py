# SPDX-License-Identifier: Apache-2.0
"""A table of records as the program prints it, for records of several files."""
from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence

import numpy as np

from convscale.samples import Interval, interval_of_median
from convscale.text import fraction_text, printable, time_text
from convscale.vocabulary import NEWER

Row = dict[str, Any]

_ALWAYS, _SETTING, _OPTION = range(3)


@dataclass(frozen=True)
class _Column:
    title: str
    cell: Callable[[Row], str]
    shown: int = _ALWAYS  # a setting: only where rows differ, else in the line above the table
    usual: str = ""  # of an option: a setting that is named nowhere while all rows have this
    left: bool = False


def _scaled(value: Optional[float], factor: float, digits: int) -> str:
    return "-" if value is None else f"{value * factor:.{digits}f}"


def _is_comparable(first: Row, row: Row) -> bool:
    return (first["status"] == "ok" and row["status"] == "ok" and
            bool(first["median_s"]) and bool(row["median_s"]) and
            all(first.get(name) == row.get(name) for name in ("method", "scope", "work_time")))


def _speedup(first: Row, row: Row) -> tuple[float, Optional[Interval]]:
    """Pixels a second over those of `first`, and the ratio's 95 % interval where it is known."""
    pixels = [r["images"] * r["height"] * r["width"] for r in (first, row)]
    if first is row:
        return 1.0, None
    if first.get("interleaved") and row.get("interleaved"):
        ratios = [a / b * pixels[1] / pixels[0]
                  for a, b in zip(first["times_s"], row["times_s"])]
        return float(np.median(ratios)), interval_of_median(ratios)
    ratio = first["median_s"] / row["median_s"] * pixels[1] / pixels[0]
    if not all(r.get("median_low_s") and r.get("median_high_s") for r in (first, row)):
        return ratio, None

    def factor(upper: Row, lower: Row) -> float:
        return math.exp(math.hypot(math.log(upper["median_high_s"] / upper["median_s"]),
                                   math.log(lower["median_s"] / lower["median_low_s"])))

    return ratio, Interval(ratio / factor(row, first), ratio * factor(first, row))


def _against_first(rows: Sequence[Row], row: Row) -> str:
    """"0.668 ±0.004", as the program's."""
    first = next((other for other in rows if _is_comparable(other, row)), None)
    if first is None:
        return "-"
    ratio, interval = _speedup(first, row)
    if interval is None:
        return f"{ratio:.{4 if ratio < 0.1 else 2 if ratio < 100 else 0}f}"
    decimals = 2 if ratio < 100 else 0
    half = max(interval.high - ratio, ratio - interval.low)
    if ratio < 0.1:  # hundreds of times slower, which three decimals may not tell apart
        decimals = 3 if half >= 1e-3 else 4 if half >= 1e-4 else 5
    elif half < 0.01:
        decimals = 3
    shown = math.ceil(half * 10**decimals) / 10**decimals  # rounded up: never exact if it is not
    return f"{ratio:.{decimals}f} ±{shown:.{decimals}f}"


def _of(name: str) -> Callable[[Row], str]:
    usual = NEWER.get(name)
    return lambda row: "-" if row.get(name, usual) is None else str(row.get(name, usual))


def _on_device(row: Row) -> str:
    kernel_s = (row.get("phases") or {}).get("kernel_s")
    return "-" if kernel_s is None else time_text(kernel_s)


def _columns(rows: Sequence[Row]) -> list[_Column]:
    numbers = {id(row): str(number) for number, row in enumerate(rows, 1)}
    columns = [
        _Column("row", lambda row: numbers[id(row)]),
        _Column("backend", _of("backend"), left=True),
        _Column("kernel", _of("kernel"), left=True),
        _Column("method", _of("method"), _SETTING, left=True),
        _Column("scope", _of("scope"), _OPTION, "end-to-end", left=True),
        _Column("host memory", lambda row: row.get("host_memory") or "pinned", _OPTION, "pinned",
                left=True),
        _Column("dtype", _of("dtype"), _SETTING, left=True),
        _Column("size", lambda row: f"{row['height']}x{row['width']}", _SETTING),
        _Column("filter", lambda row: f"{row['filter_size']}x{row['filter_size']}", _OPTION, "4x4"),
        _Column("stride", _of("stride"), _OPTION, "5"),
        _Column("images", _of("images"), _SETTING),
        _Column("workers", _of("num_workers"), _SETTING),
        _Column("ranks", lambda row: str(row.get("ranks") or 1), _OPTION, "1"),
        _Column("distribute", _of("distribute"), _OPTION, "-", left=True),
        _Column("work time", lambda row: f"{row.get('work_time') or 0:g} s", _OPTION, "0 s"),
        *(_Column(name.replace("_", " "), _of(name), _OPTION,
                  "-" if usual is None else str(usual), left=isinstance(usual, str))
          for name, usual in NEWER.items()),
        # Figures that are not those of a whole, right measurement.
        _Column("status", lambda row: "-" if row["status"] == "ok" or row["median_s"] is None
                else str(row["status"]), _OPTION, "-", left=True),
        _Column("median", lambda r: "-" if r["median_s"] is None else time_text(r["median_s"])),
        _Column("on device", _on_device, _OPTION, "-"),
        _Column("cv", lambda r: "-" if r.get("cv") is None else f"{100 * r['cv']:.1f}%"),
        _Column("images/s", lambda row: _scaled(row.get("images_per_s"), 1, 1)),
        _Column("GB/s", lambda row: _scaled(row.get("bytes_per_s"), 1e-9, 2)),
        _Column("GFLOP/s", lambda row: _scaled(row.get("flops_per_s"), 1e-9, 1)),
        _Column("of bound", lambda row: fraction_text((row.get("bound") or {}).get("fraction"))),
        _Column("limit", lambda row: (row.get("bound") or {}).get("limit") or "-", left=True),
    ]
    if any(_is_comparable(row, row) for row in rows):
        columns.append(_Column("vs first", lambda row: _against_first(rows, row)))
    return columns


def _rows_label(numbers: Sequence[int]) -> str:
    """"row 2", "rows 1, 4-6", as the program's. `numbers` ascend."""
    parts = []
    for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        found = [str(number) for _, number in run]
        parts += [f"{found[0]}-{found[-1]}"] if len(found) > 2 else found
    return f"row{'s'[:len(numbers) > 1]} {', '.join(parts)}"


def _reasons(rows: Sequence[Row]) -> str:
    numbers: dict[str, list[int]] = {}
    for number, row in enumerate(rows, 1):
        if row.get("reason"):
            numbers.setdefault(f"{row['status']}: {printable(row['reason'])}", []).append(number)
    return "".join(f"{_rows_label(of)} {reason}\n" for reason, of in numbers.items())


def table_text(rows: Sequence[Row]) -> str:
    """What all rows have in common, the table, and why rows have no figures; the latter alone where
    all are skipped. `rows` are elements of a results file's `records`, at least one."""
    reasons = _reasons(rows)
    if all(row["status"] == "skipped" for row in rows):
        return reasons
    shown, common = [], []
    for column in _columns(rows):
        cells = [printable(column.cell(row)) for row in rows]
        same = len(set(cells)) == 1
        if column.shown == _ALWAYS or not same:
            width = max(len(text) for text in (column.title, *cells))
            shown.append([text.ljust(width) if column.left else text.rjust(width)
                          for text in (column.title, *cells)])
        elif column.shown == _SETTING or cells[0] != column.usual:
            common.append(f"{column.title} {cells[0]}")
    lines = ["  ".join(cells).rstrip() + "\n" for cells in zip(*shown)]
    return ((f"In all rows: {', '.join(common)}\n" if common else "") + "".join(lines) +
            (f"\n{reasons}" if reasons else ""))
