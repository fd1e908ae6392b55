# SPDX-License-Identifier: Apache-2.0
"""Environments for what is started from inside a job, and is not to take after that job.

A shell in an allocation, or a rank, has hundreds of variables about it. sbatch hands its
environment to the job, where they stay unless the new job happens to have the same: srun then
takes the foreign memory, binding or layout, and an MPI library believes to be a rank of the old
job. Besides, a variable SBATCH_X of sbatch outranks the option X of a script.
"""
from __future__ import annotations

import re
import shlex
from typing import Mapping

# Regular expressions that Python and `grep -E` read alike; each matches whole names.

# What says that a process is a rank, of which job, and how to find the others: Open MPI's mpirun
# and daemons, PMIx, PMI (MPICH, Intel MPI, srun --mpi=pmi2), MVAPICH. What people set themselves
# (OMPI_MCA_btl, OMPI_ALLOW_RUN_AS_ROOT, HYDRA_*, MPICH_*, UCX_*) is none of it.
_OF_DAEMONS = ("ess|ess_[a-z_]*|(orte|prte)_(hnp_uri|(local_|parent_)?daemon_uri|parent_uri"
               "|ess_[a-z_]*|num_[a-z_]*|jobid|vpid|node_regex|app_num|launch|bound_at_launch"
               "|(top|jobfam)_session_dir|precondition_transports)")
_RANK = ("OMPI_(COMM_WORLD|UNIVERSE|APP_CTX|FILE|FIRST|NUM|COMMAND|ARGV|SOCKET|NODE)[A-Z_]*"
         "|OMPI_MCA_(pmix|initial_wdir|shmem_RUNTIME_QUERY_hint|mpi_oversubscribe)"
         f"|(OMPI|PRTE|PMIX)_MCA_({_OF_DAEMONS})|(ORTE|PRTE|PMIX)_[A-Z0-9_]*"
         "|(HYDI|PMI|PMI2|MV2_COMM_WORLD|PALS)_[A-Za-z0-9_]*|MPI_(LOCALRANKID|LOCALNRANKS)"
         "|SLURM_(PROCID|LOCALID|NODEID|GTIDS|TASK_PID|STEP_[A-Z_]*|STEPID|PMIX_MAPPING_SERV"
         "|PMIXP_[A-Z_]*)")
_SETTING = "(PRTE|PMIX)_(ALLOW_RUN_AS_ROOT[A-Z_]*|PREFIX|ROOT)"  # but these
# What Slurm says of a job, and what its commands take as options.
_JOB = "(SLURM|SLURMD|SBATCH|SALLOC|SRUN|SPANK)_[A-Za-z0-9_]*"
# What its commands that ask take as options: a filter would hide our jobs.
_QUESTION = "(SQUEUE|SINFO|SACCT|SCANCEL)_[A-Za-z0-9_]*"
# But where the cluster is and who is asking, and how srun's PMIx is set up, which no allocation
# sets, and which the jobs of people who set it need.
_SITE = ("SLURM_(CONF|CONF_SERVER|CLUSTERS|JWT)"
         "|SLURM_PMIX_((FENCE|DIRECT_CONN)[A-Z_]*|TIMEOUT|TMPDIR|SAMEARCH)")
# And what people set for sbatch, where no option of the script says it: whom the job is charged
# to, where it may run at all, and what of the environment it gets. No allocation sets these, but
# the others of sbatch (memory, binding, layout) would change what is measured.
_CHARGED = {"SBATCH_ACCOUNT": "account A", "SBATCH_CLUSTERS": "clusters M",
            "SBATCH_EXPORT": "export", "SBATCH_PARTITION": "partition p", "SBATCH_QOS": "qos q",
            "SBATCH_RESERVATION": "reservation", "SBATCH_WCKEY": "wckey"}
# Slurm gives these out with the GPUs of a job, and then to whatever that starts.
_DEVICES = "CUDA_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ROCR_VISIBLE_DEVICES|ZE_AFFINITY_MASK"
_WITH_DEVICES = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE")


def without_rank(environment: Mapping[str, str]) -> dict[str, str]:
    """As for a process that is no rank, though perhaps in a job: what it starts runs alone, or has
    ranks of its own."""
    return _without(environment, _RANK, _SETTING)


def outside_of_jobs(environment: Mapping[str, str], script: str = "") -> dict[str, str]:
    """As on a login node: for sbatch, which is given `script`, and for what asks Slurm."""
    foreign = f"{_RANK}|{_JOB}|{_QUESTION}"
    if any(environment.get(name) for name in _WITH_DEVICES):
        foreign += f"|{_DEVICES}"
    return _without(environment, foreign, _kept(script))


def shell_function(script: str) -> str:
    """A function `submit_script SCRIPT` for a shell, as submit.submit does it. `script` has the
    options of all that it will be given."""
    return f"""\
# Prints the job's number. What an allocation that this runs in would hand to the job is left out.
submit_script() (
  left_out='{_RANK}|{_JOB}|{_QUESTION}'
  if [ -n "{''.join('${' + name + '-}' for name in _WITH_DEVICES)}" ]; then
    left_out="$left_out|{_DEVICES}"
  fi
  kept='{_kept(script)}'
  for name in $(env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p' |
    grep -E "^($left_out)\\$" | grep -Ev "^($kept)\\$"); do
    unset "$name"
  done
  sbatch --parsable "$1"
)
"""


def _kept(script: str) -> str:
    """What sbatch may have: a variable outranks what the script says of the same."""
    words = [word for line in re.findall(r"^#SBATCH(\s.*)", script, re.MULTILINE)
             for word in _words(line)]
    return "|".join([_SETTING, _SITE, *(name for name, options in _CHARGED.items()
                                        if not any(_says(word, *options.split())
                                                   for word in words))])


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a quote that does not end
        return line.split()


def _says(word: str, long: str, letter: str = "") -> bool:
    """Whether it is the option: also abbreviated, or with its value, or behind flags of a letter.
    """
    name = word[2:].partition("=")[0]
    return (word.startswith("--") and name != "" and long.startswith(name)
            or bool(letter) and re.match(f"-[HIOQVWhksv]*{letter}", word) is not None)


def _without(environment: Mapping[str, str], foreign: str, kept: str) -> dict[str, str]:
    return {name: value for name, value in environment.items()
            if not re.fullmatch(foreign, name) or re.fullmatch(kept, name)}
