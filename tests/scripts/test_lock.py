# SPDX-License-Identifier: Apache-2.0
"""One script at a time writes into a folder; others are told who, and may report what is there."""
from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from experiments_bench import QUICK
from experiments_bench import Bench as Experiments
from experiments_bench import bench as experiments
from scaling_bench import OPTIONS, STEPS, Bench, bench
from scaling_cluster import NODES, cluster, hostfile

from convscale import lock
from convscale.lock import InUse, only_one
from convscale.results import load

__all__ = ["bench", "cluster", "experiments"]  # fixtures


def wait_for(path: Path) -> None:
    end = time.monotonic() + 240
    while not path.exists():
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.01)


@contextlib.contextmanager
def at_work(bench: Bench) -> Iterator["subprocess.Popen[str]"]:
    """A sweep whose second step waits; it and that step are ended."""
    bench.behave(wait="throughput")
    with bench.start(*OPTIONS) as running:
        wait_for(bench.bin / "waiting")
        bench.behave()
        try:
            yield running
        finally:
            if running.poll() is None:
                os.kill(running.pid, signal.SIGINT)
            with contextlib.suppress(ProcessLookupError):
                os.kill(int((bench.bin / "waiting").read_text()), signal.SIGKILL)
            running.communicate(timeout=240)
    (bench.bin / "waiting").unlink()


def test_a_second_sweep_is_told_who_is_at_work(bench: Bench) -> None:
    with at_work(bench) as first:
        for options in (OPTIONS, [*OPTIONS, "--fresh"]):
            errors = bench.run(2, *options)
            assert errors.count("\n") == 1
            assert errors.startswith(f"scaling.py: --out {bench.out}: scaling.py, process "
                                     f"{first.pid} on {platform.node()}, since 20")
            assert errors.endswith(", is at work there; wait for it, or give another folder\n")
        assert bench.calls() == STEPS[:2]
        assert load(bench.run_file(STEPS[0])).records
    assert not (bench.out / ".lock").exists()
    bench.run(0)


def test_a_sweep_is_reported_while_it_is_at_work(bench: Bench) -> None:
    with at_work(bench) as first:
        before = (bench.out / "state.json").read_bytes()
        errors = bench.run(5, "--report-only")
        assert f"process {first.pid} on" in errors and "this reports what is there now" in errors
        assert "step throughput-full-float64: has not run to its end" in bench.report()
        assert "| cpu avx512 | 4 images of 1000x1000 | 1 |" in bench.report()
        assert (bench.out / "plots" / "strong-time-full-float64.svg").exists()
        assert (bench.out / "state.json").read_bytes() == before
        assert (bench.out / ".lock").exists()
    bench.run(0)
    bench.run(0, *OPTIONS, "--mode", "weak", "--fresh")  # which knows of all plots
    assert [path.name for path in (bench.out / "plots").iterdir()] == ["weak-time-full-float64.svg"]


def test_a_step_may_outlive_its_sweep(bench: Bench) -> None:
    with at_work(bench) as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait(240)
        errors = bench.run(2)
        assert errors.count("\n") == 1
        assert f"what scaling.py, process {first.pid} on" in errors
        assert "has started is still at work there, though that process has ended" in errors
    bench.run(0)
    assert not (bench.out / ".lock").exists()


