# SPDX-License-Identifier: Apache-2.0
"""What came back: from the folder, and from what Slurm says of the jobs, to one document."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from convscale.cli import (FAILURE, INTERRUPTED, OK, UNSUPPORTED, USAGE, VERIFICATION, Error)
from convscale.results import SCHEMA_VERSION, Document, Record, load
from convscale.scaling.runs import results_if_whole
from convscale.slurm.folder import Folder
from convscale.slurm.job import printed_by
from convscale.slurm.options import Experiment
from convscale.slurm.plan import PROGRAM, Run, runs_of
from convscale.slurm.submit import State
from convscale.text import last_error, printable

_TIMED_OUT = 124  # of `timeout`


@dataclass(frozen=True)
class Outcome:
    """How a run ended, or that it has not."""

    experiment: Experiment
    run: Run
    document: Optional[Document]
    problem: Optional[str]  # None: all of it was measured
    code: int


def outcomes_of(folder: Folder, states: Optional[Mapping[int, State]]) -> list[Outcome]:
    """In the order of the experiments. `states` is what Slurm says; None: it says nothing."""
    found = []
    for experiment in folder.request.experiments:
        for run in runs_of(folder.request, experiment, None):
            document = results_if_whole(folder.results(run.name))
            problem, code = (_without_results(folder, experiment.name, run, states)
                             if document is None
                             else _with_results(folder, experiment.name, run, document))
            found.append(Outcome(experiment, run, document, problem, code))
    return found


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """As for a list: one that ran is enough for what cannot run here, and none may fail."""
    codes = {outcome.code for outcome in outcomes}
    for code in (INTERRUPTED, VERIFICATION, FAILURE, USAGE):
        if code in codes:
            return code
    return OK if any(record.is_measured for outcome in outcomes if outcome.document
                     for record in outcome.document.records) else UNSUPPORTED


def document_of(outcomes: Sequence[Outcome], jobs: Mapping[str, int]) -> dict[str, Any]:
    """One results file. What describes the program and the host is that of the program's first
    run; `experiments` says it of each, in the order of the records."""
    found = [(outcome, outcome.document) for outcome in outcomes if outcome.document is not None]
    first = next((document for outcome, document in found if outcome.run.tool == PROGRAM),
                 found[0][1] if found else Document({}, "", [])).raw
    raws = [document.raw for _, document in found]
    return {
        "schema_version": SCHEMA_VERSION, "program": first.get("program"),
        "started_at": min((str(raw["started_at"]) for raw in raws if raw.get("started_at")),
                          default=None),
        "wall_s": sum(float(raw.get("wall_s") or 0) for raw in raws),
        "interrupted": any(document.is_interrupted for _, document in found),
        "build": first.get("build"), "host": first.get("host"),
        "devices": first.get("devices") or [], "ranks": first.get("ranks") or 1,
        "hosts": first.get("hosts"),
        "records": [record.raw for _, document in found for record in document.records],
        "break_even": [],
        "experiments": [{"name": outcome.run.name, "nodes": outcome.experiment.nodes,
                         "job": jobs.get(outcome.experiment.name),
                         **{name: document.raw.get(name) for name in
                            ("program", "started_at", "host", "ranks", "hosts")},
                         "records": len(document.records)} for outcome, document in found]}


def _said(folder: Folder, name: str, run: Run) -> str:
    """What the run said last of its own, or else where that may be found."""
    path = folder.output(name)
    if not path.is_file():
        return ""
    output = path.read_text(encoding="utf-8", errors="replace")
    line = last_error(printed_by(output, run.results), run.tool)
    return f": {line}" if line else f"; see {path.name} in {printable(str(folder.runs))}"


def _without_results(folder: Folder, name: str, run: Run,
                     states: Optional[Mapping[int, State]]) -> tuple[Optional[str], int]:
    number = folder.jobs.get(name)
    if number is None:
        return "was not submitted yet; the command that made this folder submits it", FAILURE
    code = folder.exit_codes(name).get(run.results)
    state = states.get(number) if states is not None else None
    if code is None and state is not None and not state.is_over:
        return f"job {number} is {state}", FAILURE
    if code is None and states is None:
        return (f"job {number} has not brought results, and Slurm does not say whether it still "
                "may"), FAILURE
    said = _said(folder, name, run)
    if code is None:
        ended = f" ({state})" if state is not None and state.name != "COMPLETED" else ""
        return f"job {number} ended before this run did{ended}{said}", FAILURE
    if code == _TIMED_OUT:
        return f"job {number} came to its time limit; a longer --time would do{said}", FAILURE
    if folder.results(run.name).is_file():
        return (f"job {number} wrote results that cannot be read: "
                f"{_fault(folder.results(run.name))}"), FAILURE
    known = code if code in (USAGE, UNSUPPORTED, VERIFICATION, INTERRUPTED) else FAILURE
    return f"job {number} wrote no results, with exit code {code}{said}", known


def _fault(path: Path) -> str:
    try:
        load(path)
    except Error as error:
        return printable(str(error))
    return "they have been mended since"


def _with_results(folder: Folder, name: str, run: Run,
                  document: Document) -> tuple[Optional[str], int]:
    records = document.records
    if document.is_interrupted:
        return ("was interrupted, by scancel or its time limit, and has only what was measured "
                "until then"), INTERRUPTED
    bad = [record for record in records if not record.is_measured]
    if records and not bad:
        return None, OK
    reason = next((printable(str(record.raw["reason"])) for record in bad
                   if record.raw.get("reason")), "no reason is known")
    if any(record.failed_verification for record in records):
        return f"has wrong results: {reason}", VERIFICATION
    if any(record.raw["status"] == "failed" for record in records) or not records:
        return f"has rows that failed: {reason}", FAILURE
    return f"has rows that could not run there: {reason}", OK if _any(records) else UNSUPPORTED


def _any(records: Sequence[Record]) -> bool:
    return any(record.is_measured for record in records)
