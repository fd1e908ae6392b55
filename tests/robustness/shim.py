# SPDX-License-Identifier: Apache-2.0
"""faults.c, built where it is needed, and its log."""
from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from harness import ROOT, is_sanitized

SOURCE = ROOT / "tests/robustness/faults.c"
_FRAME = re.compile(r"^(\S*?)\((\S*?)\+(0x[0-9a-f]+)\)")


@dataclass(frozen=True)
class Log:
    """What the preloaded library saw in one run."""

    count: int  # requests for memory, 0 if the run did not come to its end
    failed: Optional[str]  # the function that failed first
    released_before: bool  # memory was given back before that
    failed_in: tuple[str, ...]  # the call stack of that, innermost first, as "module+offset"
    crashed_in: tuple[str, ...]  # of the signal that ended the run
    unhandled: tuple[int, ...]  # signals that would have ended the program at its first request


class Unusable(Exception):
    """Why nothing can be preloaded here."""


class Shim:
    """Preloads faults.c. Raises Unusable where that cannot be; but where it cannot be built, the
    campaign has failed."""

    def __init__(self, program: Path, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise Unusable("no cc here, which builds the library that lets allocations fail")
        if is_sanitized(program):
            raise Unusable("a sanitizer has allocation functions of its own")
        self._library = folder / "faults.so"
        self._log = folder / "faults.log"
        built = subprocess.run([compiler, "-O1", "-fPIC", "-shared", "-o",
                                str(self._library), str(SOURCE), "-ldl"],
                               capture_output=True, text=True, check=False)
        if built.returncode != 0:
            sys.exit(f"faults.c cannot be built: {built.stderr}")
        self._names: dict[str, str] = {}

    def environment(self, **faults: int) -> dict[str, str]:
        """What makes these faults; ALLOCATION, FROM, WRITE, WRITTEN."""
        self._log.unlink(missing_ok=True)
        return {"LD_PRELOAD": str(self._library), "FAULTS_LOG": str(self._log),
                **{f"FAULTS_{name}": str(value) for name, value in faults.items()}}

    def log(self) -> Log:
        """Of the run before."""
        count, failed, released, released_before = 0, None, False, False
        stacks: dict[str, list[str]] = {"failed": [], "signal": []}
        stack: list[str] = []
        unhandled = []
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word == "count":
                count = int(rest)
            elif word == "unhandled":
                unhandled.append(int(rest))
            elif word == "released":
                released = True
            elif word in stacks:
                stack = stacks[word]
                stack.clear()
                if word == "failed":
                    failed, released_before = rest, released
            elif (frame := _FRAME.match(line)) and not frame[1].endswith("/faults.so"):
                stack.append(f"{frame[1]}({frame[2]}+{frame[3]})")
        return Log(count, failed, released_before, tuple(stacks["failed"]),
                   tuple(stacks["signal"]), tuple(unhandled))

    def names_of(self, stack: tuple[str, ...]) -> list[str]:
        """Functions instead of addresses, where they can be known."""
        for frame in stack:
            if frame not in self._names:
                self._names[frame] = _name_of(frame)
        return [self._names[frame] for frame in stack]


def _name_of(frame: str) -> str:
    match = _FRAME.match(frame)
    if match is None:  # a heading
        return frame
    module, symbol, offset = match.groups()
    try:
        if symbol:
            name = _output("c++filt", symbol)
        else:
            name = _output("addr2line", "-fC", "-e", module, offset).splitlines()[0]
    except (OSError, IndexError):  # no binutils here
        name = symbol
    name = _short(name) if name.strip("?") else offset
    return name if name.startswith("convscale::") else f"{name} in {Path(module).name}"


def _short(name: str) -> str:
    """Without what stands in brackets: arguments, of templates and of the call."""
    name = name.replace("(anonymous namespace)", "").replace("::::", "::")
    short, depth = "", 0
    for letter in name:
        if letter in "<(" and not short.endswith("operator"):
            depth += 1
        if depth == 0:
            short += letter
        if letter in ">)" and depth > 0:
            depth -= 1
    return short.replace("[abi:cxx11]", "").removeprefix("void ")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
