# SPDX-License-Identifier: Apache-2.0
"""From the files of the steps to one sweep: a merged document, and what is missing."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence

from convscale.cli import INTERRUPTED, OK
from convscale.results import SCHEMA_VERSION, Document, Record
from convscale.scaling.folder import Folder, State
from convscale.scaling.options import Request
from convscale.scaling.plan import PROGRAM, Step, cells_of
from convscale.scaling.runs import results_if_whole


@dataclass(frozen=True)
class Sweep:
    """All that reports are made of."""

    request: Request
    document: dict[str, Any]  # results.json
    records: list[Record]
    problems: list[str]  # steps that are missing or did not end well, a line each
    hosts: list[str]

    def of_study(self, mode: str) -> list[Record]:
        """The measured records that lie on a study's cells; one may lie on several studies'."""
        if mode not in self.request.modes:
            return []
        cells = {(cell.size, cell.images, cell.num_workers)
                 for cell in cells_of(self.request, mode)}
        return [record for record in self.records if record.is_measured and
                ((record.raw["height"], record.raw["width"]), record.images,
                 record.num_workers) in cells]


def collect(request: Request, steps: Sequence[Step], folder: Folder, state: State) -> Sweep:
    """Reads what the steps wrote. Changes nothing."""
    found: list[tuple[Step, Document]] = []
    problems: list[str] = []
    for step in steps:
        document = results_if_whole(folder.results_of(step))
        problem = _problem(document, state.exit_codes.get(step.name))
        if problem:
            problems.append(f"step {step.name}: {problem}; see {folder.text_of(step).name} in "
                            f"{folder.runs}" if folder.text_of(step).is_file()
                            else f"step {step.name}: {problem}")
        if document is not None:
            found.append((step, document))
    merged = merge(request, found)
    records = [Record(raw, "results.json", index) for index, raw in enumerate(merged["records"])]
    hosts = list(dict.fromkeys(str((document.raw.get("host") or {}).get("name"))
                               for _, document in found))
    return Sweep(request, merged, records, problems, hosts)


def _problem(document: Optional[Document], code: Optional[int]) -> Optional[str]:
    if code == INTERRUPTED or (document is not None and document.is_interrupted):
        return "was interrupted; the same command goes on with it"
    if code is None:
        return "has not run; the same command goes on with it" if document is None else None
    if code != OK:
        return f"ended with exit code {code}"
    return "its results are gone or half-written; the same command runs it again" \
        if document is None else None


def merge(request: Request, found: Sequence[tuple[Step, Document]]) -> dict[str, Any]:
    """One document of our schema. What describes the program and the host is that of the first
    step of the program; `sweep` says it of each step."""
    of_program = [document for step, document in found if step.tool == PROGRAM]
    first = (of_program or [document for _, document in found] or [Document({}, "", [])])[0].raw
    raws = [document.raw for _, document in found]
    walls = [raw.get("wall_s") for raw in raws]
    return {
        "schema_version": SCHEMA_VERSION,
        "program": first.get("program"),
        "started_at": min((str(raw["started_at"]) for raw in raws if raw.get("started_at")),
                          default=None),
        "wall_s": sum(walls) if walls and None not in walls else None,
        "interrupted": any(document.is_interrupted for _, document in found),
        "build": first.get("build"),
        "host": first.get("host"),
        "devices": _unique(device for raw in raws for device in raw.get("devices") or []),
        "ranks": max((int(raw.get("ranks") or 1) for raw in raws), default=1),
        "records": [record.raw for _, document in found for record in document.records],
        "break_even": _unique(entry for raw in raws for entry in raw.get("break_even") or []),
        "sweep": {
            "request": request.to_json(),
            "steps": [{"name": step.name, "program": document.raw.get("program"),
                       "started_at": document.raw.get("started_at"),
                       "wall_s": document.raw.get("wall_s"),
                       "host": (document.raw.get("host") or {}).get("name"),
                       "records": len(document.records)} for step, document in found]}}


def _unique(values: Any) -> list[Any]:
    seen: list[Any] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen
