# SPDX-License-Identifier: Apache-2.0
"""The timed part of the baseline: a pool of processes maps SciPy's convolution over the images.

The time of an iteration is that of the pool's map: pickling the images to the workers, the
convolutions, and pickling the results back.
"""
from __future__ import annotations

import functools
import multiprocessing
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, Callable, Iterable, Optional, Sequence

import numpy as np
from scipy.signal import convolve2d

from convscale.cli import Error, UnsupportedError
from convscale.generator import Array
from convscale.pool_worker import TERMINATIONS, begin
from convscale.workload import Source, Workload

Pair = tuple[Array, Array]
Results = list[Array]
Mapping = Callable[[Iterable[Pair]], Results]
OnTime = Callable[[float], None]  # called with the seconds of each iteration, burns included

_INTERPRETER_BYTES = 40 * 10**6  # of a worker that has loaded NumPy and SciPy
_STOP_S = 2.0
_STOP_DRAGON_S = 10.0
_WATCH_S = 1.0  # how often a map that goes on looks after its workers


@dataclass(frozen=True)
class Job:
    """How one configuration is measured."""

    kernel: str  # scipy-METHOD
    num_workers: int
    iterations: int
    burns: int
    work_time: float  # seconds; 0 for none

    @property
    def start_method(self) -> str:
        return self.kernel.removeprefix("scipy-")


@dataclass
class Measurement:
    """What a configuration left: all that was measured until it ended, well or not."""

    status: str = "ok"  # as in a record
    reason: Optional[str] = None
    setup_s: Optional[float] = None
    burn_times_s: tuple[float, ...] = ()
    times_s: tuple[float, ...] = ()  # of the iterations behind the burns
    results: Optional[Iterable[Array]] = None  # of the last iteration; None unless all ran
    generation_s: Optional[float] = None  # where the data was made for it alone

    def take_times(self, job: Job, times_s: Sequence[float]) -> None:
        self.burn_times_s = tuple(times_s[:job.burns])
        self.times_s = tuple(times_s[job.burns:])


