# SPDX-License-Identifier: Apache-2.0
"""scaling.py as a program: whose folders and files it takes, and odd things in them."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from scaling_bench import OPTIONS, STEPS, Bench, bench
from scaling_model import request

__all__ = ["bench"]  # a fixture


def test_other_options_are_refused(bench: Bench) -> None:
    bench.run(0)
    bench.calls()
    errors = bench.run(2, *OPTIONS, "--iterations", "1", "--interleave")
    assert errors.count("\n") == 1
    assert "--iterations 10 (now 1), --interleave off (now on)" in errors
    assert "--fresh" in errors
    assert bench.calls() == []


def test_fresh_deletes_the_sweep_and_nothing_else(bench: Bench) -> None:
    bench.run(0, *OPTIONS, "--dtype", "float64,float32")
    strangers = [bench.out / "notes.txt", bench.out / "plots" / "mine.svg",
                 bench.out / "runs" / "mine.json"]
    for path in strangers:
        path.write_text("mine")
    bench.calls()
    bench.run(0, "--mode", "strong", *OPTIONS, "--fresh")
    assert bench.calls() == STEPS[:1]
    assert all(path.read_text() == "mine" for path in strangers)
    assert sorted(path.name for path in (bench.out / "runs").iterdir()) == [
        "mine.json", "strong-full-float64.json", "strong-full-float64.txt"]
    assert not (bench.out / "plots" / "weak-time-full-float64.svg").exists()


@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_a_strangers_folder_is_refused(bench: Bench, fresh: list[str]) -> None:
    bench.out.mkdir()
    (bench.out / "thesis.txt").write_text("mine")
    errors = bench.run(2, *OPTIONS, *fresh)
    assert errors.count("\n") == 1 and "is not empty and holds no plan.json" in errors
    assert [path.name for path in bench.out.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "convscale sweep"}',
                                  '{"kind": "other", "format": 1}',
                                  '{"kind": "convscale sweep", "format": 1, "request": {}}',
                                  '{"kind": "convscale sweep", "format": 2, "request": {}}'])
@pytest.mark.parametrize("options", [OPTIONS, ["--report-only"], [*OPTIONS, "--fresh"]])
def test_a_half_written_plan_is_refused(bench: Bench, text: str, options: list[str]) -> None:
    bench.out.mkdir()
    (bench.out / "plan.json").write_text(text)
    errors = bench.run(2, *options)
    assert errors.count("\n") == 1 and "plan.json" in errors
    assert (bench.out / "plan.json").read_text() == text


@pytest.mark.parametrize("options", [OPTIONS, ["--report-only"]])
def test_a_truncated_result_is_told(bench: Bench, options: list[str]) -> None:
    bench.behave(truncate="throughput")
    bench.run(5)
    errors = bench.run(5, *options)
    assert "step throughput-full-float64: its results are gone or half-written" in errors


def test_nothing_outside_the_folder_is_deleted(bench: Bench, tmp_path: Path) -> None:
    bench.run(0)
    stranger = tmp_path / "mine.svg"
    stranger.write_text("mine")
    state = bench.out / "state.json"
    raw = json.loads(state.read_text())
    raw["plots"] += ["../../mine.svg", str(stranger)]
    state.write_text(json.dumps(raw))
    bench.run(0)
    bench.run(0, *OPTIONS, "--fresh")
    assert stranger.exists()


@pytest.mark.parametrize("field, value", [
    ("size", 5), ("size", [5]), ("size", [True, 5]), ("sizes", [[0, 5]]), ("sizes", []),
    ("num_workers", ["x"]), ("num_workers", []), ("num_workers", [2, 1]), ("num_workers", 2),
    ("mem", "q"), ("mem", 4e6), ("mem_per_worker", 1), ("methods", ["../../x"]),
    ("dtypes", ["/tmp"]), ("modes", "strong"), ("kernels", ["--json"]), ("min_time", 3),
    ("interleave", 1), ("baseline", ["scipy-what"]), ("iterations", {}), ("mem", 10**400)])
@pytest.mark.parametrize("options", [["--report-only"], [*OPTIONS, "--fresh"]])
def test_an_odd_plan_is_refused(bench: Bench, field: str, value: Any, options: list[str]) -> None:
    bench.out.mkdir()
    asked = request(*OPTIONS).to_json()
    asked[field] = value
    (bench.out / "plan.json").write_text(json.dumps(
        {"kind": "convscale sweep", "format": 1, "request": asked}))
    errors = bench.run(2, *options)
    assert errors.count("\n") == 1 and "not a sweep's plan" in errors


@pytest.mark.parametrize("field, value", [
    ("program", 5), ("program", {"argv": 3}), ("host", "x"), ("host", {"name": [1]}),
    ("ranks", "x"), ("devices", 5), ("devices", ["x"]), ("break_even", [{}]), ("break_even", 5),
    ("build", "x"), ("wall_s", "x"), ("started_at", 5)])
def test_odd_results_are_no_traceback(bench: Bench, field: str, value: Any) -> None:
    bench.run(0)
    raw = json.loads(bench.run_file(STEPS[0]).read_text())
    raw[field] = value
    bench.run_file(STEPS[0]).write_text(json.dumps(raw))
    bench.run((0, 5), "--report-only")  # 5 where such a file is not read at all


@pytest.mark.parametrize("field, value", [
    ("cv", "x"), ("noise", "x"), ("warnings", 5), ("verification", "x"), ("bound", {"limit": 1}),
    ("bound", {"flops": "x"}), ("reason", 5)])
def test_odd_records_are_no_traceback(bench: Bench, field: str, value: Any) -> None:
    bench.run(0)
    raw = json.loads(bench.run_file(STEPS[0]).read_text())
    raw["records"][0][field] = value
    bench.run_file(STEPS[0]).write_text(json.dumps(raw))
    bench.run((0, 5), "--report-only")


def test_a_folder_may_have_any_name(bench: Bench, tmp_path: Path) -> None:
    bench.out = tmp_path / os.fsdecode(b"sw\xff")
    bench.behave(exit={"throughput": 5})
    errors = bench.run(5)
    assert "Traceback" not in errors
    assert "throughput-full-float64.txt in " in bench.report()


def test_report_only_needs_no_program(bench: Bench) -> None:
    bench.run(0)
    page = bench.out / "index.html"
    before = page.read_bytes()
    page.unlink()
    bench.program.unlink()
    bench.run(0, "--report-only")
    assert page.read_bytes() == before
