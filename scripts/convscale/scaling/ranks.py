# SPDX-License-Identifier: Apache-2.0
"""What records of several ranks say about them: who was slow, and what was no computing."""
from __future__ import annotations

from typing import Any, Optional, Sequence

from convscale.results import Record
from convscale.scaling.numbers import digits, percent_text, ratio_text, time_text
from convscale.scaling.series import Along, Series

HEADER = ["series", "slowest rank", "fastest rank", "nodes", "ranks", "time of the slowest",
          "of the fastest", "ratio", "without computing", "empty barrier", "exchanged",
          "between hosts", "network"]
TEXTS = 3  # columns at the left that hold text


def imbalance(record: Record) -> Optional[float]:
    """The time of the slowest rank over that of the fastest, both until the closing barrier."""
    slow, fast = _run_s(record, "slowest_rank"), _run_s(record, "fastest_rank")
    return slow / fast if slow is not None and fast else None


def communication(record: Record) -> Optional[float]:
    """Share of an iteration in which the busiest worker of all did not compute."""
    share = record.raw.get("communication_share")
    return None if share is None else float(share)


def rank_text(record: Record, which: str) -> str:
    """ "3 on h4", of `slowest_rank` or `fastest_rank`."""
    rank = record.raw.get(which) or {}
    if rank.get("rank") is None or rank.get("host") is None:
        return "-"
    return f"{rank['rank']} on {rank['host']}"


def of_several(series: Sequence[Series]) -> list[Series]:
    """What was measured with several ranks."""
    several = [Series(one.key, [record for record in one.records if record.ranks > 1])
               for one in series]
    return [one for one in several if one.records]


def rows(series: Sequence[Series], along: Along) -> list[list[str]]:
    """Cells of a table with HEADER."""
    return [[one.key.label, rank_text(record, "slowest_rank"), rank_text(record, "fastest_rank"),
             str(along.count(record)), str(record.ranks),
             time_text(_run_s(record, "slowest_rank")), time_text(_run_s(record, "fastest_rank")),
             ratio_text(imbalance(record)), percent_text(communication(record)),
             time_text(_number(record, "barrier_s")), _bytes_text(record, "exchanged_bytes"),
             _bytes_text(record, "wire_bytes"), _network_text(record)]
            for one in of_several(series) for record in one.records]


def sentence(name: str, series: Series, along: Along) -> Optional[str]:
    """About the most nodes."""
    record = series.records[-1]
    share, factor = communication(record), imbalance(record)
    if record.ranks == 1 or share is None:
        return None
    text = (f"{name}: on {along.text(record)}, {series.key.label} spends {percent_text(share)} of "
            "an iteration without computing")
    if factor is None:
        return text + "."
    return (f"{text}; the slowest rank, {rank_text(record, 'slowest_rank')}, takes "
            f"{ratio_text(factor)} times as long as the fastest, "
            f"{rank_text(record, 'fastest_rank')}.")


def host_warnings(records: Sequence[Record], ranks_per_node: int) -> list[str]:
    """Where ranks were not spread as asked, by the hosts that they name."""
    found = {(record.ranks, record.nodes) for record in records
             if record.per_rank and record.nodes * ranks_per_node != record.ranks}
    return [f"{ranks} ranks say that they ran on {nodes} host{'' if nodes == 1 else 's'}, and "
            f"{ranks // ranks_per_node} nodes were asked for" for ranks, nodes in sorted(found)]


def _number(record: Record, name: str) -> Optional[float]:
    value: Any = record.raw.get(name)
    return None if value is None else float(value)


def _run_s(record: Record, which: str) -> Optional[float]:
    value: Any = (record.raw.get(which) or {}).get("run_s")
    return None if value is None else float(value)


def _bytes_text(record: Record, name: str) -> str:
    value = _number(record, name)
    return "-" if value is None else f"{digits(value / 1e6)} MB"


def _network_text(record: Record) -> str:
    value: Any = (record.raw["bound"] or {}).get("network_bytes_per_s")
    return "-" if value is None else f"{digits(value / 1e9, 3)} GB/s"
