# SPDX-License-Identifier: Apache-2.0
"""From the files of the steps to one sweep: a merged document, and what is missing."""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional, Sequence

from convscale.cli import FAILURE, INTERRUPTED, OK
from convscale.results import Document, Record, join
from convscale.scaling.folder import Folder, State
from convscale.scaling.numbers import plural
from convscale.scaling.options import Request
from convscale.scaling.plan import PROGRAM, Step, cells_of, is_in_turn
from convscale.scaling.runs import code_of, results_if_whole
from convscale.scaling.series import is_in_turn_with_others, key_of, workload_of
from convscale.text import printable
from convscale.vocabulary import CONFIGURATION, WORKLOAD


@dataclass(frozen=True)
class Sweep:
    """All that reports are made of."""

    request: Request
    document: dict[str, Any]  # results.json
    records: list[Record]
    problems: list[str]  # steps that are missing or did not end well, a line each
    hosts: list[str]
    codes: list[Optional[int]]  # how each step ended, None: there are no results

    def of_study(self, mode: str) -> list[Record]:
        """The measured records that lie on a study's cells, with the ranks that these have; one
        may lie on several studies'. Of several at one place, the one that was measured as the
        study's others, in turn or alone."""
        if mode not in self.request.modes:
            return []
        cells = {(cell.size, cell.images, cell.num_workers)
                 for cell in cells_of(self.request, mode)}
        in_turn = is_in_turn(self.request, mode)
        found: dict[Any, Record] = {}
        for record in self.records:
            cell = ((record.raw["height"], record.raw["width"]), record.images, record.num_workers)
            place = (key_of(record), workload_of(record), cell)
            if record.is_measured and cell in cells and (
                    record.ranks == self.request.ranks_of(record.num_workers)) and (
                    place not in found or is_in_turn_with_others(record) == in_turn):
                found[place] = record
        return list(found.values())


def collect(request: Request, steps: Sequence[Step], folder: Folder, state: State) -> Sweep:
    """Reads what the steps wrote. Changes nothing."""
    found: list[tuple[Step, Document]] = []
    problems: list[str] = []
    codes: list[Optional[int]] = []
    for step in steps:
        document = results_if_whole(folder.results_of(step))
        was_run = state.exit_codes.get(step.name) is not None
        codes.append(code_of(document, state.exit_codes.get(step.name)))
        problem = _problem(codes[-1], was_run)
        if document is not None and document.ranks != step.ranks:
            codes[-1] = FAILURE
            problem = (f"ran as {plural(document.ranks, 'rank')}, not {step.ranks}; is the "
                       "launcher of the MPI that the program was built with?")
        if problem:
            problems.append(f"step {step.name}: {problem}" + (
                f"; see {folder.text_of(step).name} in {printable(str(folder.runs))}"
                if folder.text_of(step).is_file() else ""))
        if document is not None and document.ranks == step.ranks:
            found.append((step, document))
    problems += _each_once(found)[1]
    merged = merge(request, found)
    records = [Record(raw, "results.json", index) for index, raw in enumerate(merged["records"])]
    hosts = list(dict.fromkeys(document.host for _, document in found))
    return Sweep(request, merged, records, problems, hosts, codes)


def _problem(code: Optional[int], was_run: bool) -> Optional[str]:
    if code == INTERRUPTED:
        return "was interrupted; the same command goes on with it"
    if code is None:
        return ("its results are gone or half-written; the same command runs it again" if was_run
                else "has not run to its end; the same command goes on with it")
    return None if code == OK else f"ended with exit code {code}"


def merge(request: Request, found: Sequence[tuple[Step, Document]]) -> dict[str, Any]:
    """One document of our schema, with each configuration once. What describes the program and the
    host is that of the first step of the program; `sweep` says it of each step."""
    of_program = [document for step, document in found if step.tool == PROGRAM]
    documents = [document for _, document in found]
    return {
        **join(documents, (of_program or documents or [Document({}, "", [])])[0],
               _each_once(found)[0]),
        "sweep": {
            "request": request.to_json(),
            "steps": [{"name": step.name, "program": document.raw.get("program"),
                       "started_at": document.raw.get("started_at"),
                       "wall_s": document.raw.get("wall_s"),
                       "host": (document.raw.get("host") or {}).get("name"),
                       **({"hosts": document.raw.get("hosts")} if step.nodes else {}),
                       "records": len(document.records)} for step, document in found]}}


def _each_once(found: Sequence[tuple[Step, Document]]) -> tuple[list[Any], list[str]]:
    """The records, each configuration once so that they can be compared, and a line for each step
    with others: `auto` takes a kernel that may have been named, too."""
    records: dict[Any, Any] = {}
    lines = []
    for step, document in found:
        left_out = 0
        for record in document.records:
            fields = [record.raw.get(name) for name in (*WORKLOAD, *CONFIGURATION)]
            key = json.dumps([*fields, is_in_turn_with_others(record)])
            left_out += int(key in records)
            if key not in records or (record.is_measured and records[key]["status"] != "ok"):
                records[key] = record.raw
        if left_out:
            lines.append(f"step {step.name}: measured {plural(left_out, 'row')} again that "
                         "had been measured; they count once")
    return list(records.values()), lines
