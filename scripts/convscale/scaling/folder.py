# SPDX-License-Identifier: Apache-2.0
"""The folder of a sweep: what lies where, whose it is, and whether it may be gone on with."""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional

from convscale import lock
from convscale.cli import UsageError, write_text
from convscale.scaling.options import Request, option_of, value_text
from convscale.scaling.plan import Step, make_steps

_KIND = "convscale sweep"
_FORMAT = 1


@dataclass(frozen=True)
class Folder:
    """Paths of a sweep."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    def results_of(self, step: Step) -> Path:
        return self.runs / f"{step.name}.json"

    def text_of(self, step: Step) -> Path:
        """What the step printed."""
        return self.runs / f"{step.name}.txt"

    def script_of(self, step: Step) -> Path:
        """The Slurm job of the step."""
        return self.runs / f"{step.name}.sh"

    def code_of(self, step: Step) -> Path:
        """Where the job of the step writes its exit code."""
        return self.runs / f"{step.name}.exit"


@dataclass
class State:
    """What has become of the steps, and which plots were written; kept in state.json."""

    exit_codes: dict[str, int] = field(default_factory=dict)
    plots: list[str] = field(default_factory=list)
    jobs: dict[str, int] = field(default_factory=dict)  # of Slurm, that are not collected yet

    def save(self, folder: Folder) -> None:
        raw = {"exit_codes": self.exit_codes, "plots": self.plots}
        write_text(folder.state, _json({**raw, "jobs": self.jobs} if self.jobs else raw))


def open_folder(path: Path, request: Request, fresh: bool) -> Folder:
    """Makes the folder, or goes on with the sweep that is in it.

    Raises UsageError where the folder is somebody else's or holds another sweep. With `fresh` the
    files of the sweep that is there are deleted, and no others.
    """
    folder = Folder(path)
    there = stored_request(folder)
    if there is not None and fresh:
        _delete(folder, there)
        there = None
    if there is not None and there != request:
        differences = _differences(there, request.to_json())
        raise UsageError(f"--out {path}: holds a sweep with {differences}; give the same options "
                         "to go on, --fresh to start again, or another folder")
    if there is None:
        folder.runs.mkdir(parents=True, exist_ok=True)
        write_text(folder.plan, _json({"kind": _KIND, "format": _FORMAT,
                                       "request": request.to_json(),
                                       "steps": [step.name for step in make_steps(request)]}))
    folder.runs.mkdir(exist_ok=True)  # it may have been emptied
    return folder


def reported_request(folder: Folder, given: Mapping[str, Any]) -> Request:
    """That of the sweep that is there. Raises UsageError where there is none, and where one of the
    `given` fields of a request is another."""
    there = stored_request(folder)
    if there is None:
        raise UsageError(f"--out {folder.path}: holds no sweep; run scaling.py without "
                         "--report-only first")
    differences = _differences(there, given)
    if differences:
        raise UsageError(f"--out {folder.path}: holds a sweep with {differences}; --report-only "
                         "reports what was measured, and needs no option but --out")
    return there


def stored_request(folder: Folder) -> Optional[Request]:
    """That of the sweep in the folder; None if the folder is empty or missing. Raises UsageError
    where it is no sweep's."""
    path = folder.path
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path}: is a file; give a folder")
    if not path.exists() or all(file.name == lock.NAME for file in path.iterdir()):
        return None
    if (path / "experiments.json").is_file() and not folder.plan.is_file():
        raise UsageError(f"--out {path}: holds experiments, not a sweep; experiments.py --collect "
                         "reports them; give another folder")
    if not folder.plan.is_file():
        raise UsageError(f"--out {path}: is not empty and holds no plan.json, so it is not a "
                         "sweep's; give another folder")
    try:
        raw = json.loads(folder.plan.read_text(encoding="utf-8"))
        if raw["kind"] != _KIND:
            raise ValueError("of another kind")
        if raw["format"] != _FORMAT:
            raise UsageError(f"{folder.plan}: has format {raw['format']!r}; this scaling.py reads "
                             f"{_FORMAT}; give another folder")
        return Request.from_json(raw["request"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{folder.plan}: is half-written or not a sweep's plan; give another "
                         "folder, or remove this one by hand") from error


def load_state(folder: Folder) -> State:
    """What can be read of it: the results themselves say what is complete."""
    try:
        raw = json.loads(folder.state.read_text(encoding="utf-8"))
        codes = {str(name): int(code) for name, code in raw["exit_codes"].items()}
        # These are deleted when a report has them no longer: nothing outside the folder.
        plots = [str(name) for name in raw["plots"]]
        jobs = {str(name): int(job) for name, job in raw.get("jobs", {}).items()}
        return State(codes, [name for name in plots if re.fullmatch(r"[\w-][\w.-]*\.svg", name)],
                     jobs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError):
        return State()


def _delete(folder: Folder, request: Request) -> None:
    """Deletes what a sweep of `request` writes; the plan last, so that it can be done again."""
    state = load_state(folder)
    for step in make_steps(request):
        for path in (folder.results_of(step), folder.text_of(step), folder.script_of(step),
                     folder.code_of(step)):
            path.unlink(missing_ok=True)
    for name in state.plots:
        (folder.plots / name).unlink(missing_ok=True)
    for name in ("results.json", "report.md", "index.html", "state.json", "plan.json"):
        (folder.path / name).unlink(missing_ok=True)
    for empty in (folder.runs, folder.plots):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()


def _differences(there: Request, new: Mapping[str, Any]) -> str:
    """ "--size 1000x1000 (now 500x500)" for each option that differs; those not in `new` do not."""
    old = there.to_json()
    return ", ".join(f"{option_of(name)} {_value(name, old[name])} (now {_value(name, new[name])})"
                     for name in old if name in new and old[name] != new[name])


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None or value == () else value_text(name, value)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
