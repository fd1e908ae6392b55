# SPDX-License-Identifier: Apache-2.0
"""scripts/baseline.py from outside: its lines, records, errors, and what goes wrong in a pool."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterator

import numpy as np
import pytest
from baseline_runs import BASELINE, POOLS, command, records_of, run

from convscale import baseline
from convscale.cli import Error, UsageError
from convscale.workload import Source, Workload, make_workload

SMALL = ("--size", "37x53", "--mem", "10k", "-w", "2")  # five images
ENDLESS = (*SMALL, "--iterations", "1000000", "--burns", "0", "--work_time", "0.01")


def assert_record(record: dict[str, Any], kernel: str) -> None:
    assert (record["backend"], record["kernel"]) == ("python", kernel)
    assert (record["height"], record["width"], record["images"]) == (37, 53, 5)
    assert (record["filter_size"], record["stride"], record["fill"]) == (4, 5, "random")
    assert record["num_workers"] == (1 if kernel == "scipy-serial" else 2)
    assert record["verification"]["status"] == "skipped"
    times = record["times_s"]
    assert (len(times), len(record["burn_times_s"])) == (7, 1) and min(times) > 0
    assert record["mean_s"] == np.mean(times) and record["std_s"] == np.std(times)
    assert record["median_s"] == np.median(times)
    low, high = record["median_low_s"], record["median_high_s"]
    assert (low, high) == (min(times), max(times))  # what seven times give
    assert record["noise"] == pytest.approx((high - low) / 2 / np.median(times))


def test_records_have_the_programs_fields(program: Path, tmp_path: Path) -> None:
    kernels = ("scipy-serial", *POOLS)
    records = records_of(tmp_path, *SMALL, "--iterations", 7, "--burns", 1, "--kernel",
                         ",".join(kernels))
    assert len(records) == len(kernels)
    for record, kernel in zip(records, kernels):
        assert_record(record, kernel)
    subprocess.run([program, *SMALL, "--quiet", "--iterations", "7", "--json",
                    tmp_path / "program.json"], check=True, capture_output=True)
    theirs = json.loads((tmp_path / "program.json").read_text())
    mine = json.loads((tmp_path / "run.json").read_text())
    assert set(theirs) <= set(mine)
    assert set(theirs["records"][0]) | {"software"} == set(records[0])
    for name in ("bound", "phases", "workers", "verification"):
        assert set(records[0][name]) == set(theirs["records"][0][name])
    for amount in ("images_per_s", "pixels_per_s", "bytes_per_s", "flops_per_s"):
        assert (records[0][amount] * records[0]["median_s"] ==
                pytest.approx(theirs["records"][0][amount] * theirs["records"][0]["median_s"]))


def test_one_configuration_prints_the_originals_lines() -> None:
    done = run(*SMALL, "--iterations", 2, "--burns", 1, "--iteration-lines", "--seed", 2**64 - 1)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["Number of workers: 2", "Number of images: 5"]
    times = []
    for iteration, line in enumerate(lines[2:5]):  # the burn's, too
        before, _, text = line.partition(" is ")
        assert before == f"Time for iteration {iteration}" and text.endswith(" seconds")
        times.append(float(text.split()[0]))
    for line, name, value in ((lines[5], "Average time", np.mean(times[1:])),
                              (lines[6], "Standard deviation", np.std(times[1:]))):
        assert line.startswith(f"{name}: ") and line.endswith(" second(s)")
        assert float(line.split(": ")[1].split()[0]) == pytest.approx(value, rel=1e-3, abs=1e-8)
    assert len(lines) == 7


def test_lists_make_a_record_each_in_the_programs_order(tmp_path: Path) -> None:
    records = records_of(tmp_path, "--kernel", "scipy-fork,scipy-serial", "--num_workers", "1,2",
                         "--size", "20,10x30", "--mem", "800,1Ki", "--iterations", 1)
    made = [(r["kernel"], r["num_workers"], r["height"], r["images"]) for r in records]
    sizes = [(20, 2), (20, 2), (10, 2), (10, 3)]
    assert made == [(kernel, workers, *size)
                    for kernel, workers in (("scipy-fork", 1), ("scipy-fork", 2),
                                            ("scipy-serial", 1)) for size in sizes]


def test_beside_prints_one_table(program: Path, tmp_path: Path) -> None:
    options = ("--size", "40", "--mem", "8000", "--iterations", "6")
    subprocess.run([program, "--kernel", "scalar", "--method", "full,strided", "-w", "1", *options,
                    "--quiet", "--json", tmp_path / "program.json"], check=True,
                   capture_output=True)
    done = run("--kernel", "scipy-serial,scipy-fork", *options, "--num-workers", 2, "--beside",
               tmp_path / "program.json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "In all rows: dtype float64, size 40x40, images 5"
    assert lines[1].split()[:5] == ["row", "backend", "kernel", "method", "workers"]
    assert [line.split()[:5] for line in lines[2:]] == [
        ["1", "cpu", "scalar", "full", "1"], ["2", "cpu", "scalar", "strided", "1"],
        ["3", "python", "scipy-serial", "full", "1"], ["4", "python", "scipy-fork", "full", "2"]]
    assert "scipy-fork, 2 workers, 5 images of 40x40 (2 of 2)" in done.stderr


def files_for_errors(folder: Path) -> None:
    np.save(folder / "line.npy", np.zeros(3))
    np.save(folder / "empty.npy", np.zeros((0, 3, 3)))
    np.save(folder / "images.npy", np.zeros((2, 5, 5)))
    np.save(folder / "filters.npy", np.zeros((3, 4, 4)))
    np.save(folder / "oblong.npy", np.zeros((2, 4, 5)))
    np.save(folder / "large.npy", np.zeros((32, 32)))
    np.save(folder / "nan.npy", np.full((4, 4), np.nan))
    np.save(folder / "complex.npy", np.zeros((2, 5, 5), np.complex128))
    (folder / "text.npy").write_text("no array")


@pytest.mark.parametrize("options", [
    "--unknown", "--num_workers 0", "-w two", "-w 1,,2", "--iterations 0", "--burns -1", "--size 0",
    "--size 3x", "--mem 12Q", "--mem 5", "--fill ones", "--kernel scipy-thread", "--mem",
    "--kernel=", "--filter-size 32", "--stride 0", "--dtype float16", "--seed 18446744073709551616",
    "--work_time=-1", "--work_time nan", "--images none.npy", "--images line.npy",
    "--images empty.npy", "--images complex.npy", "--images text.npy",
    "--images images.npy --size 5", "--images images.npy --filters filters.npy",
    "--images images.npy --filters oblong.npy", "--images images.npy --filters large.npy",
    "--images images.npy --filters nan.npy", "--filters oblong.npy --filter-size 4",
    "-w 1,2 --save .", "--beside none.json", "--json=", "--save=", "--beside="])
def test_bad_options_are_usage_errors(options: str, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    files_for_errors(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        baseline.main(options.split())
    assert "\n" not in str(caught.value)


def test_errors_are_one_line(tmp_path: Path) -> None:
    for code, options in ((2, ("--unknown",)), (2, ("-w", ",".join(["1"] * 1001))),
                          (5, (*SMALL, "--json", tmp_path / "none" / "run.json")),
                          (5, (*SMALL, "--json", tmp_path)),
                          (5, (*SMALL, "--save", "/proc/none")),
                          (5, ("--mem", "100T"))):
        done = run(*options)
        if code == 5 and options[-1] != "100T":
            assert done.stderr.startswith(f"baseline.py: {options[-1]}: ")  # what was given
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("baseline.py: ") and done.stderr.count("\n") == 1


def test_a_save_that_fails_leaves_the_measurement(tmp_path: Path) -> None:
    options = ("--kernel", "scipy-serial", *SMALL, "--json", tmp_path / "run.json", "--save",
               tmp_path / "saved")
    # No file over 32 KiB, which the results file has room in and images.npy has not.
    done = subprocess.run(["bash", "-c", 'ulimit -f 32; exec "$@"', "bash", *command(*options)],
                          capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith(f"baseline.py: {tmp_path}/saved/images.npy: ")
    assert "Average time" in done.stdout
    record, = json.loads((tmp_path / "run.json").read_text())["records"]
    assert record["status"] == "ok" and len(record["times_s"]) == 10
    assert os.listdir(tmp_path / "saved") == []
    # What is in the way is found before anything is measured.
    (tmp_path / "saved" / "results.npy").mkdir()
    done = run(*options)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == f"baseline.py: {tmp_path}/saved/results.npy: Is a directory\n"


def test_saved_files_are_as_readable_as_others(tmp_path: Path) -> None:
    done = BASELINE.run("--kernel", "scipy-serial", *SMALL, "--iterations", 1, "--save",
                        tmp_path / "saved", umask=0o077)
    assert done.returncode == 0, done.stderr
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "saved").iterdir()}
    assert modes == {"images.npy": 0o600, "filters.npy": 0o600, "results.npy": 0o600}


@pytest.mark.parametrize("error,reason", [(Error("gone"), "gone"), (OSError(5, "broken"), "broken"),
                                          (MemoryError(), "out of memory")])
def test_a_row_that_fails_loses_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         error: Exception, reason: str) -> None:
    def make(source: Source) -> Workload:
        if source.dtype == "float32":
            raise error
        return make_workload(source)
    monkeypatch.setattr(baseline, "make_workload", make)
    path = tmp_path / "run.json"
    assert baseline.main(["--kernel", "scipy-serial", "--dtype", "float64,float32,float64",
                          "--size", "20", "--mem", "800", "--json", str(path)]) == 5
    records = json.loads(path.read_text())["records"]
    assert [record["status"] for record in records] == ["ok", "failed", "ok"]
    assert reason in records[1]["reason"] and records[1]["times_s"] == []


def test_seconds_are_of_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = records_of(tmp_path, "--kernel", "scipy-serial,scipy-fork", *SMALL)
    assert records[0]["generation_s"] > 0 and records[1]["generation_s"] is None

    clock = [0.0]

    def make(source: Source) -> Workload:
        clock[0] += 10
        return make_workload(source)

    def pass_time(*_: object) -> Any:
        clock[0] += 1000
        return {}
    monkeypatch.setattr(baseline, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(baseline, "make_workload", make)
    monkeypatch.setattr(baseline, "host_info", pass_time)
    monkeypatch.setattr(baseline, "table_text", lambda _: str(pass_time()))
    path = tmp_path / "run.json"
    assert baseline.main(["--kernel", "scipy-serial", "--dtype", "float64,float32", "--size", "20",
                          "--mem", "800", "--json", str(path)]) == 0
    assert clock == [2020]
    assert json.loads(path.read_text())["wall_s"] == 20  # of the data, not of host and table


# --- What happens while a pool works


@pytest.fixture(name="start")
def make_start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts the baseline in a session of its own; whatever is left of it is ended."""
    started = []

    def start(*options: object) -> "subprocess.Popen[str]":
        started.append(BASELINE.start(*options, "--iteration-lines"))
        return started[-1]

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()


