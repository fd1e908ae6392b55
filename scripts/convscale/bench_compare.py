# SPDX-License-Identifier: Apache-2.0
"""Runs two programs in turns over a list of workloads, and judges each as compare.py does."""
from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional, Sequence

from convscale import cli, compare_report, results
from convscale.bench_workloads import ALL, QUICK, Workload, name_of
from convscale.cli import Error, UnsupportedError, UsageError
from convscale.compare_judge import Result, Rules, Verdict, compare
from convscale.host import processors
from convscale.results import Document
from convscale.statistics import samples_needed

SLOWER_CODE = 1
SIDES = ("before", "after")
_ALPHA = 0.01
_WIDTH = 79
# The workload's name says these.
_NAMED = ("method", "dtype", "size", "images", "filter_size", "stride")
_UNSHOWN = ("p", "delta")  # the verdict says what follows from them


@dataclass(frozen=True)
class Plan:
    programs: tuple[Path, Path]
    workloads: list[Workload]
    extra: list[str]  # the user's, for both programs
    rounds: Optional[int]  # None: as many as the records need
    threshold: float
    folder: Path  # of the rounds' results


def main(args: Sequence[str]) -> int:
    own, extra = list(args), []
    if "--" in own:
        own, extra = own[:own.index("--")], own[own.index("--") + 1:]
    options = _parser().parse_intermixed_args(own)
    workloads = _chosen(options)
    rounds = None if options.rounds is None else cli.parse_count("--rounds", options.rounds, 1)
    threshold = cli.parse_percent("--threshold", options.threshold)
    _refuse_too_few(rounds, len(workloads))
    _refuse_ours(extra)
    if options.list:
        print("".join(f"{one.name}\n" for one in workloads), end="")
        return cli.OK
    plan = Plan(_programs(options.programs), workloads, extra, rounds, threshold,
                Path(options.results))
    cli.interrupt_on_termination()
    sides = _run_rounds(plan)
    return _judge(plan, sides)


# --- The command line


def _parser() -> cli.Parser:
    parser = cli.Parser(
        "bench_compare.py",
        "Runs two programs in turns, several rounds of a list of workloads, and says of each "
        "whether the second is faster, slower or the same, as compare.py does with whole runs. "
        "What follows -- goes to both programs. Exit codes: 0 if nothing is slower; 1 if something "
        "is, or no longer runs; 2 for a bad option; 3 for a program that is missing, or that "
        "cannot run this here; 5 if it could not finish.",
        "scripts/bench_compare.py --only full old/convscale new/convscale -- --num_workers 2")
    add = parser.add_argument
    add("programs", nargs="*", metavar="PROGRAM", help="the one before and the one after")
    add("--quick", action="store_true", help=f"{len(QUICK)} workloads instead of {len(ALL)}")
    add("--only", metavar="REGEX", help="the workloads whose name this is found in, such as full, "
        "f32 or k(7|9)-")
    add("--rounds", metavar="N", help="runs of each workload and program (default: as many as it "
        f"takes to call one of so many faster or slower at alpha {_ALPHA:g})")
    add("--threshold", default="2%", metavar="PERCENT",
        help="a smaller change is called the same (default: 2%%)")
    add("--results", default="bench_compare", metavar="DIR",
        help="where the rounds' results files go (default: bench_compare)")
    add("--list", action="store_true", help="print the names of the workloads and end")
    return parser


def _chosen(options: argparse.Namespace) -> list[Workload]:
    workloads = QUICK if options.quick else ALL
    if options.only is None:
        return workloads
    try:
        pattern = re.compile(options.only)
    except re.error as error:
        raise UsageError(f"--only {options.only}: is no regular expression ({error})") from error
    chosen = [one for one in workloads if pattern.search(one.name)]
    if not chosen:
        raise UsageError(f"--only {options.only}: no workload has that in its name; --list lists "
                         f"them, such as {workloads[0].name}")
    return chosen


def _programs(names: Sequence[str]) -> tuple[Path, Path]:
    if len(names) != 2:
        raise UsageError(f"expected two programs, before and after, got {len(names)}")
    for name in names:
        if not os.path.isfile(name) or not os.access(name, os.X_OK):
            raise UnsupportedError(f"{name}: is no program; give a convscale that is built")
    return Path(names[0]).resolve(), Path(names[1]).resolve()


def _refuse_ours(extra: Sequence[str]) -> None:
    for option in (*ALL[0].options, "--json"):
        if option != "--mem" and _has(extra, option):
            raise UsageError(f"{option} behind --: each workload sets it; choose among them with "
                             "--only")


def _has(extra: Sequence[str], *options: str) -> bool:
    return any(argument.split("=")[0] in options for argument in extra)


def _needed(records: int) -> int:
    """Rounds in which one of so many records may be told from unchanged at all."""
    return samples_needed(_ALPHA / records)


def _refuse_too_few(rounds: Optional[int], records: int) -> None:
    if rounds is not None and rounds < _needed(records):
        of = f"one of {records} records" if records > 1 else "a record"
        raise UsageError(f"--rounds {rounds}: no times could call {of} faster or slower; "
                         f"{_needed(records)} rounds can")


# --- The rounds


