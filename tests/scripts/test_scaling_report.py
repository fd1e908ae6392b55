# SPDX-License-Identifier: Apache-2.0
"""scaling.py: what reports say about made-up records."""
from __future__ import annotations

import re
from typing import Any

import pytest
from scaling_model import break_even, document, record, request, skipped, sweep

from convscale.plots.model import Chart, Line
from convscale.scaling.collect import Sweep
from convscale.scaling.findings import findings
from convscale.scaling.markdown import markdown
from convscale.scaling.page import page
from convscale.scaling.report import make_charts, make_report

STRONG = ("--mode", "strong", "--num_workers", "1,2,4", "--method", "full")


def strong(*more: dict[str, Any], **other: Any) -> Sweep:
    own = [record(num_workers=workers) for workers in (1, 2, 4)]
    return sweep(request(*STRONG), document([*own, *more], **other))


def gpu(**other: Any) -> Sweep:
    rows = [record(num_workers=workers, backend="cuda", kernel="tiled", scope=scope,
                   per_image_s=1e-4)
            for workers in (1, 2, 4) for scope in ("end-to-end", "resident")]
    return strong(*rows, **other)


def chart_of(made: Sweep, name: str) -> Chart:
    return next(chart for chart in make_charts(made) if chart.name == name)


def line_of(chart: Chart, label: str, panel: int = 0) -> Line:
    return next(line for line in chart.panels[panel].lines if line.label == label)


def test_the_findings_are_computed() -> None:
    text = "\n".join(findings(strong()))
    # 33, 17 and 9 images of a millisecond for the busiest worker.
    assert "3667 images/s (9.000 ms), by cpu avx512 with 4 workers" in text
    assert "of the bound, set by memory" in text
    assert ("cpu avx512 is 3.67 times as fast with 4 workers as with 1, a parallel efficiency of "
            "0.92 (whole images allow 0.92 at best)") in text


def test_program_against_baseline_with_as_many_workers() -> None:
    rows = [record(backend="python", kernel="scipy-spawn", num_workers=workers, per_image_s=0.1)
            for workers in (1, 2)]
    text = "\n".join(findings(strong(*rows)))
    assert ("With 2 workers, scipy-spawn takes 100 times as long as cpu avx512: 1.700 s against "
            "17.00 ms for 33 images of 1000x1000 (full).") in text


def test_a_library_on_a_gpu_is_a_line_and_not_the_program() -> None:
    made = strong(record(backend="torch", kernel="conv2d", scope="resident", num_workers=1,
                         per_image_s=1e-6, bound=None))
    assert findings(made) == findings(strong())
    report = make_report(made)
    assert "torch conv2d, resident" in markdown(report) and "torch conv2d" in page(report, [])
    assert chart_of(made, "strong-time-full-float64")


@pytest.mark.parametrize("mode", ["strong", "weak", "throughput"])
def test_more_than_the_hardware_can_do_is_marked(mode: str) -> None:
    asked = request("--mode", mode, "--num_workers", "4", "--method", "full", "--sizes", "1000",
                    "--mem-per-worker", "33M", "--mem", "33M")
    row = record(images=132 if mode == "weak" else 33)
    fitting = sweep(asked, document([row]))
    wrong = sweep(asked, document([{**row, "median_s": row["bound"]["time_s"] / 1.0301}]))
    for made, is_marked in ((fitting, False), (wrong, True)):
        report = make_report(made)
        cells = [row[table.header.index("of bound")] for table in report.tables
                 for row in table.rows]
        assert [cell == "1.03!" for cell in cells] == [is_marked]
        for text in (markdown(report), page(report, [])):
            assert ("!: more than the hardware can do" in text) == is_marked
            assert ("1.03!" in text) == is_marked


def test_what_was_measured_until_an_interrupt_is_no_result() -> None:
    cut = record(num_workers=4, per_image_s=1e-9, status="interrupted", reason="by a signal")
    rows = [record(num_workers=workers) for workers in (1, 2)]
    made = sweep(request(*STRONG), document([*rows, cut], interrupted=True))
    report = make_report(made)
    assert [row[2] for table in report.tables[:-1] for row in table.rows] == ["1", "2"]
    assert report.tables[-1].title == "Not measured"
    assert report.tables[-1].rows[0][-2:] == ["interrupted", "by a signal"]
    assert "with 2 workers" in "\n".join(report.findings)
    line = line_of(chart_of(made, "strong-time-full-float64"), "cpu avx512")
    assert list(line.xs) == [1, 2]