def wait_for_iterations(process: "subprocess.Popen[str]", count: int) -> None:
    assert process.stdout is not None
    lines = (line for line in process.stdout if line.startswith("Time for iteration"))
    for _ in range(count):
        assert next(lines, None), "it ended early"


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    """Its descendants that have loaded NumPy: not multiprocessing's own helpers."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            pid = int(folder.name)
            is_worker = (os.getsid(pid) == process.pid != pid and
                         "_multiarray_umath" in (folder / "maps").read_text())
        except (OSError, ValueError):
            continue
        if is_worker:
            found.append(pid)
    return found


@pytest.mark.parametrize("kernel,number,to", [
    *((kernel, signal.SIGINT, os.killpg) for kernel in ("scipy-serial", *POOLS)),
    ("scipy-forkserver", signal.SIGTERM, os.kill), ("scipy-fork", signal.SIGTERM, os.killpg),
    ("scipy-spawn", signal.SIGHUP, os.killpg)])
def test_an_interrupt_leaves_what_was_measured(start: Any, tmp_path: Path, kernel: str,
                                               number: int, to: Any) -> None:
    process = start("--kernel", kernel, *ENDLESS, "--json", tmp_path / "run.json")
    wait_for_iterations(process, 2)
    to(process.pid, number)  # as a terminal does: the workers get it, too; kill does not
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "Average" not in out and "deviation" not in out  # as if it were a result
    lines = [line for line in err.splitlines() if "warning" not in line]
    assert lines == ["baseline.py: interrupted by a signal"]
    document = json.loads((tmp_path / "run.json").read_text())
    record = document["records"][0]
    assert document["interrupted"] and record["status"] == "interrupted"
    assert len(record["times_s"]) >= 2 and record["digest"] is None
    assert out.splitlines()[-1] == (f"Interrupted: after {len(record['times_s'])} of "
                                    f"{record['iterations']} iterations")
    assert not workers_of(process)


@pytest.mark.parametrize("kernel", POOLS)
def test_a_worker_that_dies_ends_the_run(start: Any, tmp_path: Path, kernel: str,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Pool.map would wait for ever."""
    monkeypatch.setattr("convscale.pools._WATCH_S", 0.1)
    monkeypatch.setattr("convscale.pools._STOP_S", 0.2)
    process = start("--kernel", kernel, *ENDLESS, "--json", tmp_path / "run.json")
    wait_for_iterations(process, 1)
    # A worker that waits for the end of an iteration loses no image; one of a few does not wait.
    until = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < until:
        for pid in workers_of(process):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.2)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 5, err
    assert f"baseline.py: {kernel}: a worker process died" in err and "Traceback" not in err
    record = json.loads((tmp_path / "run.json").read_text())["records"][0]
    assert record["status"] == "failed" and "worker process died" in record["reason"]
