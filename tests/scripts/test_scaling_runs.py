# SPDX-License-Identifier: Apache-2.0
"""scaling.py as a program: sweeps with a made-up program, resumed, interrupted, failing."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from convscale.cli import run_script
from convscale.plots.model import Chart
from convscale.plots.svg import Svg
from convscale.results import load
from convscale.scaling.main import main

HERE = Path(__file__).resolve().parent
SCALING = HERE.parents[1] / "scripts" / "scaling.py"
OPTIONS = ["--num_workers", "1,2", "--mem", "4M", "--sizes", "500", "--method", "full"]
STEPS = ["strong-full-float64", "throughput-full-float64", "weak-w1-full-float64"]


class Bench:
    """A made-up program and a folder for a sweep."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str],
                 monkeypatch: pytest.MonkeyPatch) -> None:
        self.capture, self.monkeypatch = capture, monkeypatch
        self.out = folder / "sweep"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.program = self.bin / "convscale"
        shutil.copy(HERE / "scaling_model.py", self.bin)
        model = self.bin / "scaling_model.py"
        model.write_text(model.read_text().replace(
            "Path(__file__).resolve().parents[2] / \"scripts\"", repr(str(SCALING.parent))))
        self.program.write_text(f"#!{sys.executable} -BSE\n"
                                + (HERE / "made_up_scaling_program.py").read_text())
        self.program.chmod(0o755)
        self.behave()

    def behave(self, **behaviour: Any) -> None:
        (self.bin / "behaviour.json").write_text(json.dumps(behaviour))

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-B", str(SCALING), "--out", str(self.out), "--program",
                str(self.program), *options]

    def run(self, code: int, *options: str) -> str:
        """Standard error of a run that must end with `code`. In this process, as loading
        matplotlib takes long."""
        self.capture.readouterr()
        monkeypatch, given = self.monkeypatch, self.command(*(options or OPTIONS))[2:]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            run_script("scaling.py", main)
        errors: str = self.capture.readouterr().err
        assert ended.value.code == code, errors
        return errors

    def calls(self) -> list[str]:
        """The names of the steps that ran since the last call of this."""
        path = self.bin / "calls.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [Path(line.split("--json ")[1].split()[0]).stem for line in lines]

    def run_file(self, name: str) -> Path:
        return self.out / "runs" / f"{name}.json"

    def report(self) -> str:
        return (self.out / "report.md").read_text()


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str],
          monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("convscale.scaling.write.draw", quick_draw)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield Bench(tmp_path, capfd, monkeypatch)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def quick_draw(chart: Chart) -> Svg:
    return Svg(chart.name, chart.title, chart.caption, 10, 10, "")


def test_a_sweep_writes_everything(bench: Bench) -> None:
    errors = bench.run(0)
    assert [f"step {i} of 3: {name}" in errors for i, name in enumerate(STEPS, 1)] == [True] * 3
    assert bench.calls() == STEPS
    document = load(bench.out / "results.json")
    assert len(document.records) == 4
    assert not document.is_interrupted
    assert document.raw["wall_s"] == 4.5  # of three steps
    assert [step["name"] for step in document.raw["sweep"]["steps"]] == STEPS
    assert (bench.out / "index.html").read_text().startswith("<!DOCTYPE html>")
    plots = sorted(path.name for path in (bench.out / "plots").iterdir())
    assert plots == ["roofline-float64.svg", "sizes-full-float64.svg",
                     "strong-rate-full-float64.svg", "strong-time-full-float64.svg",
                     "weak-time-full-float64.svg"]
    for plot in plots:
        assert f"(plots/{plot})" in bench.report()


def test_complete_steps_are_kept_and_the_bytes_are_the_same(bench: Bench) -> None:
    bench.run(0)
    before = {path: path.read_bytes() for path in bench.out.rglob("*") if path.is_file()}
    bench.calls()
    bench.run(0)
    assert bench.calls() == []
    assert {path: path.read_bytes() for path in bench.out.rglob("*") if path.is_file()} == before


def _spoil(bench: Bench, how: str) -> None:
    path = bench.run_file(STEPS[1])
    text = path.read_text()
    raw = json.loads(text)
    if how == "missing":
        path.unlink()
        return
    if how == "interrupted":
        raw["interrupted"] = True
    if how == "failed":
        raw["records"][0]["status"] = "failed"
    if how == "other options":
        raw["program"]["argv"][2] = "cuda"
    path.write_text(text[:100] if how == "half-written" else json.dumps(raw))


@pytest.mark.parametrize("how", ["missing", "half-written", "interrupted", "failed",
                                 "other options"])
def test_what_is_not_complete_runs_again(bench: Bench, how: str) -> None:
    bench.run(0)
    bench.calls()
    _spoil(bench, how)
    bench.run(0)
    assert bench.calls() == [STEPS[1]]
    assert len(load(bench.out / "results.json").records) == 4


def test_another_version_of_the_program_measures_all_again(bench: Bench) -> None:
    bench.run(0)
    bench.calls()
    bench.behave(version="10.0.0")
    bench.run(0)
    assert bench.calls() == STEPS
    assert "convscale 10.0.0" in bench.report()


