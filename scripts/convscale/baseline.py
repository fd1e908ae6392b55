# SPDX-License-Identifier: Apache-2.0
"""The original's way: a pool of Python processes maps SciPy's convolution over the images.

Re-creates the timed loop of the SciPy image convolution benchmark of the Dragon HPC runtime
(scipy_scale_work.py), to have something to compare the program with on the same machine.
"""
from __future__ import annotations

import os

# Each worker is one thread. Set before NumPy is loaded, and inherited by the workers.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                  "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[_variable] = "1"

import datetime
import functools
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, Optional, Sequence, TextIO

import numpy as np

from convscale import dragon_runtime, pools
from convscale.baseline_options import Options, parse_options
from convscale.cli import (FAILURE, INTERRUPTED, OK, UNSUPPORTED, Error, UnsupportedError,
                           check_writable, interrupt_on_termination, write_file, write_text)
from convscale.generator import Array, digest_of
from convscale.host import check_memory, host_info
from convscale.pools import Job, Measurement, OnTime
from convscale.record import Json, make_document, make_record
from convscale.results import load
from convscale.software import software
from convscale.table import table_text
from convscale.workload import Source, Workload, make_workload


class _Runner:
    """Measures configurations one after the other; keeps the last one's data for the next."""

    def __init__(self, options: Options) -> None:
        self.runtime: Optional[dragon_runtime.Runtime] = None
        self.no_dragon: Optional[str] = None
        self._kept: Optional[tuple[Source, Workload]] = None
        if any(job.kernel == "scipy-dragon" for _, job in options.configurations):
            try:
                self.runtime = dragon_runtime.find_runtime(options.dragon)
            except UnsupportedError as error:
                self.no_dragon = str(error)

    def software_of(self, job: Job) -> str:
        if job.kernel == "scipy-dragon" and self.runtime:
            return self.runtime.software
        return software()

    def workload_of(self, source: Source) -> Workload:
        if self._kept is None or self._kept[0] != source:
            self._kept = None  # its memory is free before the next one's is taken
            self._kept = source, make_workload(source)
        return self._kept[1]

    def measure(self, source: Source, job: Job, on_time: OnTime) -> Measurement:
        if job.kernel != "scipy-dragon":
            is_new = self._kept is None or self._kept[0] != source
            workload = self.workload_of(source)
            measurement = pools.measure(workload, source.stride, job, on_time)
            measurement.generation_s = workload.generation_s if is_new else None
            return measurement
        if self.runtime is None:
            return Measurement(status="skipped", reason=self.no_dragon)
        self._kept = None  # the job makes its own
        return dragon_runtime.measure(self.runtime, source, job, on_time)


class _Printer:
    """What a person reads: the original's lines of one configuration, or a table of several."""

    def __init__(self, options: Options, before: list[Json]) -> None:
        self._stream: TextIO = sys.stderr if options.json == "-" else sys.stdout
        self._iteration_lines = options.iteration_lines
        self._before = before
        self._count = len(options.configurations)
        self._is_table = self._count > 1 or options.beside is not None

    def _print(self, text: str) -> None:
        print(text, end="", file=self._stream, flush=True)

    def begin(self, number: int, source: Source, job: Job) -> OnTime:
        """Returns what prints the line of each iteration as it comes."""
        if not self._is_table:
            self._print(f"Number of workers: {job.num_workers}\n"
                        f"Number of images: {source.images}\n")
        else:
            _say(f"{job.kernel}, {job.num_workers} worker{'s'[:job.num_workers > 1]}, "
                 f"{source.images} images of {source.height}x{source.width} ({number} of "
                 f"{self._count})")
        row = f" (row {len(self._before) + number})" if self._is_table else ""
        iteration = 0

        def on_time(time_s: float) -> None:
            nonlocal iteration
            if self._iteration_lines:
                self._print(f"Time for iteration {iteration} is {time_s:.9f} seconds{row}\n")
            iteration += 1

        return on_time

    def end(self, records: list[Json]) -> None:
        if self._is_table:
            if self._before or records:
                self._print(table_text([*self._before, *records]))
        elif records and records[0]["status"] == "interrupted":
            self._print(f"Interrupted: after {len(records[0]['times_s'])} of "
                        f"{records[0]['iterations']} iterations\n")
        elif records and records[0]["status"] == "ok":
            self._print(f"Average time: {_seconds(records[0]['mean_s'])} second(s)\n"
                        f"Standard deviation: {_seconds(records[0]['std_s'])} second(s)\n")
        for record in records:
            for warning in record["warnings"]:
                _say(f"warning: {warning}")
            if not self._is_table and record["status"] in ("failed", "skipped"):
                _say(f"{record['kernel']}: {record['reason']}")