def _run_rounds(plan: Plan) -> list[list[Document]]:
    """The results of both sides, a document for each round; they are files, too."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    for side in SIDES:
        for stale in plan.folder.glob(f"{side}-[0-9]*.json"):
            stale.unlink()
    sides: list[list[Document]] = [[], []]
    rounds, number = plan.rounds, 0
    while rounds is None or number < rounds:
        number += 1
        start = time.monotonic()
        for documents, side, raw in zip(sides, SIDES, _run_round(plan, number)):
            path = plan.folder / f"{side}-{number:02}.json"
            cli.write_text(path, json.dumps(raw, indent=2) + "\n")
            documents.append(results.load(path))
        records = max(len(documents[0].records) for documents in sides)
        _refuse_too_few(rounds, records)  # a list behind -- makes more of them
        rounds = rounds or _needed(records)
        print(f"bench_compare.py: round {number} of {rounds} took "
              f"{time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return sides


def _run_round(plan: Plan, number: int) -> list[dict[str, Any]]:
    """A results file of each side. The programs take turns with each workload, and in who is first,
    so that a machine that drifts bends neither."""
    found: list[list[Document]] = [[], []]
    for index, workload in enumerate(plan.workloads):
        for side in ((0, 1), (1, 0))[(number + index) % 2]:
            found[side].append(_run(plan, side, workload))
    return [_merged([document.raw for document in documents], [str(program), *plan.extra])
            for documents, program in zip(found, plan.programs)]


def _run(plan: Plan, side: int, workload: Workload) -> Document:
    options = {} if _has(plan.extra, "--num_workers", "--num-workers") or any(
        argument.startswith("-w") for argument in plan.extra) else {
            "--num_workers": str(processors())}
    options.update(workload.options)
    if _has(plan.extra, "--mem"):
        del options["--mem"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        command = [str(plan.programs[side]), *(word for pair in options.items() for word in pair),
                   *plan.extra, "--json", str(path)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        # Wrong results are the comparison's to judge.
        if done.returncode not in (cli.OK, cli.VERIFICATION):
            raise _ended(f"{SIDES[side]}, {workload.name}", done)
        return results.load(path)


def _ended(what: str, done: subprocess.CompletedProcess[str]) -> BaseException:
    if done.returncode == cli.INTERRUPTED:
        return KeyboardInterrupt()
    how = (f"exit code {done.returncode}" if done.returncode > 0 else
           f"signal {-done.returncode}")
    said = [line for line in done.stderr.splitlines() if line.strip()]
    error = Error(f"{what}: the program ended with {how}{f': {said[-1]}' if said else ''}")
    if done.returncode in (cli.USAGE, cli.UNSUPPORTED):
        error.code = done.returncode
    return error


def _merged(raws: Sequence[dict[str, Any]], argv: list[str]) -> dict[str, Any]:
    """One results file of the runs of a round."""
    return {**raws[0], "program": {**raws[0]["program"], "argv": argv},
            "wall_s": sum(raw["wall_s"] for raw in raws),
            "records": [record for raw in raws for record in raw["records"]]}


# --- The verdicts


def _judge(plan: Plan, sides: Sequence[list[Document]]) -> int:
    rules = Rules(by_runs=True, alpha=_ALPHA, threshold=plan.threshold, fail_slower=None)
    # What `auto` takes may have a new name; which kernel it is, is not what is asked.
    ignored = [] if _has(plan.extra, "--kernel") else ["kernel"]
    result = compare(sides[0], sides[1], rules, ignored)
    report = _narrow(compare_report.arrange(result), result)
    print(compare_report.as_text(report, compare_report.in_colour(sys.stdout), _WIDTH), end="")
    print(f"The rounds' results: {plan.folder}")
    for warning in result.warnings:
        print(f"bench_compare.py: warning: {warning}", file=sys.stderr)
    worse = result.count(Verdict.SLOWER) + result.count(Verdict.LOST)
    return SLOWER_CODE if worse else cli.OK


def _narrow(report: compare_report.Report, result: Result) -> compare_report.Report:
    """With the workload's name in place of the columns that it says, a kernel that all rows have
    above them, and one line for all runs of a side."""
    names = [name_of(c.pair.any) for c in compare_report.in_table(result)]
    kernels = list(dict.fromkeys(c.pair.fields["kernel"] for c in compare_report.in_table(result)))
    dropped = (*_NAMED, *_UNSHOWN, *(["kernel"] if len(kernels) == 1 else []))
    kept = [column for column, label in enumerate(report.header) if label not in dropped]
    header, *rows = [[row[column] for column in kept] for row in (report.header, *report.rows)]
    return replace(
        report, files=[(side, _described(documents)) for side, documents in
                       zip(SIDES, (result.before, result.after))],
        common=report.common + (f", kernel {kernels[0]}" if len(kernels) == 1 else ""),
        header=[header[0], "workload", *header[1:]],
        rows=[[row[0], name, *row[1:]] for row, name in zip(rows, names)],
        left=1 + sum(column < report.left for column in kept),
        notes=[note.removesuffix("; delta is Cliff's") for note in report.notes])


def _described(documents: Sequence[Document]) -> str:
    program = documents[0].raw["program"]
    git = f", git {program['git']}" if program["git"] else ""
    return f"{program['name']} {program['version']}{git}, {len(documents)} runs"
