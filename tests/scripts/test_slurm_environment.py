# SPDX-License-Identifier: Apache-2.0
"""What jobs and steps inherit where the scripts are started inside of an allocation, or as a rank.
Slurm is made up, and notes the environment of each call."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from experiments_bench import QUICK
from experiments_bench import Bench as Experiments
from experiments_bench import bench as experiments
from scaling_bench import OPTIONS, Bench, bench
from scaling_cluster import NODES, STEPS, cluster, launches

from convscale.slurm.environment import outside_of_jobs, shell_function, without_rank

__all__ = ["bench", "cluster", "experiments"]  # fixtures

# As ranks of Open MPI's mpirun and of srun have them.
RANK = {"PMIX_RANK": "0", "PMIX_NAMESPACE": "1", "PMIX_SERVER_URI41": "tcp4://127.0.0.1:4",
        "PMIX_SERVER_TMPDIR": "/tmp/1", "PMIX_GDS_MODULE": "hash", "PMIX_VERSION": "4.2.2",
        "PMI_RANK": "0", "PMI_SIZE": "4", "PMI_FD": "9", "PMI2_SIZE": "4", "MPI_LOCALRANKID": "0",
        "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_UNIVERSE_SIZE": "4",
        "OMPI_MCA_ess_base_jobid": "15", "OMPI_MCA_orte_hnp_uri": "1;tcp://1:1",
        "OMPI_MCA_orte_ess_num_procs": "1", "OMPI_COMMAND": "a", "OMPI_APP_CTX_NUM_PROCS": "4",
        "OMPI_FILE_LOCATION": "/tmp/1", "PRTE_MCA_ess_base_vpid": "0", "HYDI_CONTROL_FD": "7",
        "OMPI_MCA_orte_local_daemon_uri": "1;tcp://1:2", "OMPI_MCA_orte_num_nodes": "2",
        "OMPI_MCA_orte_node_regex": "n[1-4]", "OMPI_MCA_orte_jobid": "7", "OMPI_MCA_ess": "pmi",
        "OMPI_MCA_orte_parent_uri": "1;tcp://1:3", "OMPI_MCA_orte_precondition_transports": "1-2",
        "OMPI_MCA_orte_launch": "1",
        "OMPI_MCA_orte_top_session_dir": "/tmp/3", "OMPI_MCA_orte_jobfam_session_dir": "/tmp/3/1",
        "OMPI_MCA_orte_app_num": "0", "OMPI_MCA_orte_bound_at_launch": "1",
        "PRTE_MCA_ess": "env", "PMIX_MCA_ess_base_jobid": "1", "PRTE_LAUNCHED": "1",
        "PRTE_MCA_prte_hnp_uri": "1;tcp://1:1", "PRTE_MCA_prte_ess_num_procs": "4",
        "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_ID": "0", "SLURM_PMIX_MAPPING_SERV": "1", "SLURM_PMIXP_ABORT_AGENT_PORT": "9"}
JOB = {"SLURM_JOB_ID": "7", "SLURM_JOBID": "7", "SLURM_JOB_NUM_NODES": "4", "SLURM_NNODES": "4",
       "SLURM_JOB_NODELIST": "n[1-4]", "SLURM_MEM_PER_CPU": "100", "SLURM_CPU_BIND": "map_cpu:1",
       "SLURM_CPUS_PER_TASK": "3", "SLURM_DISTRIBUTION": "block", "SLURM_NTASKS_PER_NODE": "9",
       "SLURM_EXPORT_ENV": "NONE", "SRUN_CPUS_PER_TASK": "3", "SLURMD_NODENAME": "n1",
       "SBATCH_MEM_PER_CPU": "1", "SBATCH_CPU_BIND": "map_cpu:1", "SBATCH_TIMELIMIT": "1",
       "SBATCH_ARRAY_INX": "1-9", "SALLOC_ACCOUNT": "x", "SQUEUE_PARTITION": "nowhere",
       "SQUEUE_USERS": "nobody", "SINFO_PARTITION": "nowhere", "SLURM_JOB_GPUS": "0",
       "CUDA_VISIBLE_DEVICES": "0"}
# Where the cluster is, who pays, and what people set for MPI.
KEPT = {"SLURM_CONF": "/etc/slurm/other.conf", "SLURM_CLUSTERS": "c2", "SBATCH_WCKEY": "lab",
        "SBATCH_ACCOUNT": "physics", "SBATCH_PARTITION": "fast", "SBATCH_QOS": "high",
        "SBATCH_EXPORT": "ALL", "SLURM_PMIX_FENCE": "ring", "SLURM_PMIX_DIRECT_CONN_EARLY": "1",
        "SLURM_PMIX_SAMEARCH": "1", "SLURM_JWT": "token", "PMIX_MCA_gds": "hash",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "PRTE_ALLOW_RUN_AS_ROOT": "1",
        "PRTE_MCA_hwloc_default_binding_policy": "none", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_PREFIX": "/opt/p", "PMIX_PREFIX": "/opt/x", "PMIX_ROOT": "/opt/x",
        "OMPI_MCA_orte_tmpdir_base": "/scratch", "OMPI_MCA_orte_keep_fqdn_hostnames": "1",
        "OMPI_MCA_orte_default_hostfile": "hosts", "OMPI_MCA_orte_rsh_agent": "ssh -q",
        "OMPI_MCA_orte_base_help_aggregate": "0", "OMPI_PREFIX": "/opt/o",
        "HYDRA_LAUNCHER": "ssh", "HYDRA_IFACE": "eth1", "HYDRA_HOST_FILE": "hosts",
        "HYDRA_BOOTSTRAP": "slurm", "HYDRA_TOPOLIB": "hwloc", "HYDRA_ENV": "all",
        "OMPI_MCA_btl_tcp_if_include": "eth1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMP_PLACES": "cores",
        "MPICH_MAX_THREAD_SAFETY": "multiple", "LOADEDMODULES": "openmpi/4"}
INSIDE = {**RANK, **JOB, **KEPT}
SCRIPT = "#!/bin/bash\n#SBATCH --nodes=2\n#SBATCH --partition=slow\n"


def poison(patch: pytest.MonkeyPatch) -> None:
    for name, value in INSIDE.items():
        patch.setenv(name, value)


def inherited(folder: Path, call: str) -> dict[str, str]:
    """What a made-up command saw of INSIDE when it was called last."""
    text = (folder / f"{call}.env").read_text()
    found: dict[str, str] = json.loads(text) if text.startswith("{") else dict(
        line.split("=", 1) for line in text.split("\0")[:-1])
    return {name: value for name, value in found.items() if name in INSIDE}


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in KEPT.items() if name not in names}


def test_what_is_left_of_an_allocation() -> None:
    assert outside_of_jobs(INSIDE) == KEPT
    assert without_rank(INSIDE) == {**JOB, **KEPT}
    # A variable of sbatch would outrank what the script says.
    assert outside_of_jobs(INSIDE, SCRIPT) == without("SBATCH_PARTITION")
    more = SCRIPT + '#SBATCH "--account=a b"\n#SBATCH -q low\n#SBATCH --export=NONE\n'
    assert outside_of_jobs(INSIDE, more) == without("SBATCH_PARTITION", "SBATCH_ACCOUNT",
                                                    "SBATCH_QOS", "SBATCH_EXPORT")
    for said, name in (("-pfast", "SBATCH_PARTITION"), ("--acc=b", "SBATCH_ACCOUNT"),
                       ("--part fast", "SBATCH_PARTITION"), ("-Ab --nodes=2", "SBATCH_ACCOUNT"),
                       ("--nodes=2 -qlow", "SBATCH_QOS"), ('"--wckey=x"', "SBATCH_WCKEY"),
                       ("-N2 --exp=NIL", "SBATCH_EXPORT"), ("--qos low", "SBATCH_QOS")):
        assert outside_of_jobs(INSIDE, f"#!/bin/sh\n#SBATCH {said}\n") == without(name)
    # Neither of these says one of the options, nor does a comment or a value.
    for said in ("--nodes=2", "--exclusive", "-N 2", "--part-of=1", "--comment=-pfast",
                 "--nodes=2 # -pfast"):
        assert outside_of_jobs(INSIDE, f"#!/bin/sh\n#SBATCH {said}\n") == KEPT
    outside = {"CUDA_VISIBLE_DEVICES": "1"}  # which somebody set, and no job did
    assert outside_of_jobs(outside) == outside


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_leaves_out_the_same(tmp_path: Path, shell: str) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho \"$*\" >args\nenv -0 >environment\nexit 3\n")
    sbatch.chmod(0o755)
    for environment in (INSIDE, {**KEPT, "CUDA_VISIBLE_DEVICES": "1", "SOME": "a\nSLURM_CONF=b"}):
        done = subprocess.run(
            [shell, "-e", "-c", shell_function(SCRIPT) + "submit_script 'a b.sh'"], cwd=tmp_path,
            env={**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False)
        assert done.returncode == 3
        assert (tmp_path / "args").read_text() == "--parsable a b.sh\n"
        lines = (tmp_path / "environment").read_text().split("\0")[:-1]
        seen = dict(line.split("=", 1) for line in lines)
        for own in ("PATH", "PWD", "OLDPWD", "SHLVL", "_"):
            seen.pop(own, None)
        assert seen == outside_of_jobs(environment, SCRIPT)


def test_jobs_of_experiments(experiments: Experiments) -> None:
    poison(experiments.monkeypatch)
    experiments.run(0, *QUICK, "--wait", "--partition", "slow")
    for call in ("sbatch --test-only", "sbatch --parsable"):
        assert inherited(experiments.bin, call) == without("SBATCH_PARTITION")
    assert inherited(experiments.bin, "squeue --noheader") == KEPT
    # A step has what its job has.
    assert inherited(experiments.bin, "srun --mpi=pmix") == without("SBATCH_PARTITION")


def test_jobs_of_a_sweep(cluster: Bench) -> None:
    poison(cluster.monkeypatch)
    cluster.run(0, *NODES[:2], *NODES[4:], "--slurm")
    folder = cluster.bin.parent / "launchers"
    assert cluster.calls() == STEPS
    for call in ("sbatch", "squeue", "sinfo", "srun"):
        assert inherited(folder, call) == {**KEPT, **(
            {"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "1"} if call == "srun" else {})}


def test_steps_in_an_allocation_have_the_variables_of_its_job(cluster: Bench) -> None:
    poison(cluster.monkeypatch)
    cluster.run(0, *NODES)
    assert launches(cluster)[-1][0] == "srun"
    assert inherited(cluster.bin.parent / "launchers", "srun") == {**JOB, **KEPT}


def test_a_rank_sweeps_alone(bench: Bench) -> None:
    """The program would take itself for one rank of several."""
    poison(bench.monkeypatch)
    bench.run(0, *OPTIONS, "--mode", "strong")
    assert bench.calls() == ["strong-full-float64"]
