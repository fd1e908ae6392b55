# SPDX-License-Identifier: Apache-2.0
"""A made-up program for heatmap.py, and made-up maps in which each cell has a figure of its own."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import pytest
from forked import Script
from scaling_bench import Bench, handlers_kept
from scaling_model import document, record

from convscale.heatmap.cells import Figures, figures_of
from convscale.heatmap.main import main
from convscale.results import load

METHODS, DTYPES = ("full", "strided"), ("float64", "float32")
SIZES, STRIDES = (1, 4, 31), {"full": (1, 5), "strided": (1, 2, 5)}


class HeatBench(Bench):
    """`out` is the stem of the files."""

    script = Script("heatmap.py", main)
    usual = ["--filter-size", "4,1", "--stride", "2,1", "--full-stride", "1"]

    def options(self, *options: str) -> list[str]:
        """What draws needs none of these."""
        return list(options) if "--from" in options else super().options(*options)

    def file(self, suffix: str) -> Path:
        return Path(f"{self.out}{suffix}")

    def text(self, suffix: str) -> str:
        return self.file(suffix).read_text(encoding="utf-8")

    def cells(self) -> list[tuple[str, str, int, int]]:
        """Of the records that are kept, in their order."""
        return [(one.raw["method"], one.raw["dtype"], one.raw["filter_size"], one.raw["stride"])
                for one in load(self.file(".json")).records]

    def keep(self, raw: dict[str, Any]) -> str:
        """The name of a results file to draw."""
        self.file(".json").write_text(json.dumps(raw))
        return str(self.file(".json"))


@pytest.fixture
def heat(tmp_path: Path, capfd: pytest.CaptureFixture[str],
         monkeypatch: pytest.MonkeyPatch) -> Iterator[HeatBench]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # what is killed leaves some there
    with handlers_kept():
        yield HeatBench(tmp_path, capfd, monkeypatch)


def fraction_of(method: str, dtype: str, size: int, stride: int) -> float:
    """Another for each cell."""
    return round((METHODS.index(method) * 40 + DTYPES.index(dtype) * 20 + SIZES.index(size) * 6
                  + STRIDES[method].index(stride) + 3) / 100, 2)


def cell(method: str, dtype: str, size: int, stride: int, **other: Any) -> dict[str, Any]:
    """From K 31 on, compute limits."""
    made = record(method=method, dtype=dtype, filter_size=size, stride=stride)
    fraction = other.pop("fraction", fraction_of(method, dtype, size, stride))
    made["bound"] = {**made["bound"], "limit": "compute" if size == 31 else "memory",
                     "time_s": made["median_s"] * fraction, "fraction": fraction}
    return {**made, **other}


def cells() -> list[dict[str, Any]]:
    return [cell(method, dtype, size, stride) for size in SIZES for method in METHODS
            for dtype in DTYPES for stride in STRIDES[method]]


def figures(folder: Path, records: list[dict[str, Any]], **other: Any) -> Figures:
    raw = {**document(records, ["-w", "2"]), **other}
    (folder / "map.json").write_text(json.dumps(raw))
    return figures_of(load(folder / "map.json"))
