# SPDX-License-Identifier: Apache-2.0
"""Sends a signal at a random moment of a run, from its exec on: the run ends soon with 130, what it
measured is in the JSON, nothing else is left, and it says so.
"""
from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import subprocess
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

from harness import (HANGS_AFTER_S, Campaign, Ended, Place, default_signals, document_of,
                     faults_of, handles, is_sanitized, parser_of, run)
from shim import Shim, Unusable

from convscale.slurm.environment import without_rank

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
SOON_S = 0.5  # what users are promised
LATE_S = 5.0  # what is a fault, also on a machine that has other work
_LATE_UNDER_SANITIZER_S = 40.0
RANKS = 2
_MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "PRTE_MCA_hwloc_default_binding_policy": "none", "OMPI_MCA_mpi_yield_when_idle": "1"}

_LONG = ["--iterations", "100000", "--burns", "0", "--json", "run.json"]
_SAVE = ["--save", "arrays", "--json", "run.json", "--csv", "run.csv", "--md", "run.md"]
# Each is long in another part of a run: an iteration of minutes (scalar), of little ones, of the
# making of data, of the verification, of many rows.
KINDS: dict[str, list[str]] = {
    "scalar": ["--kernel", "scalar", "--filter-size", "31", "--mem", "8Mi", *_LONG],
    "one image": ["--kernel", "scalar", "--filter-size", "31", "--size", "2000", "--mem", "4M",
                  "-w", "1", *_LONG],
    "split": ["--kernel", "scalar", "--filter-size", "25", "--size", "2000", "--mem", "4M",
              "--schedule", "split", *_LONG],
    "small": ["--size", "100", "--mem", "100k", *_LONG],
    "work time": ["--size", "100", "--mem", "80k", "--work_time", "0.3", *_LONG],
    "rows": ["--size", "100", "--mem", "1M", "--kernel", "scalar,auto", "--method", "full,strided",
             "--json", "run.json", "--min-time", "0.2"],
    "interleaved": ["--size", "100", "--mem", "1M", "--kernel", "scalar,auto,eigen", "--interleave",
                    *_LONG],
    "generation": ["--size", "1000", "--mem", "64Mi", "--iterations", "1", "--json", "run.json"],
    "verification": ["--size", "1000", "--mem", "16Mi", "--filter-size", "31", "--iterations", "1",
                     "--burns", "0", "--stride", "1", "--json", "run.json"],
    "saving": ["--mem", "8Mi", "--iterations", "1", "--burns", "0", *_SAVE],
    "saving many": ["--mem", "48Mi", "--iterations", "1", "--burns", "0", "--no-verify", *_SAVE],
    "precision": ["--size", "200", "--mem", "400k", "--max-noise", "0.0001", "--timeout", "1000",
                  "--json", "-"],
}


@dataclass(frozen=True)
class Shot:
    """One run and the signal in it."""

    kind: str
    ranks: int
    number: signal.Signals
    after_s: float

    def __str__(self) -> str:
        return (f"{self.kind}{f' on {self.ranks} ranks' if self.ranks > 1 else ''}: "
                f"{self.number.name} after {self.after_s:.4f} s")


@dataclass(frozen=True)
class Hit:
    ended: Ended
    took_s: float  # from the signal to the end
    was_handled: Optional[bool]  # when it came; None where the run had ended


def ranks_below(launcher: int, program: Path) -> list[int]:
    """Processes of `program` that stem from `launcher`."""
    parents, programs = {}, []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{name}/stat").read_text()
            command = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        parents[int(name)] = int(stat.rpartition(")")[2].split()[1])
        if command == os.fsencode(program):
            programs.append(int(name))

    def stems(pid: int) -> bool:
        while pid > 1 and pid != launcher:
            pid = parents.get(pid, 0)
        return pid == launcher
    return [pid for pid in programs if stems(pid)]


def fire(shot: Shot, program: Path, mpirun: Optional[str], folder: Path) -> Hit:
    launcher = [mpirun, "-n", str(shot.ranks)] if shot.ranks > 1 and mpirun else []
    command = [*launcher, str(program), *KINDS[shot.kind]]
    process = subprocess.Popen(command, cwd=folder, env={**without_rank(os.environ), **_MPI},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True,
                               preexec_fn=default_signals)
    victims = [process.pid]
    if launcher:
        victims = _wait_for_ranks(process, program, folder, shot.ranks)
    time.sleep(shot.after_s)
    handled = handles(victims[0], shot.number)
    begin = time.monotonic()
    try:
        for victim in victims:  # as mpirun, srun and scancel do
            with suppress(ProcessLookupError):  # a rank that has ended
                os.kill(victim, shot.number)
        if launcher:
            _wait_for_end(process, program)
            took_s = time.monotonic() - begin
        out, err = process.communicate(timeout=HANGS_AFTER_S)
        took_s, hung = took_s if launcher else time.monotonic() - begin, False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        took_s, hung = time.monotonic() - begin, True
    return Hit(Ended(process.returncode, out, err, hung), took_s, handled)


