# SPDX-License-Identifier: Apache-2.0
"""heatmap.py as a program: what it measures, keeps, and draws again; and what goes wrong."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from heat_bench import HeatBench, cell, cells, heat
from scaling_model import document, record, skipped
from test_scaling_runs import interrupt

from convscale.results import load

__all__ = ["heat"]  # a fixture


def test_a_run_for_each_filter_size_and_stride(heat: HeatBench) -> None:
    errors = heat.run(0, *heat.usual, "--num_workers", "3", "--mem", "2M", "--iterations", "7",
                      "--burns", "1", "--kernel", "avx2")
    calls = (heat.bin / "calls.txt").read_text().splitlines()
    assert [call.partition(" --json ")[0] for call in calls] == [
        f"--backend cpu --kernel avx2 --method {methods} --dtype float64,float32 --num_workers 3 "
        f"--size 1000x1000 --mem 2000000 --filter-size {size} --stride {stride} --iterations 7 "
        "--burns 1" for size in (1, 4) for stride, methods in ((1, "full,strided"), (2, "strided"))]
    assert heat.cells() == [
        (method, dtype, size, stride) for size in (1, 4)
        for method, stride in (("full", 1), ("strided", 1), ("strided", 2))
        for dtype in ("float64", "float32")]
    raw = load(heat.file(".json")).raw
    assert not raw["interrupted"] and raw["heat_map"] == {"runs": 4, "problems": []}
    assert raw["wall_s"] == 6.0  # of four runs
    assert raw["program"]["version"] == "9.9.9"
    assert raw["program"]["argv"][:2] == ["heatmap.py", "--out"]
    assert "run 4 of 4: filter 4x4, stride 2: strided float64 0." in errors
    assert "How near avx2 comes" in heat.text(".svg")


def test_what_was_measured_is_drawn_again(heat: HeatBench) -> None:
    heat.run(0)
    drawn = {suffix: heat.text(suffix) for suffix in (".svg", ".md")}
    heat.calls()
    for suffix in drawn:
        heat.file(suffix).unlink()
    assert "wrote" in heat.run(0, "--from", str(heat.file(".json")))
    assert {suffix: heat.text(suffix) for suffix in drawn} == drawn
    assert heat.calls() == []


def test_from_a_file_alone_draws_beside_it(heat: HeatBench, tmp_path: Path) -> None:
    heat.keep(document(cells()))
    other = tmp_path / "other.json"
    heat.file(".json").rename(other)
    done = heat.script.run("--from", other)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other.svg").exists() and (tmp_path / "other.md").exists()


def test_a_run_that_fails_leaves_its_cells_blank(heat: HeatBench) -> None:
    heat.behave(exit={"--filter-size 4 --stride 2": 5})
    errors = heat.run(5)
    why = "filter 4x4, stride 2: ended with exit code 5 (convscale: made-up failure 5)"
    assert why in errors and why in heat.text(".md").replace("\n  ", " ")
    assert ("strided", "float64", 4, 2) not in heat.cells() and len(heat.cells()) == 10
    assert "strided, float64, K 4, S 2 and 1 more: no record" in heat.text(".md")
    assert "Blank: no figure" in heat.text(".svg")


def test_rows_that_cannot_run_here_are_blank_and_no_failure(heat: HeatBench) -> None:
    heat.behave(skip={"--filter-size 4 --stride 1": "too large here"})
    heat.run(0)
    assert ("full, float64, K 4, S 1 and 3 more: skipped: too large here"
            in heat.text(".md").replace("\n  ", " "))


def test_nothing_can_run(heat: HeatBench) -> None:
    heat.behave(skip={"": "no such thing"})
    assert "nothing was measured, so nothing is drawn" in heat.run(3)
    assert heat.file(".json").exists() and not heat.file(".svg").exists()


def test_results_that_are_half_written_count_as_none(heat: HeatBench) -> None:
    heat.behave(truncate="--filter-size 1 --stride 1")
    assert "filter 1x1, stride 1: wrote no whole results" in heat.run(5)
    assert len(heat.cells()) == 8


def test_options_that_the_program_refuses_end_it_at_once(heat: HeatBench) -> None:
    heat.behave(exit={"": 2})
    assert "would end with that, too" in heat.run(2)
    assert len(heat.calls()) == 1


def test_an_interrupt_keeps_what_was_measured(heat: HeatBench) -> None:
    heat.behave(wait="--filter-size 4 --stride 1")
    errors = interrupt(heat, signal.SIGINT)
    assert "interrupted by a signal; what was measured is in" in errors
    # The run that was interrupted has its first row.
    assert heat.cells()[6:] == [("full", "float64", 4, 1)]
    raw = load(heat.file(".json")).raw
    assert raw["interrupted"] is True
    assert "ended after 3 of 4 runs" in raw["heat_map"]["problems"]
    assert "ended after 3 of 4 runs" in heat.text(".md") and heat.file(".svg").exists()


def test_a_killed_one_leaves_the_runs_before(heat: HeatBench) -> None:
    heat.behave(wait="--filter-size 4 --stride 1")
    interrupt(heat, signal.SIGKILL)
    assert len(heat.cells()) == 6 and load(heat.file(".json")).is_interrupted


def test_compare_reads_it(heat: HeatBench, scripts: Path) -> None:
    heat.run(0)
    done = subprocess.run([sys.executable, "-B", str(scripts / "compare.py"),
                           str(heat.file(".json")), str(heat.file(".json"))],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "12 unclear (in these runs)" in done.stdout


@pytest.mark.parametrize("options, said", [
    (["--filter-size", "32"], "--filter-size 32: expected a whole number from 1 to 31"),
    (["--filter-size", "4,4"], "--filter-size 4,4: has an element twice"),
    (["--stride", "0"], "--stride 0: expected a whole number from 1 to"),
    (["--full-stride", "x"], "--full-stride x: expected a whole number"),
    (["--method", "fast"], "--method fast: expected one of full, strided"),
    (["--dtype", "float16"], "--dtype float16: expected one of float64, float32"),
    (["--kernel", "avx512,avx2"], "--kernel avx512,avx2: is a list"),
    (["--kernel", "bogus"], "--kernel bogus: expected one of auto, avx512"),
    (["--num_workers", "0"], "--num_workers 0: expected a whole number from 1 to 65536"),
    (["--mem", "9"], "--mem 9: holds no image of 1000x1000"),
    (["--iterations", "0"], "--iterations 0: expected a whole number from 1"),
    (["--from", "x.json", "--iterations", "3"], "--iterations beside --from: it draws"),
    (["--from", "x.json", "--num_workers", "3"], "--num_workers beside --from: it draws"),
    (["--from", ""], "--from: is empty; give a path"),
    (["--from", "nowhere.json"], "nowhere.json: No such file or directory"),
    (["--out", "/"], "--out /: is a folder; say what the files in it")])
def test_bad_options(heat: HeatBench, options: list[str], said: str) -> None:
    errors = heat.run(2, *options)
    assert errors.startswith(f"heatmap.py: {said}") and errors.count("\n") == 1
    assert heat.calls() == [] and not heat.file(".json").exists()


def test_out_is_needed(heat: HeatBench) -> None:
    heat.monkeypatch.setattr(heat, "options", lambda *given: list(given))
    assert heat.run(2, "--stride", "2").startswith("heatmap.py: --out is missing: say what")


def test_files_that_cannot_be_written_are_missed_first(heat: HeatBench) -> None:
    heat.file(".svg").mkdir()
    assert heat.run(5).endswith("sweep.svg: Is a directory\n")
    assert heat.calls() == []


def test_no_program(heat: HeatBench) -> None:
    heat.program.unlink()
    assert "is no program; build it with scripts/run.sh" in heat.run(3)


@pytest.mark.parametrize("records, said", [
    ([cell("full", "float64", 4, 5), cell("full", "float64", 4, 5, kernel="avx2")],
     "has two records of full, float64, K 4, S 5; "),
    ([cell("full", "float64", 4, 5), cell("strided", "float64", 4, 5, images=7)],
     "has records of images 33 and 7; a heat map is of one"),
    ([record(backend="python")], "no record has a fraction of the bound"),
    ([skipped("because")], "no record has a fraction of the bound"),
    ([], "no record has a fraction of the bound")])
def test_files_of_no_map(heat: HeatBench, records: list[dict[str, object]], said: str) -> None:
    name = heat.keep(document(records))
    assert heat.run(2, "--from", name).startswith(f"heatmap.py: {name}: {said}")
    assert not heat.file(".svg").exists()


def test_the_program_itself(heat: HeatBench, program: Path) -> None:
    heat.program = program
    heat.run(0, *heat.usual, "--mem", "8k", "--size", "40x50", "--iterations", "2", "--burns", "0",
             "--num_workers", "2", "--kernel", "scalar")
    assert len(heat.cells()) == 12
    records = load(heat.file(".json")).records
    assert all(one.is_measured and one.images == 4 and len(one.times_s) == 2 for one in records)
    shown = [line.split("|")[1:-1] for line in heat.text(".md").splitlines()
             if line.startswith(("| 1 ", "| 4 "))]
    assert len(shown) == 8 and all(text.strip() for line in shown for text in line)
    assert json.loads(heat.text(".json"))["program"]["name"] == "convscale"