def write_lock(folder: Path, **holder: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / lock.NAME
    path.write_text(json.dumps({"script": "scaling.py", "process": os.getpid(), "since": "1999",
                                "host": platform.node(), "started": lock._started(os.getpid()),
                                **holder}))
    return path


def test_what_another_host_says_is_not_passed_over(tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_is_local", lambda _descriptor: False)
    path = write_lock(tmp_path, host="n\x1b9", process=7)
    with pytest.raises(InUse, match="scaling.py, process 7 on n.9, since 1999") as caught:
        with only_one(tmp_path, "x.py"):
            pytest.fail("two")
    assert "n?9" in str(caught.value)
    assert f"wait for it, or remove {path} if it is not so" in str(caught.value)
    path.unlink()
    with only_one(tmp_path, "x.py"):
        pass


def test_what_a_host_of_another_name_has_left_here_is_taken_over(tmp_path: Path) -> None:
    """As a container of the night before, on a disk of this host, whose locks are all known."""
    with open(write_lock(tmp_path, host="c0ffee", process=7), "rb") as file:
        if not lock._is_local(file.fileno()):
            pytest.skip("the folder for temporary files is on no disk of this host")
    with only_one(tmp_path, "x.py"):
        assert json.loads((tmp_path / lock.NAME).read_text())["host"] == platform.node()


def test_who_holds_it_through_this_host_is_not_passed_over(tmp_path: Path) -> None:
    """An NFS server has its clients' locks as fcntl's: so does this process hold one."""
    path = write_lock(tmp_path, host="client", process=7)
    hold = f"import fcntl; file = open({str(path)!r}, 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX); " \
           "print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE) as client:
        assert client.stdout is not None and client.stdout.readline() == "held\n"
        with pytest.raises(InUse, match="scaling.py, process 7 on client, since 1999"):
            with only_one(tmp_path, "x.py"):
                pytest.fail("two")
        client.communicate("\n", timeout=240)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\udcff",
                                  json.dumps({"process": 1, "host": platform.node()})])
def test_a_lock_that_nobody_holds_is_taken_over(tmp_path: Path, text: str) -> None:
    (tmp_path / lock.NAME).write_text(text, encoding="utf-8", errors="surrogateescape")
    with only_one(tmp_path, "x.py"):
        assert json.loads((tmp_path / lock.NAME).read_text())["process"] == os.getpid()
        with pytest.raises(InUse, match=f"x.py, process {os.getpid()} on .* is at work there"):
            with only_one(tmp_path, "y.py"):
                pytest.fail("two")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_file: int, _how: int) -> None:
        time.sleep(0.0001)
        raise OSError(errno.ENOLCK, "none")
    monkeypatch.setattr("fcntl.flock", none)


def test_a_file_system_without_locks(tmp_path: Path, no_locks: None) -> None:
    with only_one(tmp_path, "x.py"):
        with pytest.raises(InUse, match="is at work there"):
            with only_one(tmp_path, "y.py"):
                pytest.fail("two")
    for changed in ({"started": "1"}, {"process": 2**22 + 1, "started": "1"}):
        write_lock(tmp_path, **changed)  # that process has ended, and its number may be another's
        with only_one(tmp_path, "x.py"):
            pass
    write_lock(tmp_path, started="1").rename(tmp_path / ".lock.taking")  # of one that was killed
    with only_one(tmp_path, "x.py"):
        pass
    write_lock(tmp_path, host="another")
    with pytest.raises(InUse, match="on another, since 1999"):
        with only_one(tmp_path, "x.py"):
            pytest.fail("two")
    assert os.listdir(tmp_path) == [".lock"]


def test_of_many_without_locks_one_is_at_work(tmp_path: Path, no_locks: None) -> None:
    test_of_many_at_once_one_is_at_work(tmp_path)


