# SPDX-License-Identifier: Apache-2.0
"""scaling.py as a program: sweeps with a made-up program, resumed, interrupted, failing."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scaling_bench import OPTIONS, SCALING, STEPS, Bench, bench

from convscale.results import load
from convscale.scaling.collect import collect
from convscale.scaling.folder import Folder, State, load_state, reported_request
from convscale.scaling.options import Request
from convscale.scaling.plan import Step, make_steps

__all__ = ["bench"]  # a fixture


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


def test_nothing_can_run(bench: Bench) -> None:
    bench.behave(skip={"": "no such device"})
    bench.run(3)
    assert "Nothing was measured." in bench.report()
    assert load(bench.out / "results.json").records


def interrupt(bench: Bench, number: signal.Signals) -> str:
    """Standard error of a sweep that gets a signal while the program waits for one."""
    with bench.start(*bench.usual) as running:
        end = time.monotonic() + 240
        while not (bench.bin / "waiting").exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(running.pid, number)
        if number == signal.SIGKILL:
            os.kill(int((bench.bin / "waiting").read_text()), number)
        _, errors = running.communicate(timeout=240)
    assert running.returncode == (130 if number != signal.SIGKILL else -9)
    return errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_is_resumed(bench: Bench, number: signal.Signals) -> None:
    bench.behave(wait="throughput")
    errors = interrupt(bench, number)
    assert "the same command goes on with it" in errors and "Traceback" not in errors
    assert load(bench.run_file(STEPS[1])).is_interrupted
    assert bench.calls() == STEPS[:2]

    bench.run(130, "--report-only")  # what is there, with the code of the sweep
    assert "step throughput-full-float64: was interrupted" in bench.report()
    assert "step weak-w1-full-float64: has not run" in bench.report()
    bench.behave()
    bench.run(0)
    assert bench.calls() == STEPS[1:]


def test_an_interrupt_as_a_step_ends_well_is_forgotten(bench: Bench) -> None:
    bench.behave(finish="throughput")
    interrupt(bench, signal.SIGINT)
    assert not load(bench.run_file(STEPS[1])).is_interrupted
    assert bench.calls() == STEPS[:2]
    bench.behave()
    bench.run(0)
    assert bench.calls() == STEPS[2:]
    bench.run(0, "--report-only")
    assert "What is missing" not in bench.report()


def test_a_killed_sweep_is_not_complete(bench: Bench) -> None:
    bench.run(0)
    bench.behave(wait="throughput", version="10.0.0")  # measures all again
    interrupt(bench, signal.SIGKILL)
    errors = bench.run(5, "--report-only")
    assert "step throughput-full-float64: has not run to its end" in errors
    bench.behave(version="10.0.0")
    bench.run(0)


def test_rows_in_turn_and_alone_are_not_compared(bench: Bench) -> None:
    # 4 images on 2 workers are a cell of strong and of weak scaling.
    bench.run(0, "--num_workers", "1,2", "--mem", "4M", "--method", "full", "--mode",
              "strong,weak", "--interleave")
    assert bench.calls() == ["strong-full-float64", "weak-w1-full-float64", "weak-w2-full-float64"]
    sweep = collect(*opened(bench))
    for mode, in_turn in (("strong", True), ("weak", False)):
        rows = sorted(sweep.of_study(mode), key=lambda record: record.num_workers)
        assert [record.num_workers for record in rows] == [1, 2]
        assert [record.raw["interleaved"] for record in rows] == [in_turn] * 2


def opened(bench: Bench) -> tuple[Request, list[Step], Folder, State]:
    folder = Folder(bench.out)
    asked = reported_request(folder, {})
    return asked, make_steps(asked), folder, load_state(folder)


@pytest.mark.parametrize("lacks, options", [("scipy", ("--baseline", "scipy-serial")),
                                            ("matplotlib", ())])
def test_without_its_packages_nothing_is_begun(bench: Bench, tmp_path: Path, lacks: str,
                                               options: tuple[str, ...]) -> None:
    (tmp_path / f"{lacks}.py").write_text(f"raise ModuleNotFoundError(name='{lacks}')")
    done = subprocess.run([sys.executable, "-B", SCALING.path, *bench.options(*OPTIONS, *options)],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 3 and f"python3-{lacks}" in done.stderr
    assert bench.calls() == [] and not bench.out.exists()


def test_the_commands_of_a_dry_run_run(bench: Bench, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-B", SCALING.path, b"--out=-s \xff", "--program",
                           bench.program.name, *OPTIONS, "--dry-run"], capture_output=True,
                          check=True, cwd=bench.bin)
    subprocess.run(["sh", "-e"], input=done.stdout, check=True, cwd=tmp_path, capture_output=True)
    assert len(list((tmp_path / os.fsdecode(b"-s \xff") / "runs").iterdir())) == 3


@pytest.mark.parametrize("text", [None, "#!/bin/sh\necho something else\n", "no program"])
def test_a_program_that_cannot_be_run(bench: Bench, text: str | None) -> None:
    bench.program.unlink()
    if text is not None:
        bench.program.write_text(text)
        bench.program.chmod(0o755)
    errors = bench.run(3)
    assert errors.count("\n") == 1 and "--program" in errors
    assert not bench.out.exists()


def test_end_to_end_with_the_program(bench: Bench, program: Path) -> None:
    bench.program = program
    options = ("--num_workers", "1,2", "--size", "40x30", "--sizes", "16,32", "--mem", "4800",
               "--iterations", "2", "--burns", "0", "--baseline", "scipy-serial")
    bench.monkeypatch.undo()  # it draws its plots
    assert SCALING.run(*bench.options(*options)).returncode == 0
    document = load(bench.out / "results.json")
    assert all(record.raw["status"] == "ok" for record in document.records)
    keys = [(*record.workload, record.num_workers, record.raw["kernel"])
            for record in document.records]
    assert len(keys) == len(set(keys))
    report = bench.report()
    done = SCALING.run(*bench.options(*options))
    assert done.stderr.count(": complete") == len(document.raw["sweep"]["steps"]), done.stderr
    path = bench.run_file("strong-baseline-float64")
    path.write_text(path.read_text().replace('"SciPy ', '"SciPy 0.'))
    done = SCALING.run(*bench.options(*options))
    assert done.stderr.count(": complete") == len(document.raw["sweep"]["steps"]) - 1
    assert "scipy-serial takes" in report and "Strong scaling: full, float64" in report
