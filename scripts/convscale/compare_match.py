# SPDX-License-Identifier: Apache-2.0
"""Which records of results files may be compared: the same workload in the same configuration."""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Optional, Sequence

from convscale.cli import UsageError
from convscale.results import Document, Record
from convscale.text import printable
from convscale.vocabulary import CONFIGURATION, NEWER

_LABELS = ("backend", "kernel", "method", "scope", "dtype", "size", "images", "filter_size",
           "stride", "fill", "seed", "work_time", *NEWER, "workers", "schedule", "bind",
           "host_memory", "device", "ranks", "distribute", "nodes")

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Pair:
    """One configuration: its records on both sides, at most one of each file."""

    before: list[Record]
    after: list[Record]

    @property
    def any(self) -> Record:
        return (self.before or self.after)[0]

    @property
    def fields(self) -> dict[str, str]:
        """Label and text of all that is known of the configuration; "a -> b" where an ignored
        field differs."""
        before = fields_of((self.before or self.after)[0])
        after = fields_of((self.after or self.before)[0])
        names = [label for label in _LABELS if label in before or label in after]
        texts = {name: (before.get(name, "none"), after.get(name, "none")) for name in names}
        return {name: one if one == other else f"{one} -> {other}"
                for name, (one, other) in texts.items()}


def place(record: Record) -> str:
    return f"{record.file}: record {record.index + 1}"


def fields_of(record: Record) -> dict[str, str]:
    """What is known of a record's workload and configuration, by label, as text."""
    raw = {**NEWER, **record.raw, "size": record.size, "workers": record.num_workers,
           "device": _device(record), "nodes": record.nodes if record.per_rank else None}
    return {label: printable(str(raw[label])) for label in _LABELS if raw.get(label) is not None}


def match(before: Sequence[Document], after: Sequence[Document],
          ignored: Sequence[str]) -> list[Pair]:
    """All configurations of both sides, in the order in which the files have them. Raises
    UsageError where nothing may be compared."""
    for side in (before, after):
        _refuse_copies(side)
    one, other = _group(before, ignored), _group(after, ignored)
    _refuse_interleaved_against_not(one, other)
    if not set(one) & set(other):
        raise UsageError(f"no record in common: {_difference(before, after, ignored)}")
    return [Pair(one.get(key, []), other.get(key, [])) for key in {**one, **other}]


def _device(record: Record) -> Optional[str]:
    device = record.raw.get("device")
    if isinstance(device, list):
        return ", ".join(map(str, device))
    return None if device is None else str(device)


def _key(record: Record, ignored: Sequence[str]) -> Key:
    # A file without the field comes from a version that had one process.
    raw = {**record.raw, "ranks": record.ranks, "device": _device(record), "nodes": record.nodes}
    values = [raw.get(name) for name in CONFIGURATION if name not in ignored]
    texts = (value if isinstance(value, (str, int)) else json.dumps(value) for value in values)
    return (*record.workload, *texts, bool(record.raw.get("interleaved")))


def _group(documents: Sequence[Document], ignored: Sequence[str]) -> dict[Key, list[Record]]:
    groups: dict[Key, list[Record]] = {}
    for document in documents:
        seen: dict[Key, Record] = {}
        for record in document.records:
            key = _key(record, ignored)
            if key in seen:
                advice = ("leave out --ignore, or give files with one of them each" if ignored else
                          "give files in which each is there once")
                raise UsageError(f"{document.file}: records {seen[key].index + 1} and "
                                 f"{record.index + 1} have the same workload and configuration; "
                                 f"{advice}")
            seen[key] = record
            groups.setdefault(key, []).append(record)
    return groups


def _refuse_copies(documents: Sequence[Document]) -> None:
    for index, document in enumerate(documents):
        for earlier in documents[:index]:
            if document.records and document.raw["records"] == earlier.raw["records"]:
                raise UsageError(f"{document.file}: holds the same records as {earlier.file}; "
                                 "each file of a side must be a run of its own")


