# SPDX-License-Identifier: Apache-2.0
"""The baseline in a Slurm job: Dragon on one node and on several, with a made-up Dragon."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from baseline_runs import run
from experiments_bench import QUICK, Bench, bench
from test_baseline_dragon import LAUNCHER, make_dragon

__all__ = ["bench"]  # a fixture

BASELINE = ("--kernel", "scipy-dragon", "--size", "30", "--mem", "4000", "-w", "2",
            "--iterations", "2", "--burns", "0")
ON_NODES = LAUNCHER.replace("[ \"$1\" = -s ]", "[ \"$1\" = -m ]")


@pytest.mark.parametrize("nodes, launcher", [("2", ON_NODES), ("", LAUNCHER), ("two", LAUNCHER)])
def test_dragon_spans_the_nodes_of_the_job(tmp_path: Path, nodes: str, launcher: str,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    where = make_dragon(tmp_path / "env", launcher)
    done = run(*BASELINE, "--dragon", where, "--json", tmp_path / "run.json",
               SLURM_JOB_NUM_NODES=nodes)
    assert done.returncode == 0, done.stderr
    record, = json.loads((tmp_path / "run.json").read_text())["records"]
    assert record["ranks"] == (2 if nodes == "2" else 1)


def test_on_several_nodes_its_files_are_where_all_see_them(tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.chdir(shared)
    spy = ON_NODES.replace("shift\n", f"ls -d {shared}/convscale-dragon-* >{tmp_path}/seen\n"
                           "shift\n")
    done = run(*BASELINE, "--dragon", make_dragon(tmp_path / "env", spy),
               SLURM_JOB_NUM_NODES="2")
    assert done.returncode == 0, done.stderr
    assert str(shared) in (tmp_path / "seen").read_text()
    assert list(shared.iterdir()) == []


def test_the_baseline_stands_beside_the_program(bench: Bench, tmp_path: Path) -> None:
    where = make_dragon(tmp_path / "env")
    options = ["--experiment", "1x2", *QUICK[2:], "--with-baseline", "--dragon", str(where),
               "--iterations", "2", "--wait"]
    bench.run(0, *options)
    kernels = [record["kernel"] for record in bench.document()["records"]]
    assert kernels == ["made-up", "made-up", "scipy-spawn", "scipy-dragon"]
    lines = bench.printed.splitlines()
    cells = [line.split()[-1] for line in lines[:5]]
    assert lines[0].endswith("against Dragon") and cells[4] == "1.00"
    assert float(cells[1].replace("x", "")) > 0 and cells[2] == "-"  # strided is other work
    assert "published" not in bench.printed  # which is of other work
    assert "how many times as fast" in (bench.out / "report.md").read_text()
    bench.submitted()
    bench.run(0, *options)
    assert bench.submitted() == []


def test_without_dragon_nothing_is_submitted(bench: Bench, tmp_path: Path) -> None:
    errors = bench.run(3, *QUICK, "--with-baseline", "--dragon", str(tmp_path))
    assert "no Dragon runtime in" in errors and bench.submitted() == []


def test_published_times_stand_beside_the_same_work_only(bench: Bench, tmp_path: Path) -> None:
    """With the results of a job that was not run, as the whole experiment takes long."""
    where = make_dragon(tmp_path / "env")
    bench.slurm(hold="1x4")
    bench.run(0, "--experiment", "1x4", "--with-baseline", "--dragon", str(where))
    record = {"status": "ok", "backend": "python", "kernel": "scipy-dragon", "method": "full",
              "scope": "end-to-end", "dtype": "float64", "height": 1000, "width": 1000,
              "images": 33, "filter_size": 4, "stride": 5, "fill": "random", "seed": 0,
              "num_workers": 4, "times_s": [0.4], "median_s": 0.4, "bound": None}
    bench.results("1x4-dragon").write_text(json.dumps(
        {"schema_version": "1", "program": {}, "host": {"name": "n1"}, "records": [record]}))
    bench.run(5, "--collect")
    assert "0.39 s \N{PLUS-MINUS SIGN} 0\n" in bench.printed
    assert "XC-50" in bench.printed and "XC-50" in (bench.out / "report.md").read_text()
