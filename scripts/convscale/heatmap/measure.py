# SPDX-License-Identifier: Apache-2.0
"""From a request to records: the program runs once for each filter size and stride."""
from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

from convscale.cli import FAILURE, INTERRUPTED, OK, USAGE
from convscale.heatmap.options import Request
from convscale.results import Document, join
from convscale.scaling.launch import LocalLauncher
from convscale.scaling.numbers import plural
from convscale.scaling.plan import PROGRAM, Step
from convscale.scaling.runs import Tools, code_of, results_if_whole
from convscale.scaling.series import fraction
from convscale.text import fraction_text, last_error


BACKEND = "cpu"


@dataclass
class Measured:
    """What has come of the steps so far."""

    steps: Sequence[Step]
    documents: list[Document] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # a line each

    def document(self, arguments: Sequence[str], is_whole: bool) -> dict[str, Any]:
        """One results file of all records. `heat_map` says what is missing, and `argv` is ours, as
        each run of the program had its own."""
        first = (self.documents or [Document({}, "", [])])[0]
        joined = join(self.documents, first,
                      [record.raw for one in self.documents for record in one.records])
        if joined["program"]:
            joined["program"] = {**joined["program"], "argv": ["heatmap.py", *arguments]}
        problems = list(self.problems)
        if not is_whole:
            problems.append(f"ended after {len(self.codes)} of {plural(len(self.steps), 'run')}")
        return {**joined, "interrupted": joined["interrupted"] or not is_whole,
                "heat_map": {"runs": len(self.steps), "problems": problems}}


def make_steps(request: Request) -> list[Step]:
    """Filter by filter, so that what an interrupt leaves are whole rows."""
    return [step for size in request.filter_sizes for step in _steps_of(request, size)]


def _steps_of(request: Request, filter_size: int) -> Iterator[Step]:
    height, width = request.size
    for stride in sorted({one for strides in request.strides.values() for one in strides}):
        methods = [method for method, strides in request.strides.items() if stride in strides]
        yield Step(
            f"filter {filter_size}x{filter_size}, stride {stride}", PROGRAM,
            ("--backend", BACKEND, "--kernel", request.kernel, "--method", ",".join(methods),
             "--dtype", ",".join(request.dtypes), "--num_workers", str(request.num_workers),
             "--size", f"{height}x{width}", "--mem", str(request.images * height * width),
             "--filter-size", str(filter_size), "--stride", str(stride),
             "--iterations", str(request.iterations), "--burns", str(request.burns)),
            len(methods) * len(request.dtypes))


def measure(measured: Measured, tools: Tools, keep: Callable[[], None]) -> None:
    """Runs all steps, and calls `keep` after each. What one has measured until an interrupt is in
    `measured` when this raises KeyboardInterrupt."""
    with tempfile.TemporaryDirectory(prefix="convscale-heatmap-") as name:
        for number, step in enumerate(measured.steps, 1):
            label = f"run {number} of {len(measured.steps)}: {step.name}"
            say(label)
            results = Path(name) / f"{number}.json"
            code = INTERRUPTED
            try:
                code = _run(step, tools, results)
            finally:
                _take(measured, step, tools, results, code)
            keep()
            say(f"{label}: {_figures(measured, results)}")
            if measured.codes[-1] == USAGE:
                say("the other runs have the same options, and would end with that, too")
                return


def _run(step: Step, tools: Tools, results: Path) -> int:
    try:
        return LocalLauncher(quiet=True).run(step, tools.command(step, results), _output(results))
    except OSError as error:
        say(f"{tools.program}: cannot be started ({error.strerror})")
        return FAILURE


def _output(results: Path) -> Path:
    """Where the program's text goes."""
    return results.with_suffix(".txt")


def _take(measured: Measured, step: Step, tools: Tools, results: Path, code: int) -> None:
    """Adds what a run has left, however it ended."""
    document = results_if_whole(results)
    ended: Optional[int] = code_of(document, code)
    measured.codes.append(FAILURE if ended is None else ended)
    if document is not None:
        measured.documents.append(document)
    if document is None or len(document.records) < step.rows:
        how = "was interrupted" if measured.codes[-1] == INTERRUPTED else (
            "wrote no whole results" if code == OK else f"ended with exit code {code}")
        with suppress(OSError):  # there may be none
            said = last_error(_output(results).read_text(encoding="utf-8", errors="replace"),
                              tools.program.name)
            how += f" ({said})" if said else ""
        measured.problems.append(f"{step.name}: {how}")


def _figures(measured: Measured, results: Path) -> str:
    """Of the run that was last, for whoever looks on."""
    last = measured.documents[-1:]
    if not last or last[0].file != str(results):
        return measured.problems[-1].partition(": ")[2]
    return ", ".join(
        f"{record.raw['method']} {record.raw['dtype']} "
        + (fraction_text(fraction(record)) if record.is_measured else str(record.raw["status"]))
        for record in last[0].records)


def say(message: str) -> None:
    print(f"heatmap.py: {message}", file=sys.stderr, flush=True)
