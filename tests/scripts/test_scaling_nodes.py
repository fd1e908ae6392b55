# SPDX-License-Identifier: Apache-2.0
"""scaling.py over nodes: what is planned, and how steps are launched with mpirun."""
from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from scaling_bench import Bench
from scaling_cluster import NODES, STEPS, bench, cluster, hostfile, launchers, launches
from scaling_model import request

from convscale.cli import UsageError
from convscale.results import load
from convscale.scaling.options import Request, parse_options
from convscale.scaling.plan import make_steps

__all__ = ["bench", "cluster"]  # fixtures


# --- Plans


def over_nodes(*options: str) -> Request:
    """Without a way to reach nodes, which a request does not hold."""
    given = {"--nodes": "1,2,4", "--workers-per-node": "8"}
    given.update(zip(options[::2], options[1::2]))
    words = [word for pair in given.items() for word in pair]
    environment = {"SLURM_JOB_ID": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return request(*words)


def test_a_step_for_each_number_of_nodes_and_distribution() -> None:
    steps = {step.name: step for step in make_steps(over_nodes(
        "--mode", "strong", "--method", "full", "--distribute", "scatter,local"))}
    assert list(steps) == [
        "strong-n1-full-float64", "strong-n2-scatter-full-float64", "strong-n2-local-full-float64",
        "strong-n4-scatter-full-float64", "strong-n4-local-full-float64"]
    assert [(step.nodes, step.ranks) for step in steps.values()] == [(1, 1), (2, 2), (2, 2),
                                                                     (4, 4), (4, 4)]
    step = steps["strong-n4-local-full-float64"]
    options = dict(zip(step.args, step.args[1:]))
    assert (options["--num_workers"], options["--distribute"]) == ("32", "local")
    assert "--distribute" not in steps["strong-n1-full-float64"].args  # of one rank


def test_several_ranks_of_a_node_are_distributed_over() -> None:
    steps = make_steps(over_nodes("--mode", "strong", "--method", "full", "--ranks-per-node", "4",
                                  "--nodes", "1,2"))
    assert [(step.name, step.nodes, step.ranks) for step in steps] == [
        ("strong-n1-scatter-full-float64", 1, 4), ("strong-n2-scatter-full-float64", 2, 8)]


def test_weak_scaling_and_throughput_over_nodes() -> None:
    asked = over_nodes("--mode", "weak,throughput", "--method", "full", "--size", "10",
                       "--mem-per-worker", "250", "--mem", "3200", "--sizes", "8,10")
    made = {step.name: dict(zip(step.args, step.args[1:])) for step in make_steps(asked)}
    assert {name: (step["--num_workers"], step["--mem"]) for name, step in made.items()} == {
        "weak-n1-full-float64": ("8", "1600"), "weak-n2-scatter-full-float64": ("16", "3200"),
        "weak-n4-scatter-full-float64": ("32", "6400"),
        "throughput-n4-scatter-full-float64": ("32", "3200")}


# --- Where nodes come from


def parsed(cluster: Bench, *options: str) -> Request:
    return parse_options(["--out", "x", *options]).request


def test_a_node_has_all_its_cores(cluster: Bench) -> None:
    two = ["--nodes", "1,2"]
    assert parsed(cluster, *two, *hostfile(cluster)).num_workers == (2, 4)  # by its slots
    assert parsed(cluster, *two, "--slurm").num_workers == (2, 4)  # by sinfo's least
    cluster.monkeypatch.setenv("SLURM_JOB_ID", "7")
    cluster.monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "64(x3),48")
    assert parsed(cluster, *two).num_workers == (48, 96)
    (cluster.bin.parent / "hosts").write_text("h1\nh2\n")
    here = len(os.sched_getaffinity(0))
    assert parsed(cluster, *two, *hostfile(cluster)).num_workers == (here, 2 * here)


@pytest.mark.parametrize("options, message", [
    (["--nodes", "2"], "--nodes: nothing says how to reach nodes"),
    (["--nodes", "4", "HOSTFILE"], "--nodes 4: the hostfile names 3 hosts"),
    (["--nodes", "2", "HOSTFILE", "--num_workers", "4"], "--num_workers beside --nodes"),
    (["--nodes", "2", "HOSTFILE", "--baseline", "scipy-spawn"], "--baseline beside --nodes"),
    (["--nodes", "2", "HOSTFILE", "--slurm"], "--hostfile beside --slurm"),
    (["--nodes", "2", "HOSTFILE", "--partition", "p"], "--partition without --slurm"),
    (["--nodes", "2", "HOSTFILE", "--mpi", "pmix"], "--mpi without Slurm"),
    (["--nodes", "2", "HOSTFILE", "--workers-per-node", "65536"], "makes 131072 workers"),
    (["--nodes", "2", "--slurm", "--launcher", "mpirun", "--mpi", "pmi2"], "--mpi beside"),
    (["HOSTFILE"], "--hostfile without --nodes"), (["--slurm"], "--slurm without --nodes"),
    (["--distribute", "local"], "--distribute without --nodes"),
    (["--ranks-per-node", "2"], "--ranks-per-node without --nodes"),
    (["--report-only", "--nodes", "x"], "--nodes x: expected a whole number")])
def test_bad_options_over_nodes_are_one_line(cluster: Bench, options: list[str],
                                             message: str) -> None:
    words = [word for option in options
             for word in (hostfile(cluster) if option == "HOSTFILE" else [option])]
    with pytest.raises(UsageError) as caught:
        parsed(cluster, *words)
    assert message in str(caught.value) and "\n" not in str(caught.value)


# --- With mpirun


def test_a_sweep_over_the_hosts_of_a_file(cluster: Bench) -> None:
    cluster.run(0, *NODES, *hostfile(cluster))
    assert cluster.calls() == STEPS
    first, second, _ = launches(cluster)
    assert first[first.index("--host") + 1] == "h1:1"
    assert second[second.index("--host") + 1] == "h1:1,h2:1"  # and not the third
    text = " ".join(second)
    assert "-np 2 --map-by ppr:1:node --bind-to none" in text
    assert "oob_tcp_keepalive_time 5" in text
    document = load(cluster.out / "results.json")
    assert [(record.ranks, record.distribute, record.nodes) for record in document.records] == [
        (1, None, 1), (2, "scatter", 2), (2, "local", 2)]
    assert document.raw["hosts"] == ["h1", "h2"]
    assert "strong-ranks-full-float64.svg" in cluster.report()
    cluster.run(0, *NODES, *hostfile(cluster))
    assert cluster.calls() == []


def test_the_commands_of_a_dry_run_over_nodes_run(cluster: Bench, tmp_path: Path) -> None:
    printed = cluster.dry_run(*NODES, *hostfile(cluster), "--time", "2:00:00")
    assert not cluster.out.exists()
    commands = [shlex.split(line) for line in printed.splitlines()][1:]
    assert [command[:5] for command in commands] == [["timeout", "--foreground", "-k", "30",
                                                      "7200"]] * 3
    subprocess.run(["sh", "-e"], input=printed, text=True, check=True, cwd=tmp_path,
                   capture_output=True)
    assert [load(cluster.run_file(name)).ranks for name in STEPS] == [1, 2, 2]


def test_a_launch_that_fails_does_not_stop_the_others(cluster: Bench) -> None:
    cluster.behave(exit={"--distribute local": 3})
    errors = cluster.run(0, *NODES, *hostfile(cluster))
    assert "step strong-n2-local-full-float64: ended with exit code 3" in errors
    assert len(load(cluster.out / "results.json").records) == 2
    launchers(cluster, launcher_exit=137)
    cluster.run(5, *NODES, *hostfile(cluster), "--fresh")


def test_copies_of_one_rank_are_no_results(cluster: Bench) -> None:
    script = cluster.bin.parent / "launchers" / "mpirun"
    script.write_text(script.read_text().replace('"MADE_UP_HOSTS": ",".join(hosts)', ""))
    errors = cluster.run(5, *NODES, *hostfile(cluster))
    assert ("step strong-n2-local-full-float64: ran as 1 rank, not 2; is the launcher of the MPI "
            "that the program was built with?") in errors
    assert len(load(cluster.out / "results.json").records) == 1
    cluster.calls()
    cluster.run(5, *NODES, *hostfile(cluster))
    assert cluster.calls() == STEPS[1:]  # they are measured again


@pytest.mark.parametrize("text", [None, "#!/bin/sh\necho HYDRA build details\n"])
def test_without_open_mpi_nothing_is_measured(cluster: Bench, text: str | None,
                                              tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    if text is not None:
        (tmp_path / "none" / "mpirun").write_text(text)
        (tmp_path / "none" / "mpirun").chmod(0o755)
    cluster.monkeypatch.setenv("PATH", str(tmp_path / "none"))
    errors = cluster.run(3, *NODES, *hostfile(cluster))
    assert "no mpirun of Open MPI" in errors and errors.count("\n") == 1
    assert not cluster.out.exists()


def test_an_interrupted_launch_is_resumed(cluster: Bench) -> None:
    script = cluster.bin.parent / "launchers" / "mpirun"
    script.write_text(script.read_text().replace(
        "    environment =", "    import time; (HERE / 'waiting').write_text(''); time.sleep(300)\n"
        "    environment =", 1))
    with cluster.start(*NODES, *hostfile(cluster)) as running:
        end = time.monotonic() + 240
        while not (script.parent / "waiting").exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=240)
    assert running.returncode == 130, errors
    assert "the same command goes on with it" in errors
    script.write_text(script.read_text().replace("time.sleep(300)", ""))
    cluster.run(0, *NODES, *hostfile(cluster))


def test_one_node_needs_no_launcher(bench: Bench) -> None:
    bench.monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    bench.run(0, *NODES[2:-2], "--nodes", "1")
    assert bench.calls() == STEPS[:1]
    assert "distribute" not in bench.report()
