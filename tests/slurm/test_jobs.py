# SPDX-License-Identifier: Apache-2.0
"""The jobs that scripts/experiments.py generates, under a real Slurm, with the program."""
from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from experiments_runs import SMALL, Experiments

DRAGON = os.environ.get("CONVSCALE_DRAGON", "")


def digests_of(program: Path, methods: str) -> dict[str, str]:
    """Of one process, by method."""
    done = subprocess.run([program, *SMALL, "--method", methods, "--json", "-", "--num_workers",
                           "2"], capture_output=True, text=True, check=True)
    return {record["method"]: record["digest"] for record in json.loads(done.stdout)["records"]}


def check_ranks(record: dict[str, Any], nodes: int, workers: int) -> None:
    assert record["ranks"] == nodes
    if nodes == 1:
        assert record["per_rank"] is None
        return
    hosts = [rank["host"] for rank in record["per_rank"]]
    assert len(set(hosts)) == nodes and set(hosts) <= {f"n{node}" for node in range(1, 5)}
    assert [rank["num_workers"] for rank in record["per_rank"]] == [
        len(range(rank, workers, nodes)) for rank in range(nodes)]
    # One rank has all processors of its node.
    assert all(len(set(rank["cpus"])) == min(2, rank["num_workers"]) for rank in record["per_rank"]
               if rank["num_workers"])


def test_experiments_come_back(experiments: Experiments) -> None:
    done = experiments.run(0, "--experiment", "1x4,2x4,4x3", *SMALL, "--wait")
    assert done.stderr.count("submitted as job") == 3
    records = experiments.records()
    assert len(records) == 2 + 2 * 2 * 2  # two methods, and but for one rank two distributions
    expected = digests_of(experiments.program, "full,strided")
    shapes = [(1, 4)] * 2 + [(2, 4)] * 4 + [(4, 3)] * 4
    for record, (nodes, workers) in zip(records, shapes):
        assert (record["status"], record["verification"]["status"]) == ("ok", "passed")
        assert record["num_workers"] == workers
        assert record["digest"] == expected[record["method"]]
        check_ranks(record, nodes, workers)
    assert [record["distribute"] for record in records[::2]] == [
        None, *["scatter", "local"] * 2]
    assert "4 " in done.stdout and "scatter" in done.stdout
    assert "What is missing" not in (experiments.out / "report.md").read_text()
    again = experiments.run(0, "--experiment", "1x4,2x4,4x3", *SMALL, "--wait")
    assert again.stderr.count(": complete") == 3 and "submitted" not in again.stderr


INSIDE = ("salloc", "--quiet", "--nodes=1", "--ntasks=2", "--mem-per-cpu=16", "--cpus-per-task=1",
          "srun", "--mpi=pmix", "--ntasks=1", "--overlap", "--cpu-bind=map_cpu:1")


def test_a_job_is_nothing_of_the_rank_that_submits_it(experiments: Experiments) -> None:
    """It has none of its memory and binding."""
    job = experiments.start(before=INSIDE)
    seen = experiments.environment(job, 0)
    experiments.cluster.run("scancel", job)
    experiments.wait_for_end(job)
    assert seen["SLURM_JOB_ID"] == job and seen["SLURM_STEP_NUM_TASKS"] == "2"
    for name in ("SLURM_MEM_PER_CPU", "SLURM_CPUS_PER_TASK", "SRUN_CPUS_PER_TASK"):
        assert name not in seen
    assert "map_cpu" not in seen.get("SLURM_CPU_BIND", "")


def test_open_mpis_own_launcher_and_names_that_sbatch_would_take_apart(
        experiments: Experiments) -> None:
    experiments.out = experiments.out.parent / "a 'b' \"c\" $(d) #e %j%%"
    experiments.run(0, "--experiment", "2x4", "--launcher", "mpirun", "--method", "full",
                    *SMALL, "--wait", "--partition", "batch",
                    "--sbatch-option=--comment=a \"b\" \\ #c")
    assert experiments.printed()
    expected = digests_of(experiments.program, "full")
    for record in experiments.records():
        assert record["digest"] == expected["full"]
        check_ranks(record, 2, 4)


@pytest.mark.skipif(not DRAGON, reason="CONVSCALE_DRAGON does not name a Dragon runtime")
def test_the_originals_way_beside_it(experiments: Experiments) -> None:
    done = experiments.run(0, "--experiment", "1x4", *SMALL, "--with-baseline", "--dragon",
                           DRAGON, "--wait")
    records = experiments.records()
    assert [record["kernel"] for record in records[2:]] == ["scipy-spawn", "scipy-dragon"]
    assert len({record["digest"] for record in records if record["method"] == "full"}) == 1
    assert "against Dragon" in done.stdout


