# SPDX-License-Identifier: Apache-2.0
"""The table of planted lies: what its files say, and where in the sources each text stands."""
from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from checks import Check, GoogleTest, Program, PyTest
from convscale.cli import UsageError

FOLDERS = ("common", "cpu", "cuda", "bench")
_KEYS = {"what", "kind", "before", "after", "target", "filter", "program", "exit", "says", "pytest",
         "needs"}


@dataclass(frozen=True)
class Lie:
    """One replacement of a text that occurs once, and the check that must notice it."""

    what: str
    kind: str
    before: str
    after: str
    check: Check
    needs: tuple[str, ...]  # flags of the processor without which the check cannot run
    table: str  # the file that it stands in


@dataclass(frozen=True)
class Place:
    """Where a lie goes: a file, relative to the sources, and its text with the lie in it."""

    path: str
    harmed: str


class Sources:
    """The texts of all files that a lie may change."""

    def __init__(self, paths: Sequence[str], root: Path) -> None:
        self._texts: dict[str, str] = {}
        for path in paths:
            if path.split("/")[0] in FOLDERS:
                self._texts[path] = (root / path).read_text(encoding="utf-8", errors="replace")

    def place_of(self, lie: Lie) -> Place | str:
        """The place, or what is wrong with the text."""
        found = [path for path, text in self._texts.items() for _ in range(text.count(lie.before))]
        if len(found) == 1:
            text = self._texts[found[0]].replace(lie.before, lie.after)
            return Place(found[0], text)
        where = "under " + " ".join(FOLDERS)
        if not found:
            return f"its text is nowhere {where}"
        return f"its text occurs {len(found)} times {where}: in {', '.join(sorted(set(found)))}"


def read_tables(folder: Path) -> list[Lie]:
    """The lies of all FOLDER/*.toml, in the order of the files' names."""
    lies = [lie for path in sorted(folder.glob("*.toml")) for lie in _read_table(path)]
    if not lies:
        raise UsageError(f"{folder}: there is no lie in any *.toml here")
    names: set[str] = set()
    for lie in lies:
        if lie.what in names:
            raise UsageError(f"{lie.table}: '{lie.what}' stands twice in the tables")
        names.add(lie.what)
    return lies


def _read_table(path: Path) -> list[Lie]:
    try:
        with open(path, "rb") as file:
            entries = tomllib.load(file).get("lie")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(entries, list):
        raise UsageError(f"{path}: expected entries [[lie]]")
    lies = []
    for number, entry in enumerate(entries, 1):
        where = f"{path.name}, lie {number} ({entry.get('what', 'without a name')})"
        try:
            lies.append(_lie_of(entry, path.name))
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise UsageError(f"{where}: {what}") from error
    return lies


def _lie_of(entry: Mapping[str, Any], table: str) -> Lie:
    if unknown := sorted(set(entry) - _KEYS):
        raise ValueError(f"no such key: {', '.join(unknown)}")
    texts = {key: entry[key] for key in ("what", "kind", "before", "after")}
    for key, text in texts.items():
        if not isinstance(text, str) or (key != "after" and not text.strip()):
            raise ValueError(f"{key} has to be a text")
    if texts["before"] == texts["after"]:
        raise ValueError("before and after are the same")
    needs = entry.get("needs", [])
    if not isinstance(needs, list):
        raise ValueError("needs has to be a list of the processor's flags")
    return Lie(**texts, check=_check_of(entry), needs=tuple(map(str, needs)), table=table)


def _check_of(entry: Mapping[str, Any]) -> Check:
    kinds = [key for key in ("target", "program", "pytest") if key in entry]
    if len(kinds) != 1:
        raise ValueError("give one of target, program and pytest")
    if kinds == ["program"]:
        says = str(entry.get("says", ""))
        if "exit" not in entry and not says:
            raise ValueError("a program's check has exit, says or both")
        return Program(tuple(map(str, entry["program"])), int(entry.get("exit", 0)), says)
    if "exit" in entry or "says" in entry:
        raise ValueError("exit and says belong to a program's check")
    if kinds == ["target"]:
        return GoogleTest(str(entry["target"]), str(entry["filter"]))
    return PyTest(str(entry["pytest"]), str(entry.get("filter", "")))
