# SPDX-License-Identifier: Apache-2.0
"""Lets requests for memory fail, one a run, or all from one on, and looks how the program takes it:
it ends with 5 and a line, or copes; and nothing that was measured is lost without a word.
"""
from __future__ import annotations

import random
import re
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Iterator, Sequence

from harness import (HANGS_AFTER_S, Campaign, Ended, Place, document_of, faults_of, parser_of, run,
                     skip)
from shim import Log, Shim, Unusable

_SMALL = ["--size", "16", "--mem", "512", "--iterations", "2", "--burns", "1", "--num_workers", "2"]
_FILES = ["--json", "run.json", "--csv", "run.csv", "--md", "run.md"]
_HWLOC_HANGS_AFTER_S = 5.0
KINDS: dict[str, list[str]] = {
    "plain": [*_SMALL, *_FILES],
    "list": [*_SMALL, "--method", "full,strided", "--json", "run.json"],
    "interleave": [*_SMALL, "--kernel", "auto,scalar", "--interleave", "--json", "-"],
    "save": [*_SMALL, "--save", "arrays", "--json", "run.json"],
    "load": ["--images", "../in/images.npy", "--filters", "../in/filters.npy", "--json",
             "run.json"],
    "listing": ["--list"],
    "help": ["--help"],
    "refused": [*_SMALL, "--kernel", "no such"],
}
# A figure of a measurement, whichever way it is said; or that there is none.
_FIGURE = re.compile(r"Average time: |FOM: |[0-9] ?(s|ms|us|ns|images/s)\b|\blost\b")


def _is_kept(ended: Ended, folder: Path) -> bool:
    """Whether a measurement can be found anywhere, or is said to be lost."""
    said = (ended.out + ended.err).decode(errors="replace")
    return bool(_FIGURE.search(said)) or any(
        isinstance(document := document_of(path), dict)
        and any(record["times_s"] for record in document["records"])
        for path in folder.glob("run.json"))


# Said by the dynamic loader or libgcc, beside what the program says.
_OF_LIBRARIES = (b"Unexpected error.",)


def _without_libraries(ended: Ended) -> Ended:
    kept = [line for line in ended.err.splitlines(keepends=True)
            if line.strip() not in _OF_LIBRARIES]
    return replace(ended, err=b"".join(kept))


def judge(kind: str, ended: Ended, log: Log, folder: Path) -> Iterator[str]:
    """What is wrong with a run of which some requests for memory failed."""
    codes = (2, 5) if kind == "refused" else (0, 5)
    with_text = "-" in KINDS[kind]
    yield from faults_of(ended, folder, codes, with_text)
    if ended.hung or ended.code not in codes:
        return
    said = [line for line in ended.errors if line.startswith("convscale: ")]
    if ended.code != 0 and len(said) != 1:
        yield f"exit code {ended.code} with {len(said)} lines"
    if ended.code == 0 and kind == "help" and b"--num_workers" not in ended.out:
        yield "exit code 0 without the help"
    if ended.code == 0 and kind == "listing" and b"kernel" not in ended.out:
        yield "exit code 0 without the listing"
    if kind in ("help", "listing", "refused"):
        return
    if with_text and ended.out:
        (folder / "run.json").write_bytes(ended.out)
    if ended.code == 0 or (folder / "run.json").exists():
        document = document_of(folder / "run.json")
        if isinstance(document, str):
            yield f"exit code {ended.code}, and {document}"
        elif ended.code == 0 and any(one["status"] != "ok" for one in document["records"]):
            yield "exit code 0, and a record that is not ok"
    if ended.code == 5 and log.released_before and not _is_kept(ended, folder):
        yield "what was measured is lost without a word"


