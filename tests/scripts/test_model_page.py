# SPDX-License-Identifier: Apache-2.0
"""What model.py writes, and the page that it keeps. All times are made up."""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from model_records import ALL, modelled, over
from scaling_model import document

from convscale.cli import run_script
from convscale.model.main import BEGIN, END, main
from convscale.model.network import exchanged_bytes
from convscale.model.published import POINTS, SOURCE
from convscale.model.report import floors_markdown

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"


class Model:
    """model.py in a folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str],
                 monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.capture, self.monkeypatch = folder, capture, monkeypatch

    def file(self, *raws: dict[str, Any]) -> str:
        path = self.folder / "results.json"
        path.write_text(json.dumps(document(list(raws), ranks=8)))
        return str(path)

    def run(self, code: int, *options: str) -> tuple[str, str]:
        """Standard output and error."""
        self.monkeypatch.setattr(sys, "argv", ["model.py", *options])
        with pytest.raises(SystemExit) as ended:
            run_script("model.py", main)
        out, err = self.capture.readouterr()
        assert ended.value.code == code, err
        return out, err


@pytest.fixture
def model(tmp_path: Path, capfd: pytest.CaptureFixture[str],
          monkeypatch: pytest.MonkeyPatch) -> Model:
    return Model(tmp_path, capfd, monkeypatch)


def test_the_text_says_parameters_errors_and_the_crossover(model: Model) -> None:
    out, _ = model.run(0, model.file(*ALL), "--links", "10")
    assert "| rank 0's link, B | 2.000 GB/s (16.0 Gbit/s) | 3 | 2, 3, 8 |" in out
    assert "| for each other rank, λ | 30.00 us | 3 | 2, 3, 8 |" in out
    assert "| barrier, for each doubling, β | 10.00 us | 6 | 2, 3, 8 |" in out
    assert "cpu avx512, 4 workers) | 400.0 us | 1 | 1 |" in out
    assert "* The line for the bare exchange misses its records by at most 0.0 %." in out
    assert "λ = 0" in out and "up to 128 nodes" in out
    assert "convscale 9.9.9 on made-up-host (made-up processor), 2030-01-02" in out
    # 2500 images/s of the node, and 2289 of the link: 1 + 0.916; at best 2 x 0.916, less a barrier.
    assert re.search(r"\| 10 Gbit/s \| 2500 \| 2289 \| 1.92 \| 2 \| 1.83 \| 2 \|", out)
    assert "| 8 | scatter |" in out and "| 1.00 |" in out
    assert "| nodes | 1 | 2 | 4 | 16 | 64 | 256 | 1000 |" in out


def test_a_file_that_does_not_say_what_measured_where(model: Model) -> None:
    path = Path(model.file(*ALL))
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "program": None, "host": None, "started_at": None}))
    assert "an unknown program on an unknown host, an unknown day" in model.run(0, str(path))[0]


def test_the_measured_link_is_told_no_farther_than_measured(model: Model) -> None:
    of_two = [modelled(1, None), modelled(2, "scatter"), over(2, "scatter", 1.0, 640)]
    out, _ = model.run(0, model.file(*of_two), "--links", "10")
    line, = re.findall(r"\| scatter, as measured (.*)", out)
    assert [cell.strip() == "-" for cell in line.strip("|").split("|")] == [False] * 4 + [True] * 3
    assert "up to 32 nodes" in out and "λ is from 2 ranks only" in out


def test_a_page_is_updated_between_its_marks(model: Model, tmp_path: Path) -> None:
    page = tmp_path / "scaling.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n")
    results = model.file(*ALL)
    out, _ = model.run(0, results, "--update", str(page))
    assert out == ""
    first = page.read_text()
    assert first.startswith(f"before\n{BEGIN}\n") and first.endswith(f"{END}\nbehind\n")
    assert "old" not in first
    plot, = re.findall(r"\]\((\S+\.svg)\)", first)
    drawn = (tmp_path / plot).read_bytes()
    assert b"published, Dragon 0.3" in drawn
    model.run(0, results, "--update", str(page))
    assert page.read_text() == first and (tmp_path / plot).read_bytes() == drawn


def test_a_size_that_nobody_published_is_modelled_too(model: Model, tmp_path: Path) -> None:
    raws = [{**raw, "height": 300, "width": 300} for raw in ALL]
    out, _ = model.run(0, model.file(*raws), "--plots", str(tmp_path))
    assert "Times by the model for 64 images of 300x300" in out
    assert [path.name for path in tmp_path.glob("*.svg")] == ["scaling-full-float64-300x300.svg"]


@pytest.mark.parametrize("options, message", [
    (["--links", "fast"], "--links fast: expected Gbit/s"), (["--links", "0"], "--links 0"),
    (["--links", "nan"], "--links nan"), (["--links", ""], "--links: the list is empty"),
    (["--nodes", "1"], "--nodes 1: expected a whole number from 2"),
    (["--update", "missing.md"], "--update missing.md: No such file"),
    (["--what"], "unrecognized arguments")])
def test_bad_options_are_one_line(model: Model, options: list[str], message: str) -> None:
    out, errors = model.run(2, model.file(*ALL), *options)
    assert message in errors and errors.count("\n") == 1 and out == ""


def test_files_that_say_nothing_are_one_line(model: Model, tmp_path: Path) -> None:
    _, errors = model.run(2, model.file(modelled(2, "scatter")))
    assert "no record says how long a node takes for an image" in errors
    _, errors = model.run(2, str(tmp_path / "missing.json"))
    assert errors.count("\n") == 1 and "No such file" in errors
    page = tmp_path / "page.md"
    for text in ("no marks", f"{END} {BEGIN}", f"{BEGIN} {END} {END}"):
        page.write_text(text)
        _, errors = model.run(2, model.file(*ALL), "--update", str(page))
        assert "each once" in errors and page.read_text() == text


# --- docs/scaling.md


def test_the_document_has_the_published_points_and_what_follows_from_them() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert SOURCE in text
    for point in POINTS:
        size = exchanged_bytes(point.job, point.nodes)
        rate = f"{size / point.average_s / 1e9:.2f} GB/s" if size else "-"
        assert (f"| {point.nodes} | {point.num_workers} | {point.job.text} | {point.runtime} | "
                f"{point.average_s} s | {size / 1e6:.0f} MB | {rate} |") in text


def test_the_document_has_the_floors() -> None:
    assert floors_markdown([10, 25, 100, 200]) in DOCUMENT.read_text(encoding="utf-8")


def test_the_document_can_be_updated() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1 and text.index(BEGIN) < text.index(END)
