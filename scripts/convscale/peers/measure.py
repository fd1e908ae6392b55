# SPDX-License-Identifier: Apache-2.0
"""One row of a peer: warm-up, times by both clocks, and the comparison of all outputs."""
from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Callable, Iterator, Sequence

from convscale.peers import plan
from convscale.peers.peer import Peer, first_line
from convscale.peers.reference import compare
from convscale.peers.shared import Shared
from convscale.record import Json, fill_record, noise_warnings
from convscale.workload import Source

Clock = Callable[[], float]


@dataclass(frozen=True)
class Request:
    """What is to be measured, besides the data."""

    method: str
    iterations: int
    burns: int
    any_size: bool  # also what a peer leaves out unless it is asked for


@dataclass(frozen=True)
class _Times:
    burns_s: list[float]
    passes_s: list[float]  # by the host's clock
    device_s: list[float]


def record_of(name: str, call: str, source: Source, request: Request,
              times_s: Sequence[float] = (), **known: Any) -> Json:
    """A row of the peer `name`."""
    return fill_record(source, times_s, backend=name, kernel=call, method=request.method,
                       scope="resident", iterations=request.iterations, burns=request.burns,
                       **known)


class _Passes:
    """Passes over the copies in turn, and how long they take."""

    def __init__(self, peer: Peer, copies: int, clock: Clock) -> None:
        self._peer, self._clock = peer, clock
        self._next: Iterator[int] = itertools.cycle(range(copies))

    def queue(self, count: int) -> None:
        for _ in range(count):
            self._peer.run(next(self._next))

    def host_s(self, count: int = 1) -> float:
        """From the call to the synchronised end, as the program's clock."""
        self._peer.synchronise()
        start = self._clock()
        self.queue(count)
        self._peer.synchronise()
        return self._clock() - start

    def device_s(self, count: int) -> float:
        return self._peer.device_seconds(lambda: self.queue(count))

    def sample(self, batches: plan.Batches) -> tuple[float, float]:
        """A pass by the host's clock, and one on the device; the same one, where it is so long that
        nothing else counts."""
        if batches.short == 0:
            self._peer.synchronise()
            start = self._clock()
            device_s = self.device_s(1)
            return self._clock() - start, device_s
        return self.host_s(), plan.seconds_of_pass(batches, self.device_s(batches.short),
                                                   self.device_s(batches.long))

    def warm_up(self) -> float:
        """Works until the clocks are up. Returns what a pass takes."""
        worked_s, count = 0.0, 1
        while True:
            took_s = self.host_s(count)
            worked_s += took_s
            if worked_s >= plan.WARM_UP_S:
                return took_s / count
            count *= 2


def _time(passes: _Passes, request: Request, is_late: Callable[[], bool]) -> _Times:
    """One iteration at least, and then until it is late."""
    batches = plan.batches_of(passes.warm_up())
    times = _Times([], [], [])
    while len(times.burns_s) < request.burns and not is_late():
        times.burns_s.append(passes.host_s())
    while len(times.device_s) < max(request.iterations, plan.LEAST_SAMPLES):
        host_s, device_s = passes.sample(batches)
        times.device_s.append(device_s)
        if len(times.passes_s) < request.iterations:
            times.passes_s.append(host_s)
        if is_late():
            break
    return times


def measure(peer: Peer, shared: Shared, request: Request, timeout_s: float,
            clock: Clock = time.perf_counter) -> Json:
    """The record, whatever a library raises. Iterations end when it has taken `timeout_s`."""
    source = shared.source
    known: dict[str, Any] = {"software": peer.software(), "device": peer.device_name()}

    def record(**more: Any) -> Json:
        return record_of(peer.name, peer.call, source, request, **known, **more)

    reason = peer.refuses(source, request.method)
    if reason is None and not request.any_size and source.images > (peer.most_images or math.inf):
        reason = (f"{source.images} images are too many for {peer.call} of this library unless "
                  "--size or --mem asks for them")
    if reason is not None:
        return record(status="skipped", reason=reason)
    peer.notes = []
    try:
        return _measured(peer, shared, request, timeout_s, clock, record)
    except MemoryError:
        return record(status="failed", reason="out of memory")
    except Exception as error:  # whatever code of others may raise
        return record(status="failed", reason=first_line(error))
    finally:
        peer.release()


def _measured(peer: Peer, shared: Shared, request: Request, timeout_s: float, clock: Clock,
              record: Callable[..., Json]) -> Json:
    begin = clock()
    size, l2_bytes = shared.images.nbytes, peer.l2_bytes()
    copies = plan.copies_of(size, l2_bytes)
    peer.prepare(shared.images, shared.filters, request.method, shared.source.stride, copies)
    passes = _Passes(peer, copies, clock)
    passes.host_s(copies)  # the first may compile, tune, and take memory
    setup_s = clock() - begin
    peer.wipe()
    times = _time(passes, request, lambda: clock() - begin > timeout_s)
    start = clock()
    verdict = compare(peer.result(), shared.values, shared.bounds)
    verification_s = clock() - start
    worst = verdict.max_error_of_bound
    verification = {"status": "failed" if verdict.failure else "passed",
                    "outputs": verdict.outputs,
                    "max_error_of_bound": worst if math.isfinite(worst) else None}
    known: dict[str, Any] = {"setup_s": setup_s, "verification_s": verification_s,
                             "verification": verification}
    if verdict.failure is not None:
        return record(status="failed", reason=f"verification failed: {verdict.failure}", **known)
    made = record(times_s=times.passes_s, burn_times_s=times.burns_s, **known)
    made["phases"]["kernel_s"] = median(times.device_s)
    made["warnings"] = [*peer.notes, *noise_warnings(made["cv"])]
    if len(times.device_s) < plan.LEAST_SAMPLES or len(times.passes_s) < request.iterations:
        made.update(stopped_by="timeout", timeout_s=timeout_s)
        made["warnings"].append(f"{len(times.passes_s)} of {request.iterations} iterations in this "
                                "row's share of --limit")
    if plan.may_stay_in_cache(size, l2_bytes):
        made["warnings"].append(f"the second-level cache may hold the images: {copies} copies of "
                                f"{size / 1e6:.3g} MB were used in turn")
    return made
