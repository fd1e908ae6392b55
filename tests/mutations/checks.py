# SPDX-License-Identifier: Apache-2.0
"""The checks that have to notice a lie: tests, and what the program itself finds when it runs."""
from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Protocol, Sequence


@dataclass(frozen=True)
class Run:
    """How a command ended; `code` is None where it was ended after `seconds`."""

    code: Optional[int]
    out: str
    error: str
    seconds: float

    @property
    def end(self) -> str:
        """What is to be said of a bad end."""
        if self.code is None:
            return f"does not end within {self.seconds:.0f} s"
        if self.code < 0:
            return f"crashes ({signal.Signals(-self.code).name})"
        return f"ends with {self.code}"

    @property
    def text(self) -> str:
        return self.out + self.error


def run(command: Sequence[str | Path], cwd: Path, limit_s: float) -> Run:
    """Runs `command` with nothing on standard input; kills it and what it started after `limit_s`.
    """
    begin = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:  # pipes could fill up
        with subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=error,
                              start_new_session=True) as process:
            code: Optional[int] = None
            try:
                code = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                pass
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        texts = []
        for file in (out, error):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return Run(code, texts[0], texts[1], time.monotonic() - begin)


@dataclass(frozen=True)
class Built:
    """Where the sources and what was built of them lie."""

    tree: Path
    bin: Path


class Check(Protocol):
    """What has to notice a lie."""

    @property
    def name(self) -> str: ...
    @property
    def targets(self) -> tuple[str, ...]:
        """What it needs built."""
    def command(self, built: Built) -> list[str | Path]: ...
    def listing(self, built: Built) -> Optional[list[str | Path]]:
        """A command that quickly finds out whether there is such a check, if there is one."""
    def is_listed(self, listed: Run) -> bool: ...
    def complaint(self, unharmed: Run) -> Optional[str]:
        """What is wrong with it as a check: it has to pass, and to do anything, without a lie."""
    def catch(self, harmed: Run) -> Optional[str]:
        """Who noticed the lie, and how; None if nobody did."""


@dataclass(frozen=True)
class GoogleTest:
    """Tests of one executable, chosen as with --gtest_filter."""

    target: str
    filter: str

    @property
    def name(self) -> str:
        return f"{self.target} {self.filter}"

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.target,)

    def command(self, built: Built) -> list[str | Path]:
        return [built.bin / self.target, f"--gtest_filter={self.filter}", "--gtest_fail_fast"]

    def listing(self, built: Built) -> Optional[list[str | Path]]:
        return [built.bin / self.target, f"--gtest_filter={self.filter}", "--gtest_list_tests"]

    def is_listed(self, listed: Run) -> bool:
        return listed.code == 0 and re.search(r"^  \w", listed.out, re.MULTILINE) is not None

    def complaint(self, unharmed: Run) -> Optional[str]:
        if unharmed.code != 0:
            return f"{self.catch(unharmed)} without the lie, too"
        if not re.search(r"^\[       OK \]", unharmed.out, re.MULTILINE):
            return "it runs no test"
        return None

    def catch(self, harmed: Run) -> Optional[str]:
        if harmed.code == 0:
            return None
        # GoogleTest names those that failed once more at its end.
        ended = re.findall(r"^\[(?:       OK |  FAILED  |  SKIPPED )\] ([^\s,]+)", harmed.out,
                           re.MULTILINE)
        failed = re.search(r"^\[  FAILED  \] ([^\s,]+)", harmed.out, re.MULTILINE)
        begun = re.findall(r"^\[ RUN      \] (\S+)", harmed.out, re.MULTILINE)
        if begun and begun[-1] not in ended:
            return f"{self.target} {begun[-1]} {harmed.end}"
        return f"{self.target} {failed[1]}" if failed else f"{self.target} {harmed.end}"


@dataclass(frozen=True)
class PyTest:
    """Tests of the scripts, which also start the program; `options` as for pytest."""

    path: str
    options: str

    @property
    def name(self) -> str:
        return f"{self.path} {self.options}".rstrip()

    @property
    def targets(self) -> tuple[str, ...]:
        return ("convscale",)

    def _pytest(self, built: Built) -> list[str | Path]:
        return [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                built.tree / self.path, f"--program={built.bin / 'convscale'}",
                *shlex.split(self.options)]

    def command(self, built: Built) -> list[str | Path]:
        return [*self._pytest(built), "-x", "-rfE"]

    def listing(self, built: Built) -> Optional[list[str | Path]]:
        return [*self._pytest(built), "--collect-only"]

    def is_listed(self, listed: Run) -> bool:
        return listed.code == 0

    def complaint(self, unharmed: Run) -> Optional[str]:
        if unharmed.code != 0:
            return f"{self.catch(unharmed)} without the lie, too"
        return None if re.search(r"\b[1-9]\d* passed", unharmed.out) else "it runs no test"

    def catch(self, harmed: Run) -> Optional[str]:
        if harmed.code == 0:
            return None
        failed = re.search(r"^(?:FAILED|ERROR) \S*?([^\s/]+::\S+)", harmed.out, re.MULTILINE)
        return failed[1] if failed else f"{self.path} {harmed.end}"


@dataclass(frozen=True)
class Program:
    """The program itself: with a lie it ends with another exit code, or says what is wrong."""

    options: tuple[str, ...]
    exit: int
    says: str

    @property
    def name(self) -> str:
        return shlex.join(("convscale", *self.options))

    @property
    def targets(self) -> tuple[str, ...]:
        return ("convscale",)

    def command(self, built: Built) -> list[str | Path]:
        return [built.bin / "convscale", *self.options]

    def listing(self, built: Built) -> Optional[list[str | Path]]:
        return None

    def is_listed(self, listed: Run) -> bool:
        return True

    def complaint(self, unharmed: Run) -> Optional[str]:
        if unharmed.code != 0:
            last = (unharmed.error.strip().splitlines() or ["nothing"])[-1]
            return f"it {unharmed.end} without the lie, too, and says: {last}"
        return "it says the same without the lie" if self._is_as_promised(unharmed) else None

    def _is_as_promised(self, harmed: Run) -> bool:
        return harmed.code == self.exit and self.says in harmed.error

    def catch(self, harmed: Run) -> Optional[str]:
        said = f" and says: {self.says}" if self.says else ""
        if self._is_as_promised(harmed):
            return f"the program ends with {self.exit}{said}"
        return None if harmed.code == 0 else f"the program {harmed.end}, not with {self.exit}{said}"
