# SPDX-License-Identifier: Apache-2.0
"""The folder of experiments: what was asked for, and which jobs were submitted for it."""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Optional

from convscale import lock
from convscale.cli import UsageError, write_text
from convscale.slurm.options import Request, request_of

_KIND = "convscale experiments"
_FORMAT = 1
_EXPERIMENT = "--experiment"


@dataclass
class Folder:
    """Paths, and the state in experiments.json."""

    path: Path
    request: Request
    jobs: dict[str, int] = field(default_factory=dict)  # an experiment's name: its last job

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def script(self, name: str) -> Path:
        return self.runs / f"{name}.sh"

    def output(self, name: str) -> Path:
        """What a job printed."""
        return self.runs / f"{name}.txt"

    def results(self, run: str) -> Path:
        return self.runs / f"{run}.json"

    def exit_codes(self, name: str) -> dict[str, int]:
        """Of the commands of a job that have ended, by their results files."""
        path = self.runs / f"{name}.exit"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        return {results: int(code)
                for results, code in re.findall(r"^(\S+) ([0-9]{1,3})$", text, re.MULTILINE)}

    @property
    def state(self) -> Path:
        return _file(self.path)

    def state_text(self) -> str:
        """What `state` holds; the numbers of jobs stand last."""
        return json.dumps({"kind": _KIND, "format": _FORMAT, "given": self.request.given,
                           "jobs": self.jobs}, indent=2) + "\n"

    def save(self) -> None:
        write_text(self.state, self.state_text())

    def delete(self) -> None:
        """What experiments write, and nothing else; the state last, so that it can be done again.
        """
        for experiment in self.request.experiments:
            for suffix in (".sh", ".txt", ".exit", ".json", "-scatter.json", "-local.json",
                           "-dragon.json"):
                (self.runs / f"{experiment.name}{suffix}").unlink(missing_ok=True)
        for name in ("results.json", "report.md"):
            (self.path / name).unlink(missing_ok=True)
        if self.runs.is_dir() and not any(self.runs.iterdir()):
            self.runs.rmdir()
        _file(self.path).unlink(missing_ok=True)


def load_folder(path: Path) -> Optional[Folder]:
    """None where the folder is empty or missing. Raises UsageError where it is not ours."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path}: is a file; give a folder")
    if not path.exists() or all(file.name == lock.NAME for file in path.iterdir()):
        return None
    file = _file(path)
    if (path / "plan.json").is_file() and not file.is_file():
        raise UsageError(f"--out {path}: holds a sweep, not experiments; scaling.py --report-only "
                         "reports it; give another folder")
    if not file.is_file():
        raise UsageError(f"--out {path}: is not empty and holds no {file.name}, so it is not of "
                         "experiments; give another folder")
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if (raw["kind"], raw["format"]) != (_KIND, _FORMAT):
            raise ValueError("of another kind")
        request = request_of(tuple((str(option), str(value)) for option, value in raw["given"]))
        jobs = {str(name): int(number) for name, number in raw["jobs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError,
            UsageError) as error:
        raise UsageError(f"{file}: is half-written or of another version; give another folder, or "
                         "remove this one by hand") from error
    return Folder(path, request, jobs)


def merged(there: Folder, asked: Request) -> Request:
    """All experiments of both. Raises UsageError where they would not be measured alike."""
    old, new = dict(there.request.given), dict(asked.given)
    differences = _differences(old, new, {**old, **new})
    if differences:
        raise UsageError(f"--out {there.path}: holds experiments with {differences}; give the same "
                         "options to go on, --fresh to start again, or another folder")
    names = dict.fromkeys([*old[_EXPERIMENT].split(","), *new[_EXPERIMENT].split(",")])
    return request_of(((_EXPERIMENT, ",".join(names)), *there.request.given[1:]))


def check_collected(there: Folder, given: Mapping[str, str]) -> None:
    """Raises UsageError where `given`, options of a request, are not of what is there."""
    old = dict(there.request.given)
    names = old[_EXPERIMENT].split(",")
    others = [name for name in given.get(_EXPERIMENT, names[0]).split(",") if name not in names]
    differences = _differences(old, given, given) or (
        f"{_EXPERIMENT} {old[_EXPERIMENT]} (now {given[_EXPERIMENT]})" if others else "")
    if differences:
        raise UsageError(f"--out {there.path}: holds experiments with {differences}; --collect "
                         "collects what was submitted, and needs no option but --out")


def _differences(old: Mapping[str, str], new: Mapping[str, str],
                 options: Mapping[str, str]) -> str:
    return ", ".join(f"{option} {old.get(option, 'not given')} (now "
                     f"{new.get(option, 'not given')})".replace("  ", " ")
                     for option in options
                     if option != _EXPERIMENT and old.get(option) != new.get(option))


def _file(path: Path) -> Path:
    return path / "experiments.json"