def test_of_many_at_once_one_is_at_work(tmp_path: Path) -> None:
    inside, most, refused = [0], [0], [0]

    def work() -> None:
        for _ in range(200):
            try:
                with only_one(tmp_path, "x.py"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    time.sleep(0.0001)
                    inside[0] -= 1
            except InUse:
                refused[0] += 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and refused[0] > 0
    assert os.listdir(tmp_path) == []


def test_a_report_is_waited_for(tmp_path: Path) -> None:
    begun, end = threading.Event(), threading.Event()

    def report() -> None:
        with only_one(tmp_path, "report", is_brief=True):
            begun.set()
            end.wait(240)

    thread = threading.Thread(target=report)
    thread.start()
    begun.wait(240)
    threading.Timer(0.2, end.set).start()
    with only_one(tmp_path, "sweep"):
        assert end.is_set()
    thread.join()


def test_a_folder_that_stays_empty_goes_again(tmp_path: Path) -> None:
    with only_one(tmp_path / "a" / "b", "x.py"):
        pass
    with only_one(tmp_path / "c", "x.py"):
        (tmp_path / "c" / "mine").touch()
    assert os.listdir(tmp_path) == ["c"]


def test_a_strangers_folder_gets_no_lock(experiments: Experiments) -> None:
    experiments.out.mkdir()
    (experiments.out / "plan.json").write_text("{}")  # a sweep's
    for options in (QUICK, ["--collect"]):
        errors = experiments.run(2, *options)
        assert "holds a sweep, not experiments; scaling.py --report-only reports it" in errors
    assert os.listdir(experiments.out) == ["plan.json"]


def test_a_sweep_is_not_made_among_experiments(bench: Bench) -> None:
    bench.out.mkdir()
    (bench.out / "experiments.json").write_text("{}")
    for options in (OPTIONS, ["--report-only"]):
        errors = bench.run(2, *options)
        assert "holds experiments, not a sweep; experiments.py --collect reports them" in errors
    assert os.listdir(bench.out) == ["experiments.json"]


def test_two_experiments_at_once(experiments: Experiments) -> None:
    experiments.slurm(hold="2x4")
    with experiments.start(*QUICK, "--wait") as first:
        assert first.stderr is not None
        said = ""
        while "2x4: job 101 is queued" not in said:
            line = first.stderr.readline()
            assert line, said
            said += line
        experiments.submitted()
        errors = experiments.run(2)
        assert errors.count("\n") == 1
        assert f"experiments.py, process {first.pid} on {platform.node()}, since 20" in errors
        assert experiments.submitted() == []
        assert "2x4-local: job 101 is queued" in experiments.run(5, "--collect")
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=240)
    experiments.run(0)
    assert not (experiments.out / ".lock").exists()


# --- Reports, with the options of what is reported


@pytest.mark.parametrize("options", [
    [*NODES, "HOSTFILE"], [*NODES[:2], *NODES[4:], "HOSTFILE"], [*NODES, "--slurm"],
    ["--mode", "strong", "--size", "8", "--mem", "64", "--num_workers", "1", "--baseline",
     "scipy-serial"], [*OPTIONS, "--max-noise", "5%", "--mem-per-worker", "1M", "--yes"]])
def test_every_kind_of_sweep_is_reported_with_its_command(cluster: Bench,
                                                          options: list[str]) -> None:
    given = [word for option in options
             for word in (hostfile(cluster) if option == "HOSTFILE" else [option])]
    cluster.run(0, *given)
    before = cluster.report()
    cluster.calls()
    for words in ([*given, "--report-only"], ["--report-only"]):
        (cluster.out / "report.md").unlink()
        cluster.run(0, *words)
        assert cluster.report() == before and cluster.calls() == []


def test_what_cannot_be_written_is_reported_all_the_same(bench: Bench) -> None:
    bench.run(0)
    @contextlib.contextmanager
    def refused(*_args: object, **_options: object) -> Iterator[None]:
        raise PermissionError(errno.EACCES, "Permission denied")
        yield
    bench.monkeypatch.setattr("convscale.scaling.main.only_one", refused)
    bench.monkeypatch.setattr("os.access", lambda *_: False)
    before = {path: path.stat().st_mtime_ns for path in bench.out.rglob("*")}
    bench.capture.readouterr()
    from convscale.scaling.main import main
    assert main(["--out", str(bench.out), "--report-only"]) == 0
    printed, errors = bench.capture.readouterr()
    assert printed == bench.report()
    assert f"{bench.out} cannot be written; the report goes to standard output" in errors
    assert {path: path.stat().st_mtime_ns for path in bench.out.rglob("*")} == before
