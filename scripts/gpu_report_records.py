# SPDX-License-Identifier: Apache-2.0
"""The records that gpu_report.py reads: choosing among them, judging them."""
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from gpu_report_text import IMPOSSIBLE

LIBRARIES = ("cudnn", "thrust")  # kernels that are not ours
Record = Dict[str, Any]
Case = Tuple[Any, ...]
Time = Callable[[Record], Optional[float]]


def vouch(records: List[Record]) -> None:
    """Sets `vouched`: verified, or with the same digest as a verified row of the same workload."""
    def workload(r: Record) -> Case:
        return tuple(r.get(name) for name in ("digest", "dtype", "images", "height", "width",
                                              "filter_size", "stride", "fill", "seed"))
    passed = {workload(r) for r in records
              if r.get("digest") and r["verification"]["status"] == "passed"}
    for r in records:
        status = r["verification"]["status"] or "skipped"
        r["vouched"] = (
            "passed" if status == "passed" else
            "same digest as a verified row" if status == "skipped" and workload(r) in passed else
            "not verified" if status == "skipped" else status)


# --- Choosing


def is_measured(r: Record) -> bool:
    return r["status"] == "ok" and r.get("median_s") is not None


def is_sound(r: Record) -> bool:
    """Measured, and the results are known to be right."""
    return is_measured(r) and r["vouched"] in ("passed", "same digest as a verified row")


def is_ours(r: Record) -> bool:
    return r["backend"] == "cuda" and r["kernel"] not in LIBRARIES


def is_other(r: Record) -> bool:
    """On the card, and not ours: a library's kernel, or another program (gpu_peers.py)."""
    return r["backend"] not in ("cpu", "cuda") or (r["backend"] == "cuda" and not is_ours(r))


def name_of(r: Record) -> str:
    if r["backend"] in ("cuda", r["kernel"]) or not r["kernel"]:
        return str(r["kernel"] or r["backend"])
    return "{} {}".format(r["backend"], r["kernel"])


def case_of(r: Record) -> Case:
    """What is computed, and where it begins and ends: times of one case may be compared."""
    return (-r["height"], -r["width"], r["images"], str(r["filter_size"]), str(r["stride"]),
            r["method"], r["scope"], r["dtype"])


def clock_s(r: Record) -> Optional[float]:
    return r.get("median_s")


def kernel_s(r: Record) -> Optional[float]:
    return (r.get("phases") or {}).get("kernel_s") or None


def fraction(r: Record, time: Time) -> Optional[float]:
    """Of the bound."""
    least, took = (r.get("bound") or {}).get("time_s"), time(r)
    return least / took if least and took else None


def ratio(a: Optional[Record], b: Optional[Record], time: Time) -> Optional[float]:
    """Of their times."""
    a_s, b_s = time(a) if a else None, time(b) if b else None
    return a_s / b_s if a_s and b_s else None


def best(records: Iterable[Record], time: Time) -> Optional[Record]:
    timed = [r for r in records if time(r)]
    return min(timed, key=lambda r: time(r) or 0) if timed else None


def workload_of(r: Record) -> str:
    side = "{}^2".format(r["width"]) if r["width"] == r["height"] else "{}x{}".format(
        r["height"], r["width"])
    return "{} x {}".format(r["images"], side)


# --- Judging


class Target(NamedTuple):
    name: str
    workload: str
    dtype: str
    figure: Optional[float]
    least: float
    how: str

    @property
    def is_fraction(self) -> bool:
        """Of a bound; else, times as fast."""
        return self.least < 1

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        if self.is_fraction and self.figure > IMPOSSIBLE:
            return "doubtful: more than the hardware can do"
        return "met" if self.figure >= self.least else "missed"


class Judge:
    """The speed that is asked for, beside what was measured."""

    def __init__(self, records: List[Record]) -> None:
        self.records = [r for r in records if r["backend"] == "cuda" and is_sound(r)]
        self.all = [r for r in records if r["backend"] == "cuda" and is_measured(r)]

    def targets(self) -> List[Target]:
        found = []
        for dtype in ("float64", "float32"):
            # A launch and a wait are a good part of the clock where a kernel takes 50 us.
            for side, time, clock in ((1000, kernel_s, "kernel_s"), (256, clock_s, "the clock")):
                for method, least in (("strided", 0.85), ("full", 0.75)):
                    found.append(self.resident(method, dtype, side, time, clock, least))
                    found.append(self.library(method, dtype, side, time, clock))
                    found.append(self.end_to_end(method, dtype, side))
        order = {"resident": 0, "end-to-end": 1, "over": 2}
        return sorted(found, key=lambda t: (order[t.name.split()[0]], t.name, t.workload))

    def rows(self, records: List[Record], method: str, dtype: str, scope: str,
             side: int) -> List[Record]:
        images = 8192 if side == 256 else 33
        return [r for r in records
                if (r["method"], r["dtype"], r["scope"], r["height"], r["width"], r["images"]) ==
                (method, dtype, scope, side, side, images) and r["host_memory"] != "pageable"]

    def resident(self, method: str, dtype: str, side: int, time: Time, clock: str,
                 least: float) -> Target:
        row = best(filter(is_ours, self.rows(self.records, method, dtype, "resident", side)), time)
        return self.target("resident " + method, dtype, side, row, least,
                           fraction(row, time) if row else None, "of the bound by " + clock)

    def end_to_end(self, method: str, dtype: str, side: int) -> Target:
        row = best(filter(is_ours, self.rows(self.records, method, dtype, "end-to-end", side)),
                   clock_s)
        limit = row["bound"]["limit"] if row else None
        how = "of the link by the clock"
        if limit not in (None, "transfer"):
            how = "of the bound by the clock; the limit is {}, not transfer".format(limit)
        return self.target("end-to-end " + method, dtype, side, row, 0.90,
                           fraction(row, clock_s) if row else None, how)

    def library(self, method: str, dtype: str, side: int, time: Time, clock: str) -> Target:
        ours = best(filter(is_ours, self.rows(self.records, method, dtype, "resident", side)), time)
        theirs = best((r for r in self.rows(self.all, method, dtype, "resident", side)
                       if r["kernel"] == "cudnn"), time)
        return self.target("over cudnn, resident " + method, dtype, side, ours, 5.0,
                           ratio(theirs, ours, time), "times as fast by " + clock)

    @staticmethod
    def target(name: str, dtype: str, side: int, row: Optional[Record], least: float,
               figure: Optional[float], how: str) -> Target:
        workload = "33 x 1000^2" if side == 1000 else "8192 x 256^2"
        if row:
            how += "; {}, {} stream{}".format(row["kernel"], row["num_workers"],
                                              "s" if row["num_workers"] > 1 else "")
        return Target(name, workload, dtype, figure, least, how)
