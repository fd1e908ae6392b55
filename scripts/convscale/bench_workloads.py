# SPDX-License-Identifier: Apache-2.0
"""The workloads of bench_compare.py: a short list that spans what kernels choose their loops by."""
from __future__ import annotations

from typing import NamedTuple

from convscale.results import Record


class Workload(NamedTuple):
    method: str
    dtype: str
    side: int  # of the images, which are square
    filter_size: int
    stride: int

    @property
    def name(self) -> str:
        """Such as full-f64-k4-s5-1000."""
        return _name(self.method, self.dtype, self.filter_size, self.stride, str(self.side))

    @property
    def pixels(self) -> int:
        """More than most caches hold where memory may be the limit, and less elsewhere: all of them
        are to take minutes."""
        few_taps = self.filter_size <= 5 and self.stride >= 5
        return 2**24 if few_taps and self.side >= 256 else 2**23

    @property
    def options(self) -> dict[str, str]:
        return {"--method": self.method, "--dtype": self.dtype, "--size": str(self.side),
                "--filter-size": str(self.filter_size), "--stride": str(self.stride),
                "--mem": str(self.pixels)}


def name_of(record: Record) -> str:
    """The name of the workload that a record is of."""
    raw = record.raw
    side = raw["height"] if raw["height"] == raw["width"] else record.size
    return _name(raw["method"], raw["dtype"], raw["filter_size"], raw["stride"], str(side))


def _name(method: str, dtype: str, filter_size: int, stride: int, side: str) -> str:
    return f"{method}-{dtype.replace('float', 'f')}-k{filter_size}-s{stride}-{side}"


def _some(method: str, dtype: str, side: int, *shapes: tuple[int, int]) -> list[Workload]:
    """Filter size and stride of each."""
    return [Workload(method, dtype, side, *shape) for shape in shapes]


QUICK = [
    *_some("full", "float64", 1000, (3, 5), (4, 5), (7, 5), (15, 5)),
    *_some("full", "float32", 1000, (4, 5), (9, 5)),
    *_some("strided", "float64", 1000, (4, 5), (3, 2), (7, 1)),
    *_some("strided", "float32", 1000, (4, 5)),
    *_some("full", "float64", 64, (4, 5)),
    *_some("strided", "float64", 64, (4, 5)),
]
ALL = [
    *QUICK,
    *_some("full", "float64", 1000, (1, 5), (5, 5), (9, 5), (31, 5)),
    *_some("full", "float32", 1000, (3, 5), (7, 5), (15, 5)),
    *_some("full", "float64", 256, (4, 5)),
    *_some("full", "float32", 256, (4, 5)),
    *_some("full", "float64", 32, (4, 5)),
    *_some("strided", "float64", 1000, (1, 5), (4, 2), (4, 3), (4, 7), (15, 5), (31, 5)),
    *_some("strided", "float32", 1000, (3, 2), (7, 1), (9, 3)),
    *_some("strided", "float64", 256, (4, 5)),
    *_some("strided", "float32", 64, (4, 5)),
    *_some("strided", "float64", 32, (4, 5)),
]
