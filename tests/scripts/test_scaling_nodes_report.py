# SPDX-License-Identifier: Apache-2.0
"""scaling.py over nodes: what reports say about made-up records of several ranks."""
from __future__ import annotations

from typing import Any

import pytest
from scaling_model import document, over, record, sweep
from test_scaling_nodes import over_nodes

from convscale.plots.model import Chart, Line
from convscale.scaling.collect import Sweep
from convscale.scaling.markdown import markdown
from convscale.scaling.report import make_charts, make_report
from convscale.scaling.series import Key, Workload, series_of

ASKED = ("--mode", "strong", "--method", "full", "--workers-per-node", "2", "--distribute",
         "scatter,local")


def rows(per_image: float = 1e-3) -> list[dict[str, Any]]:
    """33 images on 1, 2 and 4 nodes of 2 workers; scatter is three times as slow on several."""
    made = [over(1, per_image_s=per_image)]
    for ranks in (2, 4):
        made += [over(ranks, "scatter", per_image_s=3 * per_image),
                 over(ranks, "local", per_image_s=per_image)]
    return made


def nodes(*more: dict[str, Any], **other: Any) -> Sweep:
    return sweep(over_nodes(*ASKED), document([*rows(), *more], hosts=["h1", "h2", "h3", "h4"],
                                              ranks=4, **other))


def chart_of(made: Sweep, name: str) -> Chart:
    return next(chart for chart in make_charts(made) if chart.name == name)


def line_of(chart: Chart, label: str, panel: int = 0) -> Line:
    return next(line for line in chart.panels[panel].lines if line.label == label)


def test_time_against_nodes_has_a_series_for_each_distribution() -> None:
    chart = chart_of(nodes(), "strong-time-full-float64")
    assert chart.x.label == "nodes" and chart.x.ticks == [(1, "1"), (2, "2"), (4, "4")]
    lines = {line.label: line for line in chart.panels[0].lines}
    assert set(lines) == {"cpu avx512, scatter", "cpu avx512, local", "bound scatter",
                          "bound local", "ideal", ""}
    # 17, 9 and 5 images for the busiest of 2, 4 and 8 workers; one node begins both.
    assert list(lines["cpu avx512, local"].xs) == [1, 2, 4]
    assert list(lines["cpu avx512, local"].ys) == pytest.approx([17, 9, 5])
    assert list(lines["cpu avx512, scatter"].ys) == pytest.approx([17, 27, 15])
    assert list(lines["ideal"].ys) == pytest.approx([17, 8.5, 4.25])
    assert chart.title.startswith("4 nodes are 3.4 times as fast as 1 (cpu avx512, local")


def test_the_tables_over_nodes() -> None:
    report = make_report(nodes())
    strong = next(table for table in report.tables if table.title.startswith("Strong"))
    assert strong.header[:4] == ["series", "images", "nodes", "workers"]
    assert [row[0] + " " + row[2] for row in strong.rows] == [
        f"cpu avx512, {how} {count}" for how in ("local", "scatter") for count in (1, 2, 4)]
    ranks = next(table for table in report.tables if table.title.startswith("Ranks"))
    last = dict(zip(ranks.header, ranks.rows[-1]))
    assert last["series"] == "cpu avx512, scatter" and last["slowest rank"] == "3 on h4"
    assert (last["nodes"], last["ranks"], last["ratio"]) == ("4", "4", "1.50")
    assert last["between hosts"] == "205.9 MB"  # 3/4 of 33 images of 8.32 MB
    assert last["network"] == "1.00 GB/s" and last["empty barrier"] == "40.00 us"
    assert all(len(row) == len(ranks.header) for row in ranks.rows)
    assert "Ranks in strong scaling" in markdown(report)


def test_distributions_and_numbers_of_ranks_never_mix() -> None:
    own = sweep(over_nodes(*ASKED), document([
        *rows(), over(4, "local", num_workers=4, per_image_s=1e-6),  # 2 nodes' workers, 4 ranks
        over(2, "scatter", num_workers=8, per_image_s=1e-6), record(num_workers=4)]))
    series = series_of(own.of_study("strong"), Workload("full", "float64"),
                       lambda one: one.num_workers)
    assert [one.key for one in series] == [Key("cpu", "avx512", "end-to-end", "local"),
                                           Key("cpu", "avx512", "end-to-end", "scatter")]
    for one in series:
        assert [made.ranks for made in one.records] == [1, 2, 4]
        assert {made.distribute for made in one.records} == {None, one.key.distribute}


@pytest.mark.parametrize("missing", ["per_rank", "fastest_rank", "slowest_rank", "exchanged_bytes",
                                     "wire_bytes", "communication_share", "barrier_s", "bound"])
def test_what_is_not_known_is_left_out(missing: str) -> None:
    made = [{**row, missing: None} for row in rows()]
    report = make_report(sweep(over_nodes(*ASKED), document(made)))
    assert any(chart.name == "strong-time-full-float64" for chart in report.charts)
    ranks = next(table for table in report.tables if table.title.startswith("Ranks"))
    assert missing == "per_rank" or any("-" in row for row in ranks.rows)
