# SPDX-License-Identifier: Apache-2.0
"""All rows of a run, a peer after the other: each peer costs its own rows at most."""
from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Callable, Mapping, Optional, Sequence

from convscale.cli import UsageError
from convscale.peers.measure import Request, record_of
from convscale.peers.process import Ended, PeerProcess, TimeUp
from convscale.peers.shared import Shared
from convscale.record import Json

Say = Callable[[str], None]
_UNKNOWN_CALL = "-"


@dataclass(frozen=True)
class Row:
    """A row of each peer."""

    shared: int  # the workload's place
    request: Request


def environment_for(device: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Where a library sees this device alone. Raises UsageError where the environment hides it."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    name = str(device)
    if visible is not None:
        names = [one.strip() for one in visible.split(",") if one.strip()]
        if device >= len(names) > 0:
            raise UsageError(f"--device {device}: CUDA_VISIBLE_DEVICES={visible} shows "
                             f"{len(names)}; count from 0 among these")
        name = names[device] if names else ""
    return {**environment, "CUDA_VISIBLE_DEVICES": name}


def look(target: str, device: int, limit_s: float) -> tuple[bool, str]:
    """Whether a peer can be used, and its versions and device, or the reason."""
    job = {"peer": target, "todo": []}
    with PeerProcess(job, [], environment_for(device, os.environ), limit_s) as process:
        try:
            process.wait(lambda: process.hello is not None)
        except TimeUp:
            return False, f"it was not imported within {limit_s:g} s"
        except Ended as error:
            return False, str(error)
    hello = process.hello or {}
    if hello["missing"] is not None:
        return False, hello["missing"]
    return True, f"{hello['software']}; on {hello['device']}"


class PeerRows:
    """The rows of one peer. `records` has those that are done, also when `run` is interrupted."""

    def __init__(self, name: str, target: str, rows: Sequence[Row], workloads: Sequence[Shared],
                 too_large: Mapping[int, str], limit_s: float, device: int, say: Say) -> None:
        """`too_large` says why there is no memory for the workload at a place."""
        self._name, self._target, self._rows, self._workloads = name, target, rows, workloads
        self._too_large = too_large
        self._limit_s, self._say = limit_s, say
        self._environment = environment_for(device, os.environ)
        self._hello: Optional[dict[str, Any]] = None
        self._records: dict[int, Json] = {}

    @property
    def records(self) -> list[Json]:
        return [self._records[number] for number in sorted(self._records)]

    def run(self) -> None:
        left_s = self._limit_s
        while (todo := [number for number, row in enumerate(self._rows)
                        if number not in self._records and row.shared not in self._too_large]):
            left_s = self._attempt(todo, left_s)
        for number, row in enumerate(self._rows):
            if number not in self._records:
                self._records[number] = self._record(number, "failed", self._too_large[row.shared])

    def _attempt(self, todo: list[int], left_s: float) -> float:
        """Goes on after what is done; ends with a record more at least. Returns what is left of
        the limit."""
        job = {"peer": self._target, "todo": todo, "rows": [asdict(row) for row in self._rows],
               "shared": [workload.as_json() for workload in self._workloads]}
        files = [file for workload in self._workloads for file in workload.files.values()]
        process = PeerProcess(job, files, self._environment, left_s)
        try:
            with process:
                process.wait(lambda: process.hello is not None)
                self._greet(process)
                if process.hello and process.hello["missing"] is None:
                    for place, workload in enumerate(self._workloads):
                        if place not in self._too_large:
                            workload.fill()
                    process.go()
                    process.wait(lambda: len(process.records) == len(todo))
        except TimeUp:
            limit = f"the {self._limit_s:g} s that --limit gives to a peer"
            self._take(process, f"it did not end within {limit}")
            self._leave_out("skipped", f"nothing was left of {limit}")
        except Ended as error:
            self._take(process, str(error))
            if process.hello is None or not process.records and process.begun is None:
                self._leave_out("failed", str(error))
        finally:
            self._records.update(process.records)
        if process.hello and process.hello["missing"] is not None:
            self._leave_out("skipped", process.hello["missing"])
        return process.left_s

    def _greet(self, process: PeerProcess) -> None:
        if self._hello is None and process.hello is not None:
            self._hello = process.hello
            self._say(f"{self._name}: {process.hello['missing'] or process.hello['software']}")

    def _take(self, process: PeerProcess, reason: str) -> None:
        """What an ended process did, and the row that it was at."""
        self._records.update(process.records)
        number = process.begun
        if number is None and process.hello is None:
            number = min(n for n in range(len(self._rows)) if n not in self._records)
        if number is not None:
            self._records[number] = self._record(number, "failed", reason)

    def _leave_out(self, status: str, reason: str) -> None:
        for number in range(len(self._rows)):
            if number not in self._records:
                self._records[number] = self._record(number, status, reason)

    def _record(self, number: int, status: str, reason: str) -> Json:
        row, hello = self._rows[number], self._hello or {}
        return record_of(self._name, hello.get("call", _UNKNOWN_CALL),
                         self._workloads[row.shared].source, row.request, status=status,
                         reason=reason, software=hello.get("software"),
                         device=hello.get("device"))
