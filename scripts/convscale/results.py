# SPDX-License-Identifier: Apache-2.0
"""Results files: reading what the program and the baseline write with --json."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence

from convscale import schema
from convscale.cli import UsageError
from convscale.vocabulary import NEWER, WORKLOAD

SCHEMA_VERSION = "1"
STATUSES = ("ok", "skipped", "failed", "interrupted")


@dataclass(frozen=True)
class Record:
    """One element of `records`, with the fields of docs/results-format.md.

    `raw` has all of them; those that every script asks for have names of their own.
    """

    raw: dict[str, Any]
    file: str  # where it was read from
    index: int  # in that file's records

    @property
    def is_measured(self) -> bool:
        """Whole and right: its times may be used."""
        return (self.raw["status"] == "ok" and self.raw["median_s"] is not None
                and not self.failed_verification)

    @property
    def failed_verification(self) -> bool:
        return (self.raw.get("verification") or {}).get("status") == "failed"

    @property
    def times_s(self) -> list[float]:
        return [float(time) for time in self.raw["times_s"]]

    @property
    def median_s(self) -> float:
        return float(self.raw["median_s"])

    @property
    def num_workers(self) -> int:
        return int(self.raw["num_workers"])

    @property
    def images(self) -> int:
        return int(self.raw["images"])

    @property
    def pixels(self) -> int:
        """Of all images together."""
        return self.images * int(self.raw["height"]) * int(self.raw["width"])

    @property
    def bound_s(self) -> Optional[float]:
        """The least time that the hardware allows; None if unknown."""
        time = (self.raw["bound"] or {}).get("time_s")
        return None if time is None else float(time)

    @property
    def ranks(self) -> int:
        return int(self.raw.get("ranks") or 1)

    @property
    def distribute(self) -> Optional[str]:
        """How the images came to the ranks; None of a single rank."""
        return None if self.raw.get("distribute") is None else str(self.raw["distribute"])

    @property
    def per_rank(self) -> list[dict[str, Any]]:
        """In rank order; empty of a single rank, and where it is not known."""
        return self.raw.get("per_rank") or []

    @property
    def nodes(self) -> int:
        """Different hosts that its ranks ran on; 1 where that is not known."""
        return len({rank["host"] for rank in self.per_rank}) or 1

    @property
    def size(self) -> str:
        return f"{self.raw['height']}x{self.raw['width']}"

    @property
    def workload(self) -> tuple[Any, ...]:
        """What is computed; times of different workloads are never compared."""
        return tuple(self.raw.get(name, NEWER.get(name)) for name in WORKLOAD)


@dataclass(frozen=True)
class Document:
    """One results file."""

    raw: dict[str, Any]
    file: str
    records: list[Record]

    @property
    def ranks(self) -> int:
        return int(self.raw.get("ranks") or 1)

    @property
    def host(self) -> str:
        """The name of its machine, rank 0's."""
        return str((self.raw.get("host") or {}).get("name") or "an unknown host")

    @property
    def machine(self) -> str:
        """Host and processor."""
        cpu = (self.raw.get("host") or {}).get("cpu")
        return f"{self.host} ({cpu})" if cpu else self.host

    @property
    def is_interrupted(self) -> bool:
        return bool(self.raw.get("interrupted"))


def load(path: Path) -> Document:
    """Reads one results file. Raises UsageError where it cannot be read, is not one of ours, or of
    another version."""
    name = str(path)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}; give a file that --json wrote") \
            from error
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError, too
        raise UsageError(f"{name}: is not JSON ({error}); give a file that --json wrote") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("records"), list):
        raise UsageError(f"{name}: is not a results file; give one that --json wrote")
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UsageError(f'{name}: has schema_version {json.dumps(version)}; these scripts read '
                         f'"{SCHEMA_VERSION}"')
    _check(schema.DOCUMENT, raw, name)
    records = [_record(name, index, record) for index, record in enumerate(raw["records"])]
    return Document(raw, name, records)


def join(documents: Sequence[Document], first: Document, records: list[Any]) -> dict[str, Any]:
    """One document for the `records` of several runs. What describes the program and the host is
    that of `first`."""
    raws = [document.raw for document in documents]
    walls = [raw.get("wall_s") for raw in raws]
    return {
        "schema_version": SCHEMA_VERSION,
        "program": first.raw.get("program"),
        "started_at": min((str(raw["started_at"]) for raw in raws if raw.get("started_at")),
                          default=None),
        "wall_s": sum(walls) if walls and None not in walls else None,
        "interrupted": any(document.is_interrupted for document in documents),
        "build": first.raw.get("build"),
        "host": first.raw.get("host"),
        "devices": _unique(device for raw in raws for device in raw.get("devices") or []),
        "ranks": max((document.ranks for document in documents), default=1),
        "hosts": _unique(host for raw in raws for host in raw.get("hosts") or []) or None,
        "records": records,
        "break_even": _unique(entry for raw in raws for entry in raw.get("break_even") or [])}


def _unique(values: Iterable[Any]) -> list[Any]:
    seen: list[Any] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number there")


def _record(name: str, index: int, raw: Any) -> Record:
    where = f"{name}: record {index + 1}"
    if not isinstance(raw, dict):
        raise UsageError(f"{where}: is not an object; give a file that --json wrote")
    _check(schema.RECORD, raw, where)
    if raw["status"] not in STATUSES:
        raise UsageError(f"{where}: has status {raw['status']!r}; expected one of "
                         f"{', '.join(STATUSES)}")
    if not all(schema.is_time(time) for time in raw["times_s"]):
        raise UsageError(f"{where}: times_s holds something that is no time; give a file that "
                         "--json wrote")
    if raw["status"] == "ok" and (not raw["times_s"] or raw["median_s"] is None):
        raise UsageError(f"{where}: has status ok and no times; give a file that --json wrote")
    return Record(raw, name, index)


def _check(spec: schema.Object, raw: dict[str, Any], where: str) -> None:
    fault = schema.fault(spec, raw)
    if fault is not None:
        raise UsageError(f"{where}: has no proper {fault}; give a file that --json wrote")