def _refuse_interleaved_against_not(one: dict[Key, list[Record]],
                                    other: dict[Key, list[Record]]) -> None:
    """A sweep may hold a configuration both in turn and alone; each has its own counterpart. It is
    refused where the only counterpart is of the other kind."""
    for ours, theirs in ((one, other), (other, one)):
        for key in ours:
            unlike = key[:-1] + (not key[-1],)
            if key in theirs or unlike not in theirs or unlike in ours:
                continue
            measured = [record for record in ours[key] + theirs[unlike] if record.is_measured]
            turns = sorted(measured, key=lambda record: not record.raw.get("interleaved"))
            if turns and turns[0].raw.get("interleaved") and not turns[-1].raw.get("interleaved"):
                raise UsageError(f"{place(turns[0])} was measured interleaved, {place(turns[-1])} "
                                 "was not: their times are not alike; run both with --interleave, "
                                 "or both without")


def _difference(before: Sequence[Document], after: Sequence[Document],
                ignored: Sequence[str]) -> str:
    """Why two sides have no record in common, and what would help."""
    sides = [[fields_of(record) for document in side for record in document.records]
             for side in (before, after)]
    for documents, fields in zip((before, after), sides):
        if not fields:
            return f"{documents[0].file} holds no records"

    def values(fields: list[dict[str, str]], label: str) -> list[str]:
        return list(dict.fromkeys(field.get(label, "none") for field in fields))

    apart = {label: [values(fields, label) for fields in sides] for label in _LABELS
             if _option(label) not in ignored
             and not set(values(sides[0], label)) & set(values(sides[1], label))}
    names = [_option(label) for label in apart]
    if not apart:
        return ("each value is on both sides, but no combination of them; run both with the same "
                "options")
    text = "; ".join(f"{label} {_few(one)} before, {_few(other)} after"
                     for label, (one, other) in apart.items())
    if all(name in CONFIGURATION for name in names):
        return f"{text}; --ignore {','.join([*ignored, *names])} would compare them all the same"
    return f"{text}; run both with the same options"


def _option(label: str) -> str:
    """The name that --ignore takes."""
    return "num_workers" if label == "workers" else label


def _few(values: Sequence[str]) -> str:
    return ", ".join(values[:4]) + (", ..." if len(values) > 4 else "")


# --- What makes a comparison doubtful, but not impossible


def warnings_of(before: Sequence[Document], after: Sequence[Document],
                pairs: Sequence[Pair]) -> list[str]:
    checks = (_interrupted([*before, *after]), _machines(before, after), _builds(before, after),
              _digests(pairs))
    return [printable(warning) for warning in checks if warning]


def _interrupted(documents: Sequence[Document]) -> Optional[str]:
    names = list(dict.fromkeys(document.file for document in documents if document.is_interrupted))
    if not names:
        return None
    return (f"interrupted: {_few(names)}; what was not measured before that is missing")


def _machines(before: Sequence[Document], after: Sequence[Document]) -> Optional[str]:
    one, other = (_distinct(lambda document: document.machine, side) for side in (before, after))
    if one == other and len(one) == 1:
        return None
    return f"different machines: {_few(one)} before, {_few(other)} after"


def _builds(before: Sequence[Document], after: Sequence[Document]) -> Optional[str]:
    def build(document: Document) -> str:
        raw = part(document, "build")
        return " ".join(str(raw[name]) for name in ("type", "compiler", "flags") if raw.get(name))

    one, other = _distinct(build, before), _distinct(build, after)
    if one == other and len(one) == 1:
        return None
    return (f"different builds: {_few(one) or 'unknown'} before, {_few(other) or 'unknown'} after")


def _digests(pairs: Sequence[Pair]) -> Optional[str]:
    """Digests of one kernel's results of one workload are the same wherever it runs."""
    found = []
    for pair in pairs:
        known: dict[tuple[str, str], Record] = {}
        for record in pair.before + pair.after:
            if not record.is_measured or record.raw.get("digest") is None:
                continue
            first = known.setdefault((record.raw["backend"], record.raw["kernel"]), record)
            if first.raw["digest"] != record.raw["digest"]:
                found.append(f"{place(first)} and {place(record)}")
                break
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return (f"results differ on the same workload and kernel: {found[0]}{more}; were other images "
            "read, or is the arithmetic another?")


def part(document: Document, name: str) -> dict[str, Any]:
    """An object of the document, empty where it is missing."""
    value = document.raw.get(name)
    return value if isinstance(value, dict) else {}


def _distinct(of: Callable[[Document], str], documents: Iterable[Document]) -> list[str]:
    return sorted(set(map(of, documents)))
