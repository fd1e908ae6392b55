# SPDX-License-Identifier: Apache-2.0
"""The program under a launcher, on one machine: what MPI's own processes add to the tests with
threads as ranks (tests/bench/ranks/cluster_test.cpp)."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Callable, Optional

PROGRAM, LAUNCHER, RANKS = sys.argv[1], sys.argv[2], int(sys.argv[3])
LIMIT_S = 240  # of what hangs; a machine may be busy
WORK = ["--size", "60x70", "--mem", "42000", "--fill", "integers", "--iterations", "3"]
# Open MPI's (PRTE_... is of its version 5), which other launchers do not read.
ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1", "LSAN_OPTIONS": "detect_leaks=0"}


def takes_several_programs() -> bool:
    """The mpirun of Open MPI 5.0.7, Debian 13's, ends itself with SIGSEGV on `A : B`."""
    tried = subprocess.run([LAUNCHER, "-n", "1", "true", ":", "-n", "1", "true"], env=ENVIRONMENT,
                           capture_output=True, timeout=LIMIT_S, check=False)
    if tried.returncode == -signal.SIGSEGV:
        print("skipped: ranks with other options: this mpirun crashes on several programs",
              flush=True)
        return False
    return True


needs_several_programs = unittest.skipUnless(takes_several_programs(), "this mpirun crashes")


def launch(args: list[str], ranks: int = RANKS) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([LAUNCHER, "-n", str(ranks), PROGRAM, *args], env=ENVIRONMENT,
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)