def _ignore(_: float) -> None:
    pass


def _say(text: str) -> None:
    print(f"baseline.py: {text}", file=sys.stderr, flush=True)


def _seconds(value: float) -> str:
    """Five significant digits."""
    return np.format_float_positional(value, precision=5, unique=False, fractional=False, trim="-")


def _saved_files(folder: Path) -> list[Path]:
    return [folder / f"{name}.npy" for name in ("images", "filters", "results")]


def _save(folder: Path, workload: Workload, results: list[Array]) -> None:
    arrays = (workload.images, workload.filters, np.array(results))
    for path, array in zip(_saved_files(folder), arrays):
        write_file(path, functools.partial(np.save, arr=np.ascontiguousarray(array)))


def _check_outputs(options: Options) -> None:
    """Raises OSError for what cannot be written, before anything is measured."""
    if options.json not in (None, "-"):
        check_writable(Path(str(options.json)))
    if options.save is not None:
        options.save.mkdir(parents=True, exist_ok=True)
        for path in _saved_files(options.save):
            check_writable(path)


def _exit_code(records: Sequence[dict[str, Any]]) -> int:
    statuses = {record["status"] for record in records}
    if "failed" in statuses:
        return FAILURE
    return OK if "ok" in statuses else UNSUPPORTED


class _Run(NamedTuple):
    records: list[Json]  # in order, up to an interrupt
    results: Optional[list[Array]]  # of the last record, for --save
    interrupted: bool
    wall_s: float


def _measure_one(runner: _Runner, source: Source, job: Job,
                 on_time: OnTime) -> tuple[Json, Optional[list[Array]]]:
    """A record, whatever happens but for an interrupt while data is made; and the results."""
    measurement, results, digest = Measurement(), None, None
    try:
        measurement = runner.measure(source, job, on_time)
        if measurement.results is not None:
            results = list(measurement.results)
            digest = digest_of(results)
    except MemoryError:
        measurement.status, measurement.reason = "failed", "out of memory"
    except KeyboardInterrupt:
        if not measurement.times_s:
            raise
        measurement.status, measurement.reason = "interrupted", "interrupted by a signal"
    except (Error, OSError) as error:  # such as a file of images that is gone by now
        measurement.status, measurement.reason = "failed", str(error)
    return make_record(source, job, measurement, software=runner.software_of(job),
                       digest=digest), results


def _measure_all(options: Options, runner: _Runner, printer: _Printer) -> _Run:
    records: list[Json] = []
    results: Optional[list[Array]] = None
    interrupted = False
    start = time.perf_counter()
    try:
        for number, (source, job) in enumerate(options.configurations, 1):
            results = None  # its memory is free before the next one's is taken
            is_skipped = job.kernel == "scipy-dragon" and runner.runtime is None
            on_time = _ignore if is_skipped else printer.begin(number, source, job)
            record, results = _measure_one(runner, source, job, on_time)
            records.append(record)
            interrupted = record["status"] == "interrupted"
            if interrupted:
                break
    except KeyboardInterrupt:  # while data was made
        interrupted = True
    return _Run(records, results, interrupted, time.perf_counter() - start)


def _write(options: Options, document: Json) -> None:
    text = json.dumps(document, indent=2) + "\n"
    if options.json == "-":
        sys.stdout.write(text)
    elif options.json is not None:
        write_text(Path(options.json), text)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code. Raises what cli.run_script turns into one line."""
    options = parse_options(arguments)
    before = [record.raw for record in load(options.beside).records] if options.beside else []
    started_at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    host = host_info()
    for source, job in options.configurations:
        check_memory(pools.memory_needed(source, job))
    if options.dry_run:
        return OK
    _check_outputs(options)
    interrupt_on_termination()
    runner, printer = _Runner(options), _Printer(options, before)
    run = _measure_all(options, runner, printer)
    printer.end(run.records)
    _write(options, make_document("baseline.py", arguments, started_at, run.wall_s, run.interrupted,
                                  software(), host, run.records))
    if options.save is not None and run.results is not None:  # last: it may fail
        _save(options.save, runner.workload_of(options.configurations[0][0]), run.results)
    if run.interrupted:
        _say("interrupted by a signal")
        return INTERRUPTED
    return _exit_code(run.records)
