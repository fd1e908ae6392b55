# SPDX-License-Identifier: Apache-2.0
"""Running the steps of a plan that are not complete yet."""
from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Optional, Sequence

from convscale.cli import (FAILURE, INTERRUPTED, OK, UNSUPPORTED, USAGE, VERIFICATION, Error,
                           UnsupportedError, UsageError)
from convscale.results import Document, load
from convscale.scaling.folder import Folder, State
from convscale.scaling.launch import Launcher, say
from convscale.scaling.plan import BASELINE, Step
from convscale.slurm.environment import without_rank
from convscale.software import software

BASELINE_SCRIPT = Path(__file__).resolve().parents[2] / "baseline.py"


@dataclass(frozen=True)
class Tools:
    """What steps run, and which versions these are."""

    program: Path
    version: str
    git: Optional[str]
    baseline: Optional[str]  # its software; None where no step needs it

    def version_of(self, step: Step) -> tuple[Optional[str], Optional[str]]:
        """What its results must say of `version` and `git`."""
        return (self.baseline, None) if step.tool == BASELINE else (self.version, self.git)

    def command(self, step: Step, results: Path) -> list[str]:
        tool = [*interpreter(), str(BASELINE_SCRIPT)] if step.tool == BASELINE \
            else [str(self.program)]
        return [*tool, *step.args, "--json", str(results)]


def interpreter() -> list[str]:
    """This Python, which leaves out of its path what this one was told to leave out."""
    flags = [("-E", sys.flags.ignore_environment),
             ("-s", sys.flags.no_user_site and not os.environ.get("PYTHONNOUSERSITE"))]
    return [sys.executable, *(flag for flag, is_set in flags if is_set)]


def find_tools(program: Path, with_baseline: bool) -> Tools:
    """Asks the program for its version. Raises UnsupportedError where it cannot be run, and
    ModuleNotFoundError for what the baseline lacks."""
    if not program.is_file() or not os.access(program, os.X_OK):
        raise UnsupportedError(f"{program}: is no program; build it with scripts/run.sh, or name "
                               "it with --program")
    try:
        done = subprocess.run([str(program.resolve()), "--version"], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL, check=False,
                              env=without_rank(os.environ))
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no answer to --version"
        raise UnsupportedError(f"{program}: cannot be run here ({reason}); name another with "
                               "--program") from error
    found = re.match(r"convscale (\S+)(?: \(git (\S+)\))?", done.stdout)
    if done.returncode != 0 or found is None:
        raise UnsupportedError(f"{program}: does not answer --version as convscale does; name "
                               "another with --program")
    return Tools(program.resolve(), found[1], found[2], software() if with_baseline else None)


def check_kernels(tools: Tools, backends: Sequence[str], kernels: Sequence[str]) -> None:
    """Raises UsageError for a kernel that none of the backends has: every step would end with
    that. Says nothing where the program does not list them."""
    done = subprocess.run([str(tools.program), "--list"], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, check=False, errors="replace",
                          env=without_rank(os.environ))
    listed = re.findall(r"^(\S+) +kernel +(\S+)", done.stdout, re.MULTILINE)
    known = ["auto"] + [name for backend, name in listed if backend in backends]
    unknown = [name for name in kernels if name not in known]
    if listed and unknown:
        raise UsageError(f"--kernel {unknown[0]}: expected one of "
                         f"{', '.join(dict.fromkeys(known))}")


def dry_run(steps: Sequence[Step], folder: Folder, program: Path, launcher: Launcher) -> str:
    """The commands, a line each, to be pasted into a shell."""
    tools = Tools(program.resolve(), "", None, None)
    commands = [["mkdir", "-p", "--", str(folder.runs)]]
    commands += [launcher.command(step, tools.command(step, results_path(step, folder)))
                 for step in steps]
    return "".join(shlex.join(command) + "\n" for command in commands)


def results_path(step: Step, folder: Folder) -> Path:
    """As the step's command names it: on another node, we may be in another folder."""
    results = folder.results_of(step)
    return Path(os.path.abspath(results)) if step.nodes else results


def run_steps(steps: Sequence[Step], folder: Folder, tools: Tools, state: State,
              launcher: Launcher) -> None:
    """Runs what is not complete. Raises KeyboardInterrupt when a step was interrupted."""
    for number, step in enumerate(steps, 1):
        label = f"step {number} of {len(steps)}: {step.name}"
        if is_complete(step, folder, tools):
            say(f"{label}: complete")
            end(step, OK, folder, state)
            continue
        say(label)
        results = begin(step, folder, state)
        try:
            code = launcher.run(step, tools.command(step, results), folder.text_of(step))
        except KeyboardInterrupt:
            # It may have come when the step had ended.
            end(step, OK if is_complete(step, folder, tools) else INTERRUPTED, folder, state)
            raise
        except OSError as error:
            say(f"{label}: cannot be started ({error.strerror})")
            code = FAILURE
        end(step, code, folder, state)
        if code != OK:
            say(f"{label}: ended with exit code {code}; going on with the next")


def begin(step: Step, folder: Folder, state: State) -> Path:
    """Forgets what the step left before; returns where its results go."""
    folder.results_of(step).unlink(missing_ok=True)  # interrupted, or of other options
    state.exit_codes.pop(step.name, None)
    state.save(folder)  # nobody may be there to do it afterwards
    return results_path(step, folder)


def end(step: Step, code: int, folder: Folder, state: State) -> None:
    """Keeps how the step ended."""
    state.exit_codes[step.name] = code
    state.save(folder)


def results_if_whole(path: Path) -> Optional[Document]:
    """None where there is no file, or one that is half-written."""
    try:
        return load(path)
    except (OSError, Error):
        return None


def is_complete(step: Step, folder: Folder, tools: Tools) -> bool:
    """Whether the step's results may be kept: whole, right, and of this command and program."""
    document = results_if_whole(folder.results_of(step))
    if document is None or document.is_interrupted:
        return False
    program = document.raw.get("program") or {}
    if _without_json(program.get("argv")) != list(step.args):
        return False
    if (program.get("version"), program.get("git")) != tools.version_of(step):
        return False
    if document.ranks != step.ranks:
        return False
    return bool(document.records) and all(record.is_measured for record in document.records)


def _without_json(argv: object) -> Optional[list[str]]:
    """The arguments without the file of the results, as a folder may be moved."""
    if not isinstance(argv, list) or "--json" not in argv:
        return None
    where = argv.index("--json")
    return [str(argument) for argument in argv[1:where] + argv[where + 2:]]


def code_of(document: Optional[Document], code: Optional[int]) -> Optional[int]:
    """How a step ended, by its results and by the exit code that is known of it; None: it has not
    run, or was killed before it wrote any."""
    if document is None:
        return None if code == OK else code
    if document.is_interrupted:
        return INTERRUPTED
    if code is not None:
        return code
    return FAILURE if any(record.raw["status"] == "failed" for record in document.records) else OK


def exit_code(codes: Iterable[Optional[int]], anything_measured: bool) -> int:
    """As for a list: one that ran is enough for what could not run here, and none may fail. A step
    without results could not finish."""
    known = {code if code in (OK, USAGE, UNSUPPORTED, VERIFICATION, INTERRUPTED) else FAILURE
             for code in codes}
    for code in (INTERRUPTED, VERIFICATION, FAILURE, USAGE):
        if code in known:
            return code
    return OK if anything_measured else UNSUPPORTED