def run_alone(args: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([PROGRAM, *args], env={**os.environ, **variables}, capture_output=True,
                          text=True, timeout=LIMIT_S, check=False)


def our_lines(text: str) -> list[str]:
    """What the program said, without what the launcher did."""
    return [line for line in text.splitlines() if line.startswith("convscale: ")
            and not line.startswith("convscale: warning")]


def record_of(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text())["records"][0]
    return record


class ProgramOnRanks(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.json = Path(self.folder.name) / "run.json"

    def test_results_are_those_of_one_process(self) -> None:
        self.assertEqual(run_alone([*WORK, "--json", str(self.json)]).returncode, 0)
        alone = record_of(self.json)
        for distribute in ("scatter", "local"):
            for method in ("full", "strided"):
                done = launch([*WORK, "--distribute", distribute, "--method", method,
                               "--json", str(self.json)])
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.count("Number of workers: 4\n"), 1)
                record = record_of(self.json)
                self.assertEqual(record["digest"], alone["digest"])
                self.assertEqual(record["verification"], alone["verification"])
                self.assertEqual((record["ranks"], record["distribute"]), (RANKS, distribute))
                self.assertEqual([rank["num_workers"] for rank in record["per_rank"]],
                                 [4 // RANKS + (rank < 4 % RANKS) for rank in range(RANKS)])

    def test_local_ranks_divide_the_processors(self) -> None:
        cores = len(os.sched_getaffinity(0))
        self.assertEqual(launch([*WORK, "-w", str(RANKS), "--json", str(self.json)]).returncode, 0)
        cpus = [cpu for rank in record_of(self.json)["per_rank"] for cpu in rank["cpus"]]
        self.assertEqual(len(set(cpus)), min(cores, RANKS))

    def test_an_error_is_one_line_and_one_code(self) -> None:
        for args, code, part in (
                (["--mem", "5"], 2, "--mem 5: holds no image"),
                (["--json", "/nowhere/x.json"], 5, "cannot write /nowhere/x.json")):
            done = launch([*WORK, *args] if args[0] != "--mem" else args)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(len(our_lines(done.stderr)), 1, done.stderr)
            self.assertIn(part, done.stderr)

    @needs_several_programs
    def test_other_options_on_a_rank(self) -> None:
        done = subprocess.run([LAUNCHER, "-n", "1", PROGRAM, *WORK, ":", "-n", str(RANKS - 1),
                               PROGRAM, *WORK, "--stride", "3"], env=ENVIRONMENT,
                              capture_output=True, text=True, timeout=LIMIT_S, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(our_lines(done.stderr)), 1, done.stderr)
        self.assertIn("--stride 3", done.stderr)

    @needs_several_programs
    def test_other_input_files_on_a_rank(self) -> None:
        folders = []
        for seed, mem in (("1", "42000"), ("2", "42000"), ("1", "21000")):
            folders.append(Path(self.folder.name) / f"seed{seed}mem{mem}")
            done = run_alone([*WORK[:2], "--mem", mem, "--seed", seed, "--save", str(folders[-1])])
            self.assertEqual(done.returncode, 0, done.stderr)
        given = [PROGRAM, "--images", "images.npy", "--iterations", "1", "--distribute", "local"]
        for other, code in ((folders[0], 0), (folders[1], 2), (folders[2], 2)):
            done = subprocess.run([LAUNCHER, "-n", "1", "-wdir", str(folders[0]), *given, ":",
                                   "-n", str(RANKS - 1), "-wdir", str(other), *given],
                                  env=ENVIRONMENT, capture_output=True, text=True, timeout=LIMIT_S,
                                  check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(len(our_lines(done.stderr)), 0 if code == 0 else 1, done.stderr)
            if code != 0:
                self.assertIn("rank 1 on ", done.stderr)
                self.assertIn("images.npy of ", done.stderr)

    def wait_for_ranks(self, launcher: "subprocess.Popen[str]") -> list[int]:
        """The processes of the program, once all of them are past the start of MPI: rank 0 opens
        its file when they have agreed on the options. A rank that dies before may leave mpirun
        waiting."""
        def ranks() -> list[int]:
            return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                    if is_descendant(pid, launcher.pid) and command_of(pid) == PROGRAM]

        self.wait_until(lambda: bool(list(Path(self.folder.name).glob("*.partial-*"))))
        self.wait_until(lambda: len(ranks()) == RANKS)
        return sorted(ranks())

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not is_so():
            self.assertLess(time.monotonic(), deadline, "the ranks did not start")
            time.sleep(0.05)

    def start_long_run(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [LAUNCHER, "-n", str(RANKS), PROGRAM, *WORK, "--min-time", "1000",
             "--json", str(self.json)], env=ENVIRONMENT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(end, process)
        return process

    def test_a_killed_rank_ends_the_run_without_results(self) -> None:
        process = self.start_long_run()
        os.kill(self.wait_for_ranks(process)[-1], signal.SIGKILL)
        process.communicate(timeout=LIMIT_S)
        self.assertNotEqual(process.returncode, 0)
        self.assertEqual(list(Path(self.folder.name).glob("*.json")), [])

    def test_an_interrupt_of_one_rank_ends_all_with_what_they_have(self) -> None:
        # How soon iterations are measured depends on the machine.
        for wait_s in (0.5, 4, 32):
            process = self.start_long_run()
            victim = self.wait_for_ranks(process)[-1]
            time.sleep(wait_s)
            os.kill(victim, signal.SIGTERM)
            process.communicate(timeout=LIMIT_S)
            self.assertEqual(process.returncode, 130)
            document = json.loads(self.json.read_text())
            self.assertTrue(document["interrupted"])
            self.assertEqual(document["records"][0]["status"], "interrupted")
            if document["records"][0]["times_s"]:
                return
        self.fail("nothing was measured")

    def test_copies_of_rank_zero_are_refused_once(self) -> None:
        for task in ("0", "1"):
            done = run_alone(WORK, SLURM_STEP_NUM_TASKS="2", SLURM_PROCID=task)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(len(our_lines(done.stderr)), 1 if task == "0" else 0)
            self.assertEqual(done.stdout, "")


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


def parent_of(pid: int) -> Optional[int]:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return None


def is_descendant(pid: int, ancestor: int) -> bool:
    parent: Optional[int] = pid
    while parent is not None and parent > 1:
        if parent == ancestor:
            return True
        parent = parent_of(parent)
    return False


def end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