def test_weak_and_sizes() -> None:
    asked = request("--mode", "weak,throughput", "--num_workers", "1,2", "--method", "full",
                    "--size", "100", "--sizes", "100,200", "--mem", "80k")
    rows = [record(size=(100, 100), images=4, num_workers=1, per_image_s=1e-3),
            record(size=(100, 100), images=8, num_workers=2, per_image_s=2e-3),
            record(size=(200, 200), images=2, num_workers=2, per_image_s=2e-3)]
    text = "\n".join(findings(sweep(asked, document(rows))))
    assert "with 4 images for each worker, cpu avx512 takes 4.000 ms with 1 worker and 8.000 ms " \
           "with 2, a weak efficiency of 0.50" in text
    assert "the most pixels a second with 200x200 (40.00 million), and the fewest with 100x100 " \
           "(10.00 million)" in text


@pytest.mark.parametrize("entry, text", [
    (break_even(17), "The GPU pays from 17 images on (full, float64, 1000x1000); one upload has "
                     "paid after 2 passes"),
    (break_even(None), "The GPU does not pay, for any number of images"),
    (break_even(None, images_reason="too few"), "is not known (full, float64, 1000x1000): too few"),
    (break_even(1, passes=None), "The GPU pays from 1 image on (full, float64, 1000x1000).")])
def test_break_even_is_told(entry: dict[str, Any], text: str) -> None:
    assert text in "\n".join(findings(gpu(break_even=[entry])))


def test_time_against_workers_has_medians_spread_ideal_and_bound() -> None:
    chart = chart_of(strong(), "strong-time-full-float64")
    own = line_of(chart, "cpu avx512")
    assert list(own.xs) == [1, 2, 4] and list(own.ys) == pytest.approx([33, 17, 9])
    assert own.spread is not None and own.spread[2] == pytest.approx((0.95 * 9, 1.2 * 9))
    assert list(line_of(chart, "ideal").ys) == pytest.approx([33, 16.5, 8.25])
    bound = [made["bound"]["time_s"] * 1e3 for made in
             (record(num_workers=workers) for workers in (1, 2, 4))]
    assert list(line_of(chart, "bound").ys) == pytest.approx(bound)
    assert chart.title.startswith("4 workers are 3.7 times as fast as 1")


def test_the_roofline_has_a_point_for_each_kernel_and_method() -> None:
    rows = [record(num_workers=4, method="strided", per_image_s=1e-4),
            record(num_workers=4, backend="python", kernel="scipy-spawn")]
    made = sweep(request("--mode", "strong", "--num_workers", "1,2,4"),
                 document([record(num_workers=4), *rows]))
    chart = chart_of(made, "roofline-float64")
    points = {(point.label, round(point.x, 2)): point for point in chart.panels[0].points}
    assert set(points) == {("cpu avx512", 3.86), ("cpu avx512", 0.19), ("scipy-spawn", 3.86)}
    roof, = chart.panels[0].lines
    assert max(roof.ys) == pytest.approx(800)  # 4 workers of 200 GFLOP/s
    assert roof.ys[0] / roof.xs[0] == pytest.approx(120)  # and of 30 GB/s
    assert points["cpu avx512", 3.86].y == pytest.approx(33e6 * 32 / 9e-3 / 1e9)


def test_cpu_against_gpu_marks_the_break_even() -> None:
    chart = chart_of(gpu(break_even=[break_even(17)]), "break-even-full-float64")
    panel, = chart.panels
    assert [mark.x for mark in panel.marks] == [17]
    assert chart.title.startswith("The GPU pays from 17 images on")
    assert line_of(chart, "cuda tiled").ys[0] == pytest.approx(4)
    far = chart_of(gpu(break_even=[break_even(10**6)]), "break-even-full-float64")
    assert not far.panels[0].marks and "1000000 images" in far.title
    assert not [chart for chart in make_charts(gpu()) if "break-even" in chart.name]


@pytest.mark.parametrize("text", ["sw\udcffeep", "a\x1b[31mb"])
def test_odd_characters_reach_no_report(text: str) -> None:
    made = strong(skipped(text, kernel="bogus"), host=text)
    report = make_report(made)
    for whole in (markdown(report), page(report, [])):
        whole.encode()
        assert "\x1b" not in whole


def test_zero_records() -> None:
    report = make_report(sweep(request(*STRONG), document([])))
    assert report.charts == [] and report.tables == []
    assert report.findings == ["Nothing was measured."]
    assert "Nothing was measured." in markdown(report)


def test_markdown_tables_are_whole() -> None:
    text = markdown(make_report(gpu(break_even=[break_even(17)])))
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [re.sub(r"\\\|", "", line) for line in block.splitlines()]
        assert len({line.count("|") for line in lines}) == 1
        assert re.fullmatch(r"\|(-+:?\|)+", lines[1])