def _pick(kinds: Sequence[str], counts: dict[str, int], count: int,
          rng: random.Random) -> list[tuple[str, int, int]]:
    """(kind, request, whether all after it fail, too): `count` of each kind, or all if 0."""
    picked = []
    for kind in kinds:
        for all_after in (0, 1):
            numbers = range(1, counts[kind] + 1)
            chosen = sorted(rng.sample(numbers, min(count, len(numbers)))) if count else numbers
            picked += [(kind, number, all_after) for number in chosen]
    return picked


def _is_in_hwloc(log: Log) -> bool:
    return any("hwloc" in frame for frame in log.failed_in[:12])


def _run(program: Path, kind: str, folder: Path, shim: Shim, number: int, all_after: int,
         stacks: dict[str, int]) -> tuple[Ended, Log]:
    """Where no memory comes any more, hwloc goes on for ever: it is not waited for that long."""
    limits = (_HWLOC_HANGS_AFTER_S, HANGS_AFTER_S) if all_after else (HANGS_AFTER_S,)
    for limit_s in limits:
        shutil.rmtree(folder)
        folder.mkdir()
        ended = run([program, *KINDS[kind]], folder, timeout_s=limit_s,
                    env=shim.environment(ALLOCATION=number, FROM=all_after, **stacks))
        log = shim.log()
        if not ended.hung or (all_after and _is_in_hwloc(log)):
            break
    return ended, log


def main() -> None:
    parser = parser_of(__doc__ or "", count=8)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of runs (default: all of them)")
    parser.add_argument("--number", type=int, help="let only this request fail, in all kinds")
    parser.add_argument("--crashes", type=Path, metavar="FILE",
                        help="write where the program crashed, with call stacks")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    program, rng = options.program.resolve(), random.Random(options.seed)
    campaign = Campaign("allocations", options.seed)
    crashes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    hung_in_hwloc = 0
    stacks = {} if options.crashes is None else {"CRASHES": 1}
    with Place() as place:
        try:
            shim = Shim(program, place.beside)
        except Unusable as reason:
            skip(str(reason))
        run([program, *_SMALL, "--save", "in"], place.beside)
        counts = {}
        for kind in kinds:
            run([program, *KINDS[kind]], place.empty(), env=shim.environment(ALLOCATION=0))
            counts[kind] = shim.log().count
        print("requests for memory:", ", ".join(f"{kind} {n}" for kind, n in counts.items()))
        picked = _pick(kinds, counts, options.count, rng)
        if options.number is not None:
            picked = [(kind, options.number, all_after) for kind in kinds for all_after in (0, 1)]
        for kind, number, all_after in picked:
            folder = place.empty()
            ended, log = _run(program, kind, folder, shim, number, all_after, stacks)
            if ended.hung and all_after and _is_in_hwloc(log):
                hung_in_hwloc += 1
                continue
            faults = list(judge(kind, _without_libraries(ended), log, folder))
            how = f"--kinds {kind} --number {number}" + (" and all after it" if all_after else "")
            where = " < ".join(shim.names_of(log.failed_in)[:8]) if faults else ""
            campaign.add(ended, faults, f"{how}\n      {log.failed} failed in {where}")
            if ended.code < 0 or ended.hung:
                crashes[(f"{log.failed} failed in", *log.failed_in, "crashed in", *log.crashed_in)
                        ].append(how)
        if hung_in_hwloc:
            print("not judged, as hwloc goes on for ever where all memory is gone:", hung_in_hwloc)
        if options.crashes is not None:
            _write_crashes(options.crashes, crashes, shim)
    campaign.finish()


def _write_crashes(path: Path, crashes: dict[tuple[str, ...], list[str]], shim: Shim) -> None:
    """By call stack, the most frequent first."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for stack, hows in crashes.items():
        blocks["\n".join(f"    {name}" for name in shim.names_of(stack))] += hows
    path.write_text("".join(
        f"{len(hows)} times: {'; '.join(hows[:8])}\n{stack}\n\n"
        for stack, hows in sorted(blocks.items(), key=lambda block: -len(block[1]))))


if __name__ == "__main__":
    main()
