# SPDX-License-Identifier: Apache-2.0
"""scaling.py over nodes under Slurm: in an allocation, and as jobs. Slurm is made up."""
from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from scaling_bench import Bench
from scaling_cluster import NODES, STEPS, bench, cluster, hostfile, launchers, launches

from convscale.results import load

__all__ = ["bench", "cluster"]  # fixtures


def test_a_sweep_inside_an_allocation(cluster: Bench) -> None:
    cluster.monkeypatch.setenv("SLURM_JOB_ID", "7")
    cluster.monkeypatch.setenv("SLURM_JOB_NUM_NODES", "4")
    cluster.run(0, *NODES)
    last = launches(cluster)[-1]
    assert last[0] == "srun"
    for option in ("--mpi=pmix", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1",
                   "--kill-on-bad-exit=1", "--distribution=cyclic", "--cpu-bind=none"):
        assert option in last
    assert [record.ranks for record in load(cluster.out / "results.json").records] == [1, 2, 2]


def test_a_job_for_each_step(cluster: Bench) -> None:
    errors = cluster.run(0, *NODES, "--slurm", "--partition", "fast", "--account", "physics",
                         "--time", "10", "--sbatch-option=--comment=two words")
    assert "job 3" in errors and cluster.calls() == STEPS
    script = (cluster.out / "runs" / f"{STEPS[1]}.sh").read_text()
    for line in ("--nodes=2", "--ntasks-per-node=1", "--exclusive", "--partition=fast",
                 "--account=physics", "--time=10", '"--comment=two words"'):
        assert f"#SBATCH {line}\n" in script
    assert [record.ranks for record in load(cluster.out / "results.json").records] == [1, 2, 2]
    launches(cluster)
    cluster.run(0, *NODES, "--slurm")
    assert launches(cluster) == []  # nothing is submitted again


def test_a_rank_for_each_gpu_or_socket(cluster: Bench) -> None:
    two = ["--slurm", "--ranks-per-node", "2"]
    on_gpus = ["--backend", "cuda"]
    nothing: list[str] = []
    for options, lines in ((nothing, ["--ntasks-per-node=2"]),
                           (on_gpus, ["--gpus-per-node=2", "--ntasks-per-node=2"])):
        text = cluster.dry_run(*NODES, *two, *options)
        for line in lines:
            assert f"#SBATCH {line}\n" in text
        assert ("--gpus" in text) == bool(options)


def test_the_commands_of_a_dry_run_of_jobs_run(cluster: Bench, tmp_path: Path) -> None:
    commands = cluster.dry_run(*NODES, "--slurm")
    assert not cluster.out.exists() and launches(cluster) == []
    subprocess.run(["sh", "-e"], input=commands, text=True, check=True, cwd=tmp_path,
                   capture_output=True)
    assert [load(cluster.run_file(name)).ranks for name in STEPS] == [1, 2, 2]


def test_jobs_that_fail_do_not_keep_the_others(cluster: Bench) -> None:
    cluster.behave(exit={"--distribute scatter": 5})
    launchers(cluster, refuse="n1")
    errors = cluster.run(5, *NODES, "--slurm")
    assert "took it not: too many nodes" in errors
    assert "step strong-n2-scatter-full-float64: ended with exit code 5" in errors
    assert [record.distribute for record in load(cluster.out / "results.json").records] == ["local"]
    cluster.behave()
    launchers(cluster)
    cluster.calls()
    cluster.run(0, *NODES, "--slurm")
    assert cluster.calls() == STEPS[:2]
    assert "What is missing" not in cluster.report()


def test_a_job_that_is_lost(cluster: Bench) -> None:
    launchers(cluster, lose="local")
    errors = cluster.run(5, *NODES, "--slurm")
    assert "job 3 left no exit code" in errors
    launchers(cluster)
    cluster.run(0, *NODES, "--slurm")


def test_jobs_that_wait_are_not_submitted_again(cluster: Bench) -> None:
    launchers(cluster, hold="local")
    with cluster.start(*NODES, "--slurm") as running:
        assert running.stderr is not None
        said = ""
        while "is queued (Resources)" not in said:
            line = running.stderr.readline()
            assert line, said
            said += line
        os.kill(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=240)
    assert running.returncode == 130
    assert "jobs 3 stay in the queue; the same command waits for them, scancel 3" in errors
    assert len(launches(cluster)) == 3 + 2  # three jobs, of which two have run
    for options in (["--slurm", "--fresh"], hostfile(cluster)):
        errors = cluster.run(2, *NODES, *options)
        assert errors.count("\n") == 1 and "jobs 3 of this sweep are in the queue" in errors
    # The job runs while nobody waits.
    script = cluster.out / "runs" / f"{STEPS[2]}.sh"
    subprocess.run(["bash", script], check=True, cwd=script.parent,
                   env={**os.environ, "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "1"})
    (cluster.bin.parent / "launchers" / "jobs.json").write_text("[false, false, false]")
    launches(cluster)
    errors = cluster.run(0, *NODES, "--slurm")
    assert launches(cluster) == []
    assert [record.ranks for record in load(cluster.out / "results.json").records] == [1, 2, 2]


def test_without_slurm_nothing_is_submitted(cluster: Bench, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    cluster.monkeypatch.setenv("PATH", str(tmp_path / "none"))
    errors = cluster.run(3, *NODES, "--slurm")
    assert errors.count("\n") == 1 and "no sbatch here" in errors
    assert not cluster.out.exists()
    errors = cluster.run(3, "--nodes", "2", "--slurm")
    assert errors.count("\n") == 1 and "no sinfo here" in errors
