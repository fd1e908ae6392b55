# SPDX-License-Identifier: Apache-2.0
"""Outputs that cannot be written: no room, a quota, a limit, a closed or full descriptor; and a
limit of processor time. What can be written is whole, what cannot is named, nothing is left over.
"""
from __future__ import annotations

import ast
import errno
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, Optional

from harness import (HANGS_AFTER_S, Campaign, Ended, Limit, Place, default_signals, document_of,
                     faults_of, handles, is_sanitized, parser_of, run)
from shim import Shim, Unusable

from convscale.slurm.environment import without_rank

_RUN = ["--size", "16", "--mem", "1k", "--iterations", "3", "--burns", "0", "-w", "2", "--json",
        "run.json", "--csv", "run.csv", "--md", "run.md", "--save", "arrays"]
_ARRAYS = ("images.npy", "filters.npy", "results.npy")


def fault_of_output(path: Path) -> Optional[str]:
    """What is wrong with a file that the program gave its name."""
    data = path.read_bytes()
    if path.suffix == ".json":
        document = document_of(path)
        return document if isinstance(document, str) else None
    if path.suffix == ".npy":
        start = 10 + int.from_bytes(data[8:10], "little")
        header = ast.literal_eval(data[10:start].decode()) if len(data) >= start > 10 else None
        if header is None:
            return "it has no header"
        promised = math.prod(header["shape"]) * int(header["descr"][-1])
        return None if len(data) - start == promised else "it has not what its header promises"
    # A head and one row; of Markdown with a rule between them.
    rows = 2 if path.suffix == ".csv" else 3
    return None if data.endswith(b"\n") and data.count(b"\n") >= rows else "it is cut"


def outputs_of(folder: Path) -> list[Path]:
    return [folder / "run.json", folder / "run.csv", folder / "run.md",
            *(folder / "arrays" / name for name in _ARRAYS)]


def judge(ended: Ended, folder: Path) -> Iterator[str]:
    """What is wrong with a run of which some outputs may have failed."""
    yield from faults_of(ended, folder, (0, 5))
    if ended.code not in (0, 5):
        return
    missing = [path for path in outputs_of(folder) if not path.exists()]
    for path in outputs_of(folder):
        fault = fault_of_output(path) if path.exists() else None
        if fault is not None:
            yield f"{path.name} is there, and bad: {fault}"
    said = " ".join(ended.errors)
    for path in missing:
        if path.name not in said and not (path.parent.name == "arrays" and "arrays" in said):
            yield f"{path.name} is missing, and not named"
    if missing and ended.code == 0:
        yield "exit code 0, and files are missing"
    if b"FOM: " not in ended.out and "standard output" not in said:
        yield "the text is lost without a word"


class Tries:
    """Runs the program in one trouble after the other."""

    def __init__(self, program: Path, place: Place, campaign: Campaign) -> None:
        self._program, self._place, self._campaign = program, place, campaign

    def run(self, how: str, *, env: Optional[dict[str, str]] = None,
            limits: Optional[dict[int, Limit]] = None, fails: bool = True,
            judged: Callable[[Ended, Path], Iterator[str]] = judge, shell: str = "",
            arguments: Optional[list[str]] = None) -> None:
        """`shell` is what a shell does with "$@", the program's command. `fails`: it must end with
        5, else the trouble did not come."""
        folder = self._place.empty()
        command = [str(self._program), *(_RUN if arguments is None else arguments)]
        if shell:
            command = ["bash", "-c", shell, "bash", *command]
        ended = run(command, folder, env=env, limits=limits or {})
        faults = list(judged(ended, folder))
        if fails and ended.code == 0:
            faults.append("exit code 0 in spite of the trouble")
        self._campaign.add(ended, faults, how)


def small_limits(tries: Tries, rng: random.Random, count: int) -> None:
    for size in (0, 3500, *(rng.randrange(1, 6000) for _ in range(count))):
        tries.run(f"ulimit -f: {size} bytes", limits={resource.RLIMIT_FSIZE: size})

    def whole_text(ended: Ended, folder: Path) -> Iterator[str]:
        yield from faults_of(ended, folder, (5,))
        if not any("standard output" in line for line in ended.errors):
            yield "the text is cut without a word"
    tries.run("ulimit -f: 300 bytes of text", limits={resource.RLIMIT_FSIZE: 300},
              shell='exec "$@" >text', judged=whole_text, arguments=_RUN[:10])


def full_devices(tries: Tries) -> None:
    for name in ("--json", "--csv", "--md"):
        arguments = list(_RUN)
        arguments[arguments.index(name) + 1] = "/dev/full"

        def others(ended: Ended, folder: Path, lost: str = "run." + name[2:]) -> Iterator[str]:
            if "/dev/full" not in " ".join(ended.errors):
                yield "/dev/full is not named"
            (folder / lost).symlink_to("../sound/" + lost)  # stands for the one that is lost
            yield from judge(ended, folder)
        tries.run(f"{name} /dev/full", arguments=arguments, judged=others)
    tries.run("standard output is full", shell='exec "$@" >/dev/full')
    tries.run("standard error is full", shell='exec "$@" 2>/dev/full', fails=False)
    for closed in ("0<&-", "2>&-", "0<&- 2>&-"):
        tries.run(f"closed: {closed}", shell=f'exec "$@" {closed}', fails=False,
                  judged=lambda ended, folder: judge(
                      Ended(ended.code, ended.out, ended.err or b"convscale: closed"), folder))
    for closed in ("1>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"):  # found before the run
        tries.run(f"closed: {closed}", shell=f'exec "$@" {closed}',
                  judged=lambda ended, folder: faults_of(
                      Ended(ended.code, ended.out, ended.err or b"convscale: closed"), folder,
                      (5,)))


