# SPDX-License-Identifier: Apache-2.0
"""gpu_peers.py with made-up peers: what each of them may cost, and what stands in the records."""
from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import made_up_peers
import pytest
from forked import Script

from convscale import compare
from convscale.peers.main import main
from convscale.results import load

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parents[1] / "scripts"
SMALL = ("--size", "20x14", "--mem", "1000", "--iterations", "3", "--burns", "1")
WITHOUT_DEVICES = {name: value for name, value in os.environ.items()
                   if name != "CUDA_VISIBLE_DEVICES"}
NOT_HERE = (f"{sys.executable} has no module no_such_module; start gpu_peers.py with the python3 "
            f"that has it, or {sys.executable} -m pip install no_such_module")


GPU_PEERS = Script("gpu_peers.py", lambda args: main(args, made_up_peers.PEERS))


def start(*options: object, **environment: str) -> "subprocess.Popen[str]":
    return GPU_PEERS.start(*options, env={**WITHOUT_DEVICES, "PYTHONPATH": str(HERE),
                                          **environment})


def run(*options: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return GPU_PEERS.run(*options, env={**WITHOUT_DEVICES, "PYTHONPATH": str(HERE), **environment})


def wait_for_child(process: "subprocess.Popen[str]", child: Path) -> None:
    """Until the peer that hangs has started it."""
    while not (child.exists() and child.read_text()):
        assert process.poll() is None
        time.sleep(0.02)


def records_of(path: Path) -> list[dict[str, Any]]:
    """As all scripts read them."""
    return [record.raw for record in load(path).records]


def outcomes(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(record["backend"], record["method"], record["status"]) for record in records]


def is_gone(pid: int) -> bool:
    """Or a zombie that nobody waits for."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True


def assert_is_soon_gone(pid: int) -> None:
    for _ in range(6000):  # its death is on the way
        if is_gone(pid):
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} goes on")


def test_a_record_has_all_that_the_schema_has(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    done = run("--peers", "numpy", *SMALL, "--dtype", "float32,float64", "--seed", 3, "--json",
               path, "--device", 2)
    assert done.returncode == 0, done.stderr
    records = records_of(path)
    assert [(r["dtype"], r["method"]) for r in records] == [
        ("float32", "full"), ("float32", "strided"), ("float64", "full"), ("float64", "strided")]
    for record in records:
        assert (record["backend"], record["kernel"], record["scope"]) == \
            ("numpy", "sums", "resident")
        assert (record["images"], record["height"], record["width"]) == (3, 20, 14)
        assert (record["filter_size"], record["stride"], record["seed"]) == (4, 5, 3)
        assert (record["device"], record["software"]) == ("device 2", "NumPy of the tests")
        assert len(record["times_s"]) == 3 and len(record["burn_times_s"]) == 1
        assert record["median_s"] == sorted(record["times_s"])[1]
        assert record["phases"]["kernel_s"] > 0 and record["bound"]["time_s"] is None
        assert record["verification"]["status"] == "passed"
        assert record["verification"]["outputs"] == 3 * 5 * 4
        assert 0 <= record["verification"]["max_error_of_bound"] <= 1
    document = json.loads(path.read_text())
    assert document["program"]["name"] == "gpu_peers.py" and not document["interrupted"]
    assert document["devices"] == [{"name": "device 2"}]
    assert "on device" in done.stdout and "passed" not in done.stderr


def test_its_fields_are_those_of_the_program(program: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    subprocess.run([program, "--quiet", "--no-progress", *SMALL, "--json", ours], check=True,
                   capture_output=True)
    assert run("--peers", "numpy", *SMALL, "--json", theirs).returncode == 0
    first, second = records_of(ours)[0], records_of(theirs)[0]
    assert second.keys() - first.keys() == {"software"} and first.keys() <= second.keys()
    for name, value in first.items():
        if isinstance(value, dict):
            assert value.keys() == second[name].keys(), name


def test_a_wrong_result_is_a_failed_record_and_no_time(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    done = run("--peers", "numpy,wrong", *SMALL, "--json", path)
    assert done.returncode == 4
    right, wrong = records_of(path)[0], records_of(path)[2]
    assert right["status"] == "ok" and wrong["status"] == "failed"
    assert wrong["times_s"] == [] and wrong["median_s"] is None
    assert wrong["phases"]["kernel_s"] is None and wrong["images_per_s"] is None
    assert wrong["verification"]["status"] == "failed"
    assert wrong["verification"]["max_error_of_bound"] > 1
    assert wrong["reason"].startswith("verification failed: image 2, output (4, 3): got ")
    assert "rows 3, 4 failed: verification failed: image 2" in done.stdout


def test_an_error_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    done = run("--peers", "raising", *SMALL, "--json", path)
    assert done.returncode == 5
    records = records_of(path)
    assert outcomes(records) == [("raising", "full", "failed"), ("raising", "strided", "ok")]
    assert records[0]["reason"] == "RuntimeError: CUDA out of memory."


def test_a_crash_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    done = run("--peers", "crashing,numpy", "--method", "strided,full,strided", *SMALL, "--json",
               path)
    assert done.returncode == 5, done.stderr
    records = records_of(path)
    assert outcomes(records) == [
        ("crashing", "strided", "ok"), ("crashing", "full", "failed"),
        ("crashing", "strided", "ok"), ("numpy", "strided", "ok"), ("numpy", "full", "ok"),
        ("numpy", "strided", "ok")]
    assert records[1]["reason"] == "its process was ended by SIGSEGV: in the driver"


def test_what_is_missing_is_skipped_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    done = run("--peers", "missing,broken,dying,numpy", "--method", "full", *SMALL, "--json", path)
    assert done.returncode == 5, done.stderr
    missing, broken, dying, numpy = records_of(path)
    assert missing["status"] == broken["status"] == "skipped"
    assert missing["reason"] == f"missing needs no_such_module: {NOT_HERE}"
    assert broken["reason"] == "it cannot be imported: OSError: libno.so: cannot open"
    assert dying["status"] == "failed"
    assert dying["reason"] == "its process ended with exit code 7: it said nothing"
    assert numpy["status"] == "ok"


def test_no_peer_at_all_makes_no_data(tmp_path: Path) -> None:
    done = run("--peers", "missing,broken", "--size", 1000, "--mem", "1G", "--json", "-",
               "--dtype", "float32,float64")
    assert done.returncode == 3
    assert [r["status"] for r in json.loads(done.stdout)["records"]] == ["skipped"] * 8
    lines = [line for line in done.stderr.splitlines() if not line.startswith("gpu_peers.py: ")]
    assert lines == [f"rows 1-4 skipped: missing needs no_such_module: {NOT_HERE}",
                     "rows 5-8 skipped: it cannot be imported: OSError: libno.so: cannot open"]


def test_what_a_peer_leaves_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    done = run("--peers", "full", *SMALL, "--json", path)
    assert done.returncode == 0
    assert outcomes(records_of(path)) == [("full", "full", "ok"), ("full", "strided", "skipped")]
    done = run("--peers", "few", "--size", 4, "--mem", "2k", "--method", "full", "--json", path,
               "--iterations", 1, "--stride", 2)
    assert done.returncode == 0 and records_of(path)[0]["images"] == 125


def test_a_list_of_what_is_there() -> None:
    done = run("--list", "--peers", "numpy,missing,dying", CUDA_VISIBLE_DEVICES="4,6")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["numpy"] == "NumPy of the tests; on device 4"
    assert lines["missing"] == f"not here: missing needs no_such_module: {NOT_HERE}"
    assert lines["dying"] == "not here: its process ended with exit code 7: it said nothing"
    assert "one image a call" in lines["npp"] and "one image a call" in lines["cucim"]


@pytest.mark.parametrize("options, says", [
    (("--peers", "numpy,nobody"), "--peers nobody: expected one of"),
    (("--limit", "0"), "--limit 0: expected more than 0 seconds"),
    (("--limit", "x"), "--limit x: expected a number of seconds"),
    (("--method", "half"), "--method half: expected one of full, strided"),
    (("--dtype", "float16"), "--dtype float16: expected one of"),
    (("--size", "10", "--mem", "99"), "--mem 99: holds no image of 10x10; --mem 100 would"),
    (("--filter-size", "32"), "--filter-size 32: expected a whole number from 1 to 31"),
    (("--iterations", "0"), "--iterations 0: expected"), (("--json", ""), "--json: the name is"),
    (("--device", "-1"), "--device -1: expected"), (("--seed", ""), "--seed : expected"),
    (("--device", "2"), "--device 2: CUDA_VISIBLE_DEVICES=4,6 shows 2; count from 0 among these"),
    (("--num_workers", "2"), "gpu_peers.py --help lists the options")])
def test_bad_options_are_one_line(options: tuple[str, ...], says: str) -> None:
    done = run(*options, CUDA_VISIBLE_DEVICES="4,6")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and says in done.stderr


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = run("--peers", "numpy", *SMALL, "--json", tmp_path)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == f"gpu_peers.py: {tmp_path}: Is a directory\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_what_was_measured(tmp_path: Path, number: signal.Signals) -> None:
    path, child = tmp_path / "peers.json", tmp_path / "child"
    process = start("--peers", "numpy,hanging,numpy", "--method", "strided,full", *SMALL, "--limit",
                    600, "--json", path, CHILD=str(child))
    wait_for_child(process, child)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and err.endswith("gpu_peers.py: interrupted by a signal\n")
    assert json.loads(path.read_text())["interrupted"]
    assert outcomes(records_of(path)) == [("numpy", "strided", "ok"), ("numpy", "full", "ok"),
                                          ("hanging", "strided", "ok")]
    assert "hanging" in out
    assert_is_soon_gone(int(child.read_text()))


def test_a_kill_costs_the_peer_that_ran_which_ends_with_its_parent(tmp_path: Path) -> None:
    path, child = tmp_path / "peers.json", tmp_path / "child"
    process = start("--peers", "numpy,hanging", "--method", "full", *SMALL, "--limit", 600,
                    "--json", path, CHILD=str(child))
    wait_for_child(process, child)
    stat = Path(f"/proc/{child.read_text()}/stat").read_text(encoding="utf-8")
    peer = int(stat.rpartition(")")[2].split()[1])
    process.kill()
    process.communicate(timeout=120)
    assert json.loads(path.read_text())["interrupted"]
    assert outcomes(records_of(path)) == [("numpy", "full", "ok")]
    assert_is_soon_gone(peer)
    os.kill(int(child.read_text()), signal.SIGKILL)  # nobody is left who could


def test_compare_takes_its_records(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        assert run("--peers", "numpy", *SMALL, "--json", tmp_path / name).returncode == 0
    done = Script("compare.py", compare.main).run(tmp_path / "a.json", tmp_path / "b.json")
    assert done.returncode == 0, done.stderr
    assert "backend numpy" in done.stdout and "2 records" in done.stdout


# --- On a node, where there is the script, the package, and a Python with NumPy


def test_it_travels_without_scipy(tmp_path: Path) -> None:
    """No SciPy, no Matplotlib, from a folder of its own."""
    shutil.copytree(SCRIPTS / "convscale", tmp_path / "convscale",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SCRIPTS / "gpu_peers.py", tmp_path)
    for name in ("scipy", "matplotlib", "torch", "cupy", "jax"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('none here')\n")
    done = subprocess.run([sys.executable, "-B", tmp_path / "gpu_peers.py", *SMALL, "--json",
                           tmp_path / "out.json"], capture_output=True, text=True, timeout=240,
                          check=False)
    assert done.returncode == 3, done.stderr
    assert {record["reason"] for record in records_of(tmp_path / "out.json")} == {
        "it cannot be imported: ImportError: none here"}
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import convscale.peers.main, "
            "convscale.peers.child; print(*(m.__file__ for n, m in sys.modules.items() "
            "if n.startswith('convscale')))")
    done = subprocess.run([sys.executable, "-B", "-c", code, str(tmp_path)], capture_output=True,
                          text=True, check=True)
    files = [Path(name) for name in done.stdout.split()]
    assert len(files) > 10
    for file in files:
        assert file.is_relative_to(tmp_path)
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