def memory_needed(source: Source, job: Job) -> int:
    """Bytes that a configuration takes at its peak, in all processes together."""
    images = source.pixels * source.element_bytes
    results = source.images * source.outputs * source.element_bytes
    side = source.filter_size - 1
    whole = (source.height + side) * (source.width + side) * source.element_bytes
    if job.kernel == "scipy-serial":
        return images + results + whole
    # A pool's map deals chunks, each of which a worker holds twice: as it came, and as arrays.
    chunk = -(-source.images // (4 * job.num_workers)) * images // source.images
    interpreter = 0 if job.kernel == "scipy-fork" else _INTERPRETER_BYTES
    in_workers = job.num_workers * (2 * chunk + whole + interpreter)
    return images + 2 * results + 2 * chunk + in_workers


def convolve_pair(stride: int, work_time: float, pair: Pair) -> Array:
    """What a worker does with an item: for `work_time` seconds, and then once more, returned."""
    image, taps = pair
    start = time.perf_counter()
    elapsed = 0.0
    while elapsed < work_time:
        convolve2d(image, taps)[::stride, ::stride]
        elapsed = time.perf_counter() - start
    result: Array = convolve2d(image, taps)[::stride, ::stride]
    return result


def time_iterations(run: Mapping, workload: Workload, job: Job, on_time: OnTime) -> Results:
    """Burns, then iterations. Returns the results of the last."""
    results: Results = []
    for _ in range(job.burns + job.iterations):
        results = []
        start = time.perf_counter()
        results = run(workload.pairs)
        on_time(time.perf_counter() - start)
    return results


def _pids(pool: Any) -> list[int]:
    # multiprocessing has no public name for a pool's workers, and Dragon's pool has this one, too.
    return sorted(worker.pid for worker in list(pool._pool))


def _watched_map(pool: Any, faults: Any, function: Callable[[Pair], Array], workers: list[int],
                 pairs: Iterable[Pair]) -> Results:
    """pool.map, which would wait for ever for the items of a worker that died: a pool replaces
    the worker, not what it was working on. `faults` may say why."""
    pending = pool.map_async(function, pairs)
    while True:
        pending.wait(_WATCH_S)
        if pending.ready():
            results: Results = pending.get()
            return results
        if _pids(pool) != workers:
            if faults is not None and not faults.empty():
                raise UnsupportedError(faults.get())
            raise Error("a worker process died (killed for memory?); its images are lost")


def _stop(pool: Any, patience_s: float) -> None:
    """Ends the workers. Where an interrupt left tasks, Pool.terminate may, once it has ended them,
    wait for ever for the thread that feeds them, or before that for a lock that a dead worker held;
    it is left behind then, and what it did not end ends with this process."""
    # No join: Dragon's waits for ever behind a terminate.
    stopping = threading.Thread(target=pool.terminate, daemon=True)
    stopping.start()
    stopping.join(timeout=patience_s)


def _start_pool(job: Job) -> tuple[Any, Any]:
    """The pool, and a queue of what its workers say of themselves; None of Dragon's."""
    context = multiprocessing.get_context(job.start_method)
    # Dragon's workers get no interrupt from a terminal, and its terminate wants SIGINT to end them.
    try:
        if job.kernel == "scipy-dragon":
            return context.Pool(job.num_workers), None
        faults = context.SimpleQueue()
        return context.Pool(job.num_workers, initializer=begin, initargs=(faults,)), faults
    except (OSError, EOFError, RuntimeError) as error:
        raise Error(f"a pool of {job.num_workers} workers does not start: {error}") from error


def _measure_pool(workload: Workload, stride: int, job: Job, on_time: OnTime,
                  measurement: Measurement) -> None:
    """The workers start while the first iteration waits for them: burn it."""
    start = time.perf_counter()
    # Workers that are still starting inherit that signals are blocked; Dragon's would stay so. The
    # tracker that they need is there before, since starting it unblocks SIGINT and SIGTERM, which
    # it survives; SIGHUP it survives only if that is blocked.
    terminations = frozenset() if job.kernel == "scipy-dragon" else TERMINATIONS
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, terminations)
    try:
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *terminations})
        pool, faults = _start_pool(job)
        try:
            measurement.setup_s = time.perf_counter() - start
            function = functools.partial(convolve_pair, stride, job.work_time)
            run = functools.partial(_watched_map, pool, faults, function, _pids(pool))
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            measurement.results = time_iterations(run, workload, job, on_time)
        finally:
            _stop(pool, _STOP_DRAGON_S if job.kernel == "scipy-dragon" else _STOP_S)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _measure_serial(workload: Workload, stride: int, job: Job, on_time: OnTime,
                    measurement: Measurement) -> None:
    """No pool: one loop in this process."""
    measurement.setup_s = 0.0

    def run(pairs: Iterable[Pair]) -> Results:
        # Copied: what convolve_pair returns is a view, which would keep the whole convolution.
        return [np.array(convolve_pair(stride, job.work_time, pair)) for pair in pairs]

    measurement.results = time_iterations(run, workload, job, on_time)


def measure(workload: Workload, stride: int, job: Job, on_time: OnTime) -> Measurement:
    """Measures a configuration. An interrupt or a fault ends the measurement, and is in it."""
    measurement = Measurement()
    times_s: list[float] = []

    def add(time_s: float) -> None:
        times_s.append(time_s)
        on_time(time_s)

    body = _measure_serial if job.kernel == "scipy-serial" else _measure_pool
    try:
        body(workload, stride, job, add, measurement)
    except KeyboardInterrupt:
        measurement.status, measurement.reason = "interrupted", "interrupted by a signal"
    except MemoryError:
        measurement.status, measurement.reason = "failed", "out of memory"
    except UnsupportedError as error:
        measurement.status, measurement.reason = "skipped", str(error)
    except (Error, OSError) as error:
        measurement.status, measurement.reason = "failed", str(error)
    measurement.take_times(job, times_s)
    return measurement
