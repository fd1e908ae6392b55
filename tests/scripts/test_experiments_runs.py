# SPDX-License-Identifier: Apache-2.0
"""experiments.py as a program, with a made-up program under a made-up Slurm."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from experiments_bench import QUICK, Bench, bench

from convscale.results import load

__all__ = ["bench"]  # a fixture

RUNS = ["1x4", "2x4-scatter", "2x4-local"]


def test_experiments_are_submitted_and_collected(bench: Bench) -> None:
    errors = bench.run(0, *QUICK, "--wait")
    assert "1x4: submitted as job 100" in errors and "2x4: job 101 is completed" in errors
    assert bench.calls() == RUNS
    document = load(bench.out / "results.json")
    assert [(record.ranks, record.distribute, record.raw["method"])
            for record in document.records[1:4]] == [
        (2, None, "strided"), (2, "scatter", "full"), (2, "scatter", "strided")]
    assert [run["name"] for run in document.raw["experiments"]] == RUNS
    assert [run["records"] for run in document.raw["experiments"]] == [2, 2, 2]
    assert document.raw["experiments"][1]["job"] == 101
    assert document.raw["wall_s"] == 4.5
    report = (bench.out / "report.md").read_text()
    assert report.count("| n2 (+50.0 %) |") == 6 and "missing" not in report
    lines = bench.printed.splitlines()
    assert lines[0].split()[:5] == ["nodes", "workers", "images", "size", "kernel"]
    assert lines[3].split()[:8] == ["2", "4", "16", "64x64", "made-up", "full", "scatter", "4.000"]


def test_without_waiting_it_says_how_to_collect(bench: Bench) -> None:
    bench.slurm(hold="2x4")
    errors = bench.run(0)
    assert f"--collect --out {bench.out} says what came back" in errors
    assert not (bench.out / "results.json").exists()
    assert bench.calls() == ["1x4"]
    errors = bench.run(5, "--collect")
    for run in RUNS[1:]:
        assert f"{run}: job 101 is queued (Resources)" in errors
    assert [run["name"] for run in bench.document()["experiments"]] == ["1x4"]
    assert "2x4-scatter: job 101 is queued (Resources)" in (bench.out / "report.md").read_text()


def test_what_is_whole_or_on_its_way_is_kept(bench: Bench) -> None:
    bench.slurm(hold="2x4")
    bench.run(0)
    bench.submitted()
    errors = bench.run(0)
    assert "1x4: complete" in errors and "2x4: job 101 is queued (Resources)" in errors
    assert bench.submitted() == []
    bench.set_state(101, "CANCELLED|None")
    bench.slurm()
    bench.calls()
    bench.run(0)
    assert (bench.submitted(), bench.calls()) == (["2x4"], RUNS[1:])
    errors = bench.run(0)
    assert bench.submitted() == [] and "2x4: complete" in errors


def test_what_was_measured_until_an_interrupt_is_no_result(bench: Bench) -> None:
    bench.run(0, *QUICK, "--wait")
    whole = bench.printed.count("made-up")
    path = bench.results("2x4-local")
    raw = json.loads(path.read_text())
    raw["interrupted"] = True
    raw["records"][1].update(status="interrupted", median_s=1e-9, images_per_s=7e7)
    path.write_text(json.dumps(raw))
    bench.calls()
    bench.run(130, "--collect")
    for text in (bench.printed, (bench.out / "report.md").read_text()):
        assert text.count("made-up") == whole - 1 and "70 000 000" not in text
    bench.run(0, *QUICK, "--wait")
    assert bench.calls() == ["2x4-local"] and bench.printed.count("made-up") == whole


def test_only_runs_that_are_not_whole_run_again(bench: Bench) -> None:
    bench.run(0)
    path = bench.results("2x4-local")
    whole = path.read_text()
    for how in ("missing", "half-written", "interrupted", "failed", "options"):
        bench.calls()
        raw = json.loads(whole)
        if how == "interrupted":
            raw["interrupted"] = True
        elif how == "failed":
            raw["records"][0]["verification"] = {"status": "failed"}
        elif how == "options":
            raw["program"]["argv"][2] = "cuda"
        path.write_text(json.dumps(raw)[:100] if how == "half-written" else json.dumps(raw))
        if how == "missing":
            path.unlink()
        bench.run(0)
        assert bench.calls() == ["2x4-local"], how
        assert len(load(bench.out / "results.json").records) == 6


def test_another_version_of_the_program_measures_all_again(bench: Bench) -> None:
    bench.run(0)
    bench.calls()
    bench.behave(version="10.0.0")
    bench.run(0)
    assert bench.calls() == RUNS


def test_other_options_are_refused(bench: Bench) -> None:
    bench.run(0)
    errors = bench.run(2, *QUICK, "--iterations", "3")
    assert "--iterations not given (now 3); give the same options to go on" in errors
    assert errors.count("\n") == 1
    bench.calls()
    bench.run(0, *QUICK, "--iterations", "3", "--fresh")
    assert bench.calls() == RUNS
    assert bench.document()["records"][0]["times_s"] == [0.004] * 3


def test_fresh_waits_for_nobody(bench: Bench) -> None:
    bench.slurm(hold="2x4")
    bench.run(0)
    errors = bench.run(2, *QUICK, "--fresh")
    assert "scancel 101 ends them" in errors
    assert bench.results("1x4").exists()


def test_fresh_deletes_nothing_that_it_cannot_replace(bench: Bench) -> None:
    bench.run(0)
    (bench.out / "runs" / "mine.txt").write_text("")
    bench.slurm(refuse="2x4")
    bench.run(2, *QUICK, "--fresh")
    assert bench.results("2x4-local").exists()
    bench.slurm()
    bench.run(0, "--experiment", "1x4", *QUICK[2:], "--fresh")
    assert (bench.out / "runs" / "mine.txt").exists()
    assert not bench.results("2x4-local").exists()


def test_nothing_is_submitted_where_sbatch_refuses_one(bench: Bench) -> None:
    bench.slurm(refuse="2x4")
    errors = bench.run(2)
    assert errors == ("experiments.py: experiment 2x4: sbatch refuses this job: invalid partition "
                      "specified: nowhere; allocation failure: Invalid partition name specified\n")
    assert bench.submitted() == [] and not bench.out.exists()


def test_a_job_that_cannot_be_submitted_leaves_the_others(bench: Bench) -> None:
    bench.slurm(reject="2x4")
    errors = bench.run(5)
    assert "too many jobs; these are submitted: 1x4" in errors
    bench.slurm()
    bench.calls()
    bench.run(0)
    assert bench.calls() == RUNS[1:]


def test_each_run_says_why_it_has_no_results(bench: Bench) -> None:
    bench.behave(exit={"2x4-scatter": 5, "2x4-local": 2}, silent="2x4-local")
    errors = bench.run(5, *QUICK, "--wait")
    assert "2x4-scatter: job 101 wrote no results, with exit code 5: convscale: made-up" in errors
    assert f"with exit code 2; see 2x4.txt in {bench.out / 'runs'}\n" in errors


@pytest.mark.parametrize("code, ends", [(2, 2), (3, 5), (4, 4), (5, 5), (137, 5), (124, 5)])
def test_a_run_without_results(bench: Bench, code: int, ends: int) -> None:
    bench.behave(exit={"2x4-scatter": code})
    if code == 3:
        bench.behave(exit={"2x4-scatter": 3, "2x4-local": 137})
    errors = bench.run(ends, *QUICK, "--wait")
    said = "convscale: made-up failure"
    if code == 124:
        assert "2x4-scatter: job 101 came to its time limit; a longer --time would do" in errors
    else:
        assert f"2x4-scatter: job 101 wrote no results, with exit code {code}: {said}" in errors
    assert len(bench.document()["records"]) == (2 if code == 3 else 4)


@pytest.mark.parametrize("what, code, says", [
    ("fail", 5, "has rows that failed: made-up reason, failed"),
    ("wrong", 4, "has wrong results: made-up reason, wrong"),
    ("skip", 0, "has rows that could not run there: made-up reason, skipped"),
    ("interrupt", 130, "was interrupted, by scancel or its time limit, and has only what")])
def test_results_that_are_not_whole(bench: Bench, what: str, code: int, says: str) -> None:
    bench.behave(**{what: "2x4-local"})
    errors = bench.run(code, *QUICK, "--wait")
    assert f"2x4-local: {says}" in errors
    assert bench.document()["interrupted"] is (what == "interrupt")


def test_collecting_without_slurm(bench: Bench) -> None:
    bench.slurm(hold="2x4")
    bench.run(0)
    bench.slurm(silent=True)
    errors = bench.run(5, "--collect")
    assert "2x4-local: job 101 has not brought results, and Slurm does not say whether" in errors
    assert "1x4:" not in errors
    bench.monkeypatch.setenv("PATH", str(bench.out))  # no squeue at all
    assert bench.run(5, "--collect") == errors
    bench.monkeypatch.undo()


def test_nothing_is_submitted_where_squeue_does_not_answer(bench: Bench) -> None:
    bench.run(0)
    bench.slurm(silent=True)
    bench.submitted()
    assert "squeue does not answer" in bench.run(5, *QUICK)
    assert bench.submitted() == []


def test_a_program_without_mpi_is_one_rank_only(bench: Bench) -> None:
    bench.behave(mpi="without MPI")
    errors = bench.run(3)
    assert "was built without MPI" in errors and errors.count("\n") == 1
    assert bench.submitted() == [] and not bench.out.exists()
    bench.run(0, "--experiment", "1x4", *QUICK[2:])
    assert bench.calls() == ["1x4"]


def test_folders_that_are_not_its_own(bench: Bench) -> None:
    bench.out.mkdir()
    assert "holds no experiments" in bench.run(2, "--collect")
    (bench.out / "mine.txt").write_text("")
    assert "holds no experiments.json" in bench.run(2)
    assert [path.name for path in bench.out.iterdir()] == ["mine.txt"]
    for text in ("{", "[]", '{"kind": "convscale experiments", "format": 2}',
                 '{"kind": "convscale experiments", "format": 1, "given": [["--fill", "mud"]], '
                 '"jobs": {}}'):
        (bench.out / "experiments.json").write_text(text)
        assert "is half-written or of another version" in bench.run(2)
        assert "is half-written or of another version" in bench.run(2, "--collect")


def test_an_interrupt_leaves_the_jobs(bench: Bench) -> None:
    bench.slurm(hold="2x4")
    process = bench.start(*QUICK, "--wait")
    end = time.monotonic() + 240
    while (process.stderr is not None and time.monotonic() < end
           and "job 101 is queued" not in process.stderr.readline()):
        pass
    os.killpg(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=240)[1]
    assert process.returncode == 130
    assert "jobs that were submitted go on" in errors and "scancel 100 101 ends them" in errors
    assert errors.endswith("experiments.py: interrupted by a signal\n")
    assert json.loads((bench.bin / "jobs.json").read_text())["101"] == "PENDING|Resources"


def test_a_dry_run_does_nothing_and_a_shell_can_run_it(bench: Bench, tmp_path: Path) -> None:
    bench.out = tmp_path / "with a blank"
    bench.run(0, *QUICK, "--dry-run")
    assert not bench.out.exists() and bench.submitted() == []
    printed = subprocess.run(["sh", "-e"], input=bench.printed, text=True, check=True,
                             stdout=subprocess.PIPE).stdout
    assert printed == "1x4: job 100\n2x4: job 101\n"
    assert bench.calls() == RUNS
    assert bench.submitted() == ["1x4", "2x4"]


def test_what_a_dry_run_made_can_be_collected(bench: Bench) -> None:
    def shell(code: int = 0) -> None:
        done = subprocess.run(["sh"], input=bench.printed, text=True, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert done.returncode == code
    bench.run(0, *QUICK, "--dry-run")
    shell()
    bench.run(0, "--collect")
    assert [run["job"] for run in bench.document()["experiments"]] == [100, 101, 101]
    # As the command itself would have made it; and the numbers of other experiments stay.
    assert "4x4: submitted as job 102" in bench.run(0, "--experiment", "4x4", *QUICK[2:])
    bench.run(0, "--experiment", "2x4", *QUICK[2:], "--dry-run")
    shell()
    assert json.loads((bench.out / "experiments.json").read_text())["jobs"] == {
        "1x4": 100, "4x4": 102, "2x4": 103}
    # What sbatch refuses has no number.
    bench.slurm(reject="1x4")
    for fresh, jobs in (([], {"4x4": 102, "2x4": 104}), (["--fresh"], {"2x4": 105})):
        bench.run(0, *QUICK, *fresh, "--dry-run")
        shell()
        assert json.loads((bench.out / "experiments.json").read_text())["jobs"] == jobs