def appended(tries: Tries) -> None:
    """What a descriptor leads to is written to, and keeps what it held."""
    def kept(ended: Ended, folder: Path) -> Iterator[str]:
        yield from faults_of(ended, folder, (0,), with_text=True)
        text = (folder / "kept").read_text()
        if not text.startswith("before\n"):
            yield "what the file held is gone"
        (folder / "run.json").write_text(text[text.find("{"):text.rfind("}") + 1])
        fault = fault_of_output(folder / "run.json")
        if fault is not None:
            yield fault
    for target in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        tries.run(f"--json {target} into a file", shell='echo before >kept; exec "$@" >>kept',
                  fails=False, judged=kept,
                  arguments=[target if one == "run.json" else one for one in _RUN[:12]])


def full_disks(tries: Tries, rng: random.Random, count: int) -> None:
    """In a mount namespace of its own, which goes with the run."""
    flags = next((flags for flags in ("-m", "-rm") if subprocess.run(
        ["unshare", flags, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True,
        check=False).returncode == 0), None) if shutil.which("unshare") else None
    if flags is None:
        print("not tried: full disks: nothing can be mounted here")
        return
    for pages in (1, 3, *(rng.randrange(1, 8) for _ in range(count))):
        def copied(ended: Ended, folder: Path) -> Iterator[str]:
            yield from judge(ended, folder / "copy")
        tries.run(f"a disk of {pages} pages", judged=copied, shell=(
            f"mkdir disk copy; exec unshare {flags} bash -c '"
            f"mount -t tmpfs -o size={pages * os.sysconf('SC_PAGESIZE')} none disk && cd disk "
            "|| exit 99;"
            ' "$@"; code=$?; cp -r . ../copy; exit $code\' bash "$@"'))


def quotas(tries: Tries, program: Path, place: Place, rng: random.Random, count: int) -> None:
    try:
        shim = Shim(program, place.beside)
    except Unusable as reason:
        print(f"not tried: quotas: {reason}")
        return
    kinds = (errno.EDQUOT, errno.ENOSPC, errno.EFBIG, errno.EIO)
    for kind, after in ((errno.EDQUOT, 0), (errno.EDQUOT, 5000),
                        *((rng.choice(kinds), rng.randrange(1, 20000)) for _ in range(count))):
        tries.run(f"{errno.errorcode[kind]} after {after} bytes", fails=after < 5000,
                  env=shim.environment(WRITE=kind, WRITTEN=after))


def processor_time(tries: Tries, program: Path) -> None:
    hard_s = 60 if is_sanitized(program) else 3  # it ends the program, without a word

    def interrupted(ended: Ended, folder: Path) -> Iterator[str]:
        yield from faults_of(ended, folder, (130,))
        document = document_of(folder / "run.json") if (folder / "run.json").exists() else "none"
        if isinstance(document, str) or not document["interrupted"]:
            yield "no JSON that says it was interrupted"
    tries.run("ulimit -t", limits={resource.RLIMIT_CPU: (1, hard_s)}, judged=interrupted,
              arguments=["--size", "16", "--mem", "1k", "--min-time", "100", "-w", "2", "--json",
                         "run.json"])


def nobody_reads(program: Path, place: Place, campaign: Campaign) -> None:
    """A FIFO that nobody reads is waited for, until a signal comes."""
    folder = place.empty()
    os.mkfifo(folder / "fifo")
    process = subprocess.Popen([program, *_RUN[:10], "--json", "fifo"], cwd=folder,
                               env=without_rank(os.environ), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=default_signals)
    deadline = time.monotonic() + HANGS_AFTER_S
    while process.poll() is None and not handles(process.pid, signal.SIGINT) and (
            time.monotonic() < deadline):
        time.sleep(0.01)
    time.sleep(0.3)  # until it waits, most likely; it must also end if it does not yet
    hung = False
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=HANGS_AFTER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        hung = True
    ended = Ended(process.returncode, out, err, hung)
    campaign.add(ended, list(faults_of(ended, folder, (5, 130))), "--json FIFO and SIGINT")


def killed_before(tries: Tries) -> None:
    """What a killed run to the same files has left is taken away by the next."""
    def alone(ended: Ended, folder: Path) -> Iterator[str]:
        other = folder / "other.json.partial-abcdef"
        if not other.exists():
            yield "what belongs to another file is gone"
        other.unlink(missing_ok=True)
        yield from judge(ended, folder)
    tries.run("remains of a killed run", fails=False, judged=alone, shell=(
        'touch other.json.partial-abcdef; "$@" --min-time 100 >killed.txt 2>&1 & until '
        "compgen -G 'run.json.partial-*' >killed.txt; do sleep 0.05; done; kill -9 $!; "
        'wait $! 2>killed.txt; rm killed.txt; exec "$@"'))


def main() -> None:
    options = parser_of(__doc__ or "", count=2).parse_args()
    program, rng, count = options.program.resolve(), random.Random(options.seed), options.count
    campaign = Campaign("files", options.seed)
    with Place() as place:
        run([program, *_RUN], place.empty())
        shutil.copytree(place.path, place.beside / "sound")
        tries = Tries(program, place, campaign)
        tries.run("no trouble", fails=False)
        small_limits(tries, rng, count)
        full_devices(tries)
        appended(tries)
        full_disks(tries, rng, count)
        quotas(tries, program, place, rng, count)
        processor_time(tries, program)
        nobody_reads(program, place, campaign)
        killed_before(tries)
    campaign.finish()


if __name__ == "__main__":
    main()