def _wait_for_ranks(process: "subprocess.Popen[bytes]", program: Path, folder: Path,
                    ranks: int) -> list[int]:
    """Ranks that are past the start of MPI, in which mpirun may hang if one goes: the program opens
    its file when all have agreed on the options."""
    deadline = time.monotonic() + HANGS_AFTER_S
    while time.monotonic() < deadline and process.poll() is None:
        there = ranks_below(process.pid, program)
        if len(there) == ranks and list(folder.glob("*.partial-*")):
            return there
        time.sleep(0.01)
    return [process.pid]


def _wait_for_end(process: "subprocess.Popen[bytes]", program: Path) -> None:
    """Of all ranks; mpirun itself takes a second or two more."""
    deadline = time.monotonic() + HANGS_AFTER_S
    while ranks_below(process.pid, program) and time.monotonic() < deadline:
        time.sleep(0.005)


def judge(shot: Shot, hit: Hit, folder: Path, late_s: float) -> Iterator[str]:
    ended = hit.ended
    if ended.code == -shot.number and hit.was_handled is False:
        # It came while the system loaded the program: nothing may be there yet. How soon the
        # program handles signals is looked at in `begin_of`.
        if ended.out or list(folder.iterdir()):
            yield "a signal that is not handled yet finds the run begun"
        return
    own = [line for line in ended.errors if line.startswith("convscale: ")]
    of_launcher = shot.ranks > 1
    yield from faults_of(ended, folder, (0, 130), with_text=of_launcher or shot.kind == "precision")
    if ended.hung:
        return
    if hit.took_s > late_s:
        yield f"it ended more than {late_s} s after the signal"
    if ended.code == 130 and not any("interrupted" in line for line in own):
        yield "it does not say that it was interrupted"
    document = folder / "run.json"
    if shot.kind == "precision" and ended.out:
        document.write_bytes(ended.out)
    if not document.exists():
        if ended.code == 0:
            yield "exit code 0 and no JSON"
        return
    raw = document_of(document)
    if isinstance(raw, str):
        yield raw
        return
    if raw["interrupted"] != (ended.code == 130):
        yield f"exit code {ended.code}, and the JSON says interrupted: {raw['interrupted']}"
    for record in raw["records"]:
        if record["status"] not in ("ok", "interrupted", "skipped"):
            yield f"a record has status {record['status']}"
    arrays = sorted(path.name for path in folder.glob("arrays/*"))
    if arrays not in ([], ["filters.npy", "images.npy", "results.npy"]):
        yield f"--save left {', '.join(arrays)} alone"
    if ended.code == 0 and shot.kind.startswith("saving") and not arrays:
        yield "exit code 0 and no arrays"


def begin_of(program: Path, place: Place, campaign: Campaign) -> None:
    """The first thing that the program does is to handle signals: before it asks for any memory."""
    try:
        shim = Shim(program, place.beside)
    except Unusable as reason:
        print(f"not tried: whether signals are handled from the begin: {reason}")
        return
    run([program, "--version"], place.empty(), env=shim.environment(ALLOCATION=0))
    for number in shim.log().unhandled:
        campaign.complain("the program begins before it handles signals",
                          f"--version: {signal.Signals(number).name}")


def moments(kinds: list[str], count: int, rng: random.Random,
            with_ranks: bool) -> Iterator[Shot]:
    """Half of them early, where a run does something else every millisecond."""
    for index in range(count):
        kind = kinds[index % len(kinds)]
        early = rng.random() < 0.5
        after_s = 10 ** rng.uniform(-3.3, -0.7) if early else rng.uniform(0, 1.5)
        ranks = RANKS if with_ranks and rng.random() < 0.2 and kind != "precision" else 1
        yield Shot(kind, ranks, rng.choice(SIGNALS), after_s)


def main() -> None:
    parser = parser_of(__doc__ or "", count=len(KINDS))
    parser.add_argument("--mpirun", default=shutil.which("mpirun"),
                        help="also runs of two ranks; empty: none (default: the one on the path)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of runs (default: all of them)")
    options = parser.parse_args()
    program = options.program.resolve()
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    with_ranks = bool(options.mpirun) and "without MPI" not in version.stdout
    late_s = _LATE_UNDER_SANITIZER_S if is_sanitized(program) else LATE_S
    campaign, unheard = Campaign("interrupts", options.seed), 0
    took_s: dict[str, list[float]] = defaultdict(list)
    with Place() as place:
        begin_of(program, place, campaign)
        for shot in moments(options.kinds.split(","), options.count, random.Random(options.seed),
                            with_ranks):
            folder = place.empty()
            hit = fire(shot, program, options.mpirun, folder)
            campaign.add(hit.ended, list(judge(shot, hit, folder, late_s)),
                         f"{shot}; it took {hit.took_s:.3f} s")
            if hit.ended.code == 130:
                took_s[shot.kind + (" on ranks" if shot.ranks > 1 else "")].append(hit.took_s)
            unheard += hit.ended.code == -shot.number
    took_s["all"] = [time for times in took_s.values() for time in times]
    for kind, times in took_s.items():
        if times:
            print(f"{kind:25} {len(times):4} interrupted, median {statistics.median(times):.3f} s, "
                  f"worst {max(times):.3f} s, {sum(one > SOON_S for one in times)} over {SOON_S} s")
    print(f"{unheard} signals came while the system loaded the program")
    campaign.finish()


if __name__ == "__main__":
    main()
