# SPDX-License-Identifier: Apache-2.0
"""Results files: reading what the program and the baseline write with --json."""
from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from convscale.cli import UsageError

SCHEMA_VERSION = "1"
STATUSES = ("ok", "skipped", "failed", "interrupted")

# What a record must have for the scripts, and of which type; None stands for null.
_FIELDS: dict[str, tuple[type, ...]] = {
    "status": (str,), "backend": (str,), "kernel": (str,), "method": (str,), "scope": (str,),
    "dtype": (str,), "height": (int,), "width": (int,), "images": (int,), "filter_size": (int,),
    "stride": (int,), "fill": (str,), "seed": (int,), "num_workers": (int,),
    "times_s": (list,), "median_s": (float, int, type(None)), "bound": (dict, type(None)),
}
_COUNTS = ("height", "width", "images", "filter_size", "stride", "num_workers")  # at least 1


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
        return self.raw["status"] == "ok" and self.raw["median_s"] is not None

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
    def size(self) -> str:
        return f"{self.raw['height']}x{self.raw['width']}"

    @property
    def workload(self) -> tuple[Any, ...]:
        """What is computed; times of different workloads are never compared."""
        return tuple(self.raw[name] for name in
                     ("method", "scope", "dtype", "height", "width", "images", "filter_size",
                      "stride", "fill", "seed")) + (self.raw.get("work_time"),)


@dataclass(frozen=True)
class Document:
    """One results file."""

    raw: dict[str, Any]
    file: str
    records: list[Record]

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
    records = [_record(name, index, record) for index, record in enumerate(raw["records"])]
    return Document(raw, name, records)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number there")


def _is_number(value: Any) -> bool:
    """A finite one that a float holds."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max)


def _is_time(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_proper(field: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, _FIELDS[field]):
        return False
    if isinstance(value, str):
        return value.isprintable()
    if field in _COUNTS:
        return int(value) >= 1
    if field == "bound":
        time = (value or {}).get("time_s")
        return time is None or _is_time(time)
    return field != "median_s" or value is None or _is_time(value)


def _record(name: str, index: int, raw: Any) -> Record:
    where = f"{name}: record {index + 1}"
    if not isinstance(raw, dict):
        raise UsageError(f"{where}: is not an object; give a file that --json wrote")
    for field in _FIELDS:
        if field not in raw or not _is_proper(field, raw[field]):
            raise UsageError(f"{where}: has no proper {field}; give a file that --json wrote")
    work_time = raw.get("work_time")
    if work_time is not None and not _is_number(work_time):
        raise UsageError(f"{where}: has no proper work_time; give a file that --json wrote")
    if raw["status"] not in STATUSES:
        raise UsageError(f"{where}: has status {raw['status']!r}; expected one of "
                         f"{', '.join(STATUSES)}")
    if not all(_is_time(time) for time in raw["times_s"]):
        raise UsageError(f"{where}: times_s holds something that is no time; give a file that "
                         "--json wrote")
    if raw["status"] == "ok" and (not raw["times_s"] or raw["median_s"] is None):
        raise UsageError(f"{where}: has status ok and no times; give a file that --json wrote")
    return Record(raw, name, index)