def test_a_killed_rank_ends_the_job(experiments: Experiments) -> None:
    job = experiments.start()
    experiments.kill(job, 1)
    experiments.wait_for_end(job)
    assert not list(experiments.out.glob("runs/*.json*"))
    assert not list(experiments.out.glob("runs/.*"))  # no half of one, either
    done = experiments.run(5, "--collect")
    # 137 with Slurm 22 and Open MPI 4, 14 with Slurm 24 and Open MPI 5.
    assert re.search(f"2x4-scatter: job {job} wrote no results, with exit code [1-9]", done.stderr)
    assert experiments.records() == []
    assert not experiments.rank(job, 0)


def test_what_is_stopped_leaves_what_was_measured(experiments: Experiments) -> None:
    """As Slurm does with --signal before a time limit, and with scancel."""
    for wait_s in (0.5, 4, 32):  # how soon iterations are measured depends on the machine
        experiments.out = experiments.out.parent / f"after {wait_s} s"
        job = experiments.start()
        time.sleep(wait_s)
        assert f"TERM@{2 * 45}" in (experiments.out / "runs" / "2x4.sh").read_text()
        experiments.cluster.run("scancel", "--signal=TERM", job)
        experiments.wait_for_end(job)
        done = experiments.run(130, "--collect")
        assert "2x4-scatter: was interrupted, by scancel or its time limit" in done.stderr
        record, = experiments.records()
        assert record["status"] == "interrupted"
        if record["times_s"]:
            return
    pytest.fail("nothing was measured")


def test_what_does_not_heed_the_time_limit_is_ended(experiments: Experiments) -> None:
    job = experiments.start()
    experiments.cluster.run("scancel", job)
    experiments.wait_for_end(job)
    script = experiments.out / "runs" / "2x4.sh"
    text = script.read_text()
    assert "\nlimit=1755\n" in text
    script.write_text(text.replace("\nlimit=1755\n", "\nlimit=1\n"))
    job = experiments.cluster.run("sbatch", "--parsable", str(script)).stdout.strip()
    experiments.wait_for_end(job)
    done = experiments.run(5, "--collect")
    assert "came to its time limit; a longer --time would do" in done.stderr
    assert not list(experiments.out.glob("runs/*.json*"))


def test_ranks_that_do_not_know_each_other(experiments: Experiments) -> None:
    # Slurm ends the second task when the first has ended with 2; if it has not got that far, the
    # job's code is the signal's.
    done = experiments.run((2, 5), "--experiment", "2x4", "--distribute", "local", *SMALL, "--mpi",
                           "none", "--wait")
    assert "2x4-local" in done.stderr and "srun --mpi=pmix would do" in done.stderr
    assert experiments.printed().count("convscale: ") == 1


@pytest.mark.parametrize("options, says", [
    (("--partition", "nowhere"), "invalid partition specified: nowhere"),
    (("--experiment", "2x4,5x10"), "experiment 5x10: sbatch refuses this job"),
    (("--backend", "cuda", "--gpus-per-node", "3"), "sbatch refuses this job"),
    (("--sbatch-option=--no-such-option",), "sbatch refuses this job")])
def test_nothing_is_submitted_that_slurm_refuses(experiments: Experiments,
                                                 options: tuple[str, ...], says: str) -> None:
    before = experiments.cluster.run("squeue", "--noheader", "--states=all").stdout
    done = experiments.run(2, "--experiment", "2x4", *SMALL, *options)
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert not experiments.out.exists()
    assert experiments.cluster.run("squeue", "--noheader", "--states=all").stdout == before


def test_gpu_nodes(experiments: Experiments) -> None:
    """Slurm gives out what it takes for GPUs; the program says that there are none."""
    done = experiments.run(3, "--experiment", "2x4", *SMALL, "--backend", "cuda",
                           "--gpus-per-node", "2", "--distribute", "local", "--wait")
    assert "2x4-local: has rows that could not run there: " in done.stderr
    assert experiments.printed().count("convscale: ") == 1
    script = (experiments.out / "runs" / "2x4.sh").read_text()
    assert "#SBATCH --gpus-per-node=2\n" in script and "#SBATCH --ntasks-per-node=2\n" in script