def test_a_moved_sweep_is_gone_on_with(bench: Bench, tmp_path: Path) -> None:
    bench.run(0)
    bench.calls()
    bench.out = bench.out.rename(tmp_path / "elsewhere")
    bench.run(0)
    assert bench.calls() == []


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


def test_a_file_in_place_of_the_folder(bench: Bench) -> None:
    bench.out.write_text("mine")
    assert "is a file" in bench.run(2)


def test_an_empty_folder_will_do(bench: Bench) -> None:
    bench.out.mkdir()
    bench.run(0)


def test_a_failing_step_does_not_stop_the_others(bench: Bench) -> None:
    bench.behave(exit={"throughput": 5})
    errors = bench.run(5)
    assert bench.calls() == STEPS
    assert "step throughput-full-float64: ended with exit code 5" in errors
    assert "step throughput-full-float64: ended with exit code 5" in bench.report()
    assert len(load(bench.out / "results.json").records) == 3
    bench.behave()
    bench.run(0)
    assert bench.calls() == [STEPS[1]]
    assert "What is missing" not in bench.report()


@pytest.mark.parametrize("codes, code", [
    ({"throughput": 4, "weak": 5}, 4), ({"throughput": 5, "weak": 2}, 5), ({"weak": 2}, 2),
    ({"weak": 3}, 0), ({"strong": 3, "throughput": 3, "weak": 3}, 3), ({"weak": 99}, 5)])
def test_exit_codes(bench: Bench, codes: dict[str, int], code: int) -> None:
    bench.behave(exit=codes)
    bench.run(code)
    for name in codes:
        assert f"step {name}" in bench.report()


def test_skipped_rows_are_told(bench: Bench) -> None:
    bench.behave(skip={"weak": "made-up reason | with a bar"})
    bench.run(0)
    assert "made-up reason \\| with a bar" in bench.report()
    assert "3 measured of 4" in bench.report()


def test_nothing_can_run(bench: Bench) -> None:
    bench.behave(skip={"": "no such device"})
    bench.run(3)
    assert "Nothing was measured." in bench.report()
    assert load(bench.out / "results.json").records


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_is_resumed(bench: Bench, number: signal.Signals) -> None:
    bench.behave(wait="throughput")
    with subprocess.Popen(bench.command(*OPTIONS), stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as running:
        end = time.monotonic() + 30
        while not (bench.bin / "waiting").exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(running.pid, number)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "the same command goes on with it" in errors and "Traceback" not in errors
    assert load(bench.run_file(STEPS[1])).is_interrupted
    assert bench.calls() == STEPS[:2]

    bench.run(130, "--report-only")  # what is there, with the code of the sweep
    assert "step throughput-full-float64: was interrupted" in bench.report()
    assert "step weak-w1-full-float64: has not run" in bench.report()
    bench.behave()
    bench.run(0)
    assert bench.calls() == STEPS[1:]


def test_a_truncated_result_is_told(bench: Bench) -> None:
    bench.behave(truncate="throughput")
    errors = bench.run(0)
    assert "its results are gone or half-written" in errors


def test_report_only_needs_no_program(bench: Bench) -> None:
    bench.run(0)
    page = bench.out / "index.html"
    before = page.read_bytes()
    page.unlink()
    bench.program.unlink()
    bench.run(0, "--report-only")
    assert page.read_bytes() == before


def test_report_only_needs_a_sweep(bench: Bench) -> None:
    assert "holds no sweep" in bench.run(2, "--report-only")
    assert not bench.out.exists()


def test_a_dry_run_prints_the_commands_and_does_nothing(bench: Bench) -> None:
    done = subprocess.run(bench.command(*OPTIONS, "--dry-run"), capture_output=True, text=True,
                          check=True)
    assert done.stdout.count("\n") == 3 and done.stdout.startswith(str(bench.program))
    assert not bench.out.exists() and bench.calls() == []


@pytest.mark.parametrize("text", [None, "#!/bin/sh\necho something else\n", "no program"])
def test_a_program_that_cannot_be_run(bench: Bench, text: str | None) -> None:
    bench.program.unlink()
    if text is not None:
        bench.program.write_text(text)
        bench.program.chmod(0o755)
    errors = bench.run(3)
    assert errors.count("\n") == 1 and "--program" in errors
    assert not bench.out.exists()


def test_without_matplotlib_nothing_is_measured(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(name='matplotlib')")
    done = subprocess.run(bench.command(*OPTIONS), capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 3 and "python3-matplotlib" in done.stderr
    assert bench.calls() == [] and not bench.out.exists()


def test_end_to_end_with_the_program(bench: Bench, program: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-B", str(SCALING), "--out", str(bench.out), "--program", str(program),
         "--num_workers", "1,2", "--size", "40x30", "--sizes", "16,32", "--mem", "4800",
         "--iterations", "2", "--burns", "0", "--baseline", "scipy-serial"],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    document = load(bench.out / "results.json")
    assert all(record.raw["status"] == "ok" for record in document.records)
    keys = [(*record.workload, record.num_workers, record.raw["kernel"])
            for record in document.records]
    assert len(keys) == len(set(keys))
    report = bench.report()
    assert "scipy-serial takes" in report and "Strong scaling: full, float64" in report
