# SPDX-License-Identifier: Apache-2.0
"""scaling.py: the page stands alone and means what it says."""
from __future__ import annotations

import re
from html.parser import HTMLParser

from scaling_model import break_even, document, record, request, skipped, sweep

from convscale.plots.draw import draw
from convscale.scaling.page import page
from convscale.scaling.report import make_report

HOST = "<b>host</b>&" + "x" * 60


def text_of_page() -> str:
    rows = [record(num_workers=workers, backend=backend, kernel=kernel)
            for workers in (1, 2) for backend, kernel in (("cpu", "avx512"), ("cuda", "tiled"))]
    rows.append(skipped("<script>alert(1)</script>", kernel="bogus"))
    made = sweep(request("--num_workers", "1,2", "--method", "full", "--backend", "cpu,cuda"),
                 document(rows, host=HOST, break_even=[break_even()]))
    report = make_report(made)
    return page(report, [draw(chart) for chart in report.charts])


class Checker(HTMLParser):
    """Sees that what is opened is closed."""

    VOID = {"meta", "path", "use", "rect", "br", "img", "link"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.tags: set[str] = set()
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names += [value or "" for name, value in attrs if name == "id"]
        self.problems += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}>")


def test_the_page_stands_alone() -> None:
    text = text_of_page()
    references = set(re.findall(r"https?://[^\"'\s)]*", text))
    assert references == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(script|link|img|iframe|object)\b|@import|url\((?!#)", text)
    assert not re.search(r'\b(src|href)="(?!#)', text)


def test_the_page_is_well_formed() -> None:
    checker = Checker()
    checker.feed(text_of_page())
    checker.close()
    assert checker.problems == [] and checker.open == []
    assert {"svg", "table", "figure", "style"} <= checker.tags
    assert len(checker.names) == len(set(checker.names))


def test_texts_mean_themselves() -> None:
    text = text_of_page()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<b>host</b>" not in text and "&lt;b&gt;host&lt;/b&gt;&amp;" in text
