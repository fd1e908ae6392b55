# SPDX-License-Identifier: Apache-2.0
"""What the campaigns of this folder share: running the program under limits, what holds of every
end of it, and the account at the end."""
from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Mapping, NoReturn, Optional, Sequence, Union

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True
from convscale.slurm.environment import without_rank  # noqa: E402  # found there

SKIPPED = 77
CODES = (0, 2, 3, 4, 5, 130)
# A run of what these campaigns ask for takes some hundredths of a second.
HANGS_AFTER_S = 60.0

Argument = Union[str, bytes, Path]
Limit = Union[int, tuple[int, int]]  # the soft one and the hard one; of one figure, both


@dataclass(frozen=True)
class Ended:
    """How a run ended; `code` is that of `subprocess`: negative where a signal ended it."""

    code: int
    out: bytes
    err: bytes
    hung: bool = False

    @property
    def err_lines(self) -> list[str]:
        return self.err.decode("utf-8", "backslashreplace").splitlines()

    @property
    def errors(self) -> list[str]:
        """What it said on standard error, warnings apart."""
        return [line for line in self.err_lines if not line.startswith("convscale: warning: ")]


def is_sanitized(program: Path) -> bool:
    """Whether the program has a sanitizer, which has allocation functions of its own, takes much
    address space, and makes all slower."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return bool(re.search(r"lib[at]san\.so", linked.stdout))


def default_signals() -> None:
    """For a child: none is ignored, as under nohup, which the program would respect."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)


def handles(pid: int, number: signal.Signals) -> Optional[bool]:
    """None: there is no such process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return None


def run(command: Sequence[Argument], folder: Path, *, env: Optional[Mapping[str, str]] = None,
        limits: Mapping[int, Limit] = {}, timeout_s: float = HANGS_AFTER_S) -> Ended:
    """Runs `command` in `folder` with nothing to read, `env` beside what is set, and `limits`
    (resource.RLIMIT_...). Kills it, and what it started, after `timeout_s`."""
    def limit() -> None:
        default_signals()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for which, most in limits.items():
            resource.setrlimit(which, most if isinstance(most, tuple) else (most, most))
    process = subprocess.Popen(
        list(command), cwd=folder, env={**without_rank(os.environ), **(env or {})},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=limit, start_new_session=True)
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return Ended(process.returncode, out or b"", err, hung=True)
    return Ended(process.returncode, out or b"", err)


def faults_of(ended: Ended, folder: Path, codes: Sequence[int] = CODES,
              with_text: bool = False) -> Iterator[str]:
    """What is wrong with an end of any run: how, with what code, and what it left behind.

    `with_text`: the table goes to standard error, too, as with --json -.
    """
    if ended.hung:
        yield "it hung"
    elif ended.code < 0:
        yield f"a signal ended it: {signal.Signals(-ended.code).name}"
    elif ended.code not in codes:
        yield f"exit code {ended.code}"
    elif ended.code != 0 and not any(line.strip() for line in ended.errors):
        yield f"exit code {ended.code} without a word"
    for line in [] if with_text else ended.errors:
        if not line.startswith("convscale: ") or line == "convscale: ":
            yield "a line that is no message"
            break
    remains = sorted(str(path.relative_to(folder)).partition("partial-")[0] + "partial-*"
                     for path in folder.rglob("*.partial-*"))
    if remains:
        yield f"left behind: {', '.join(remains)}"


def document_of(path: Path) -> Union[dict[str, Any], str]:
    """What the program wrote with --json; or what is wrong with it, as the scripts see it."""
    from convscale import cli, results
    try:
        document = results.load(path)
    except cli.Error as error:
        return f"the JSON is bad: {str(error).partition(': ')[2]}"
    if not isinstance(document.raw.get("interrupted"), bool):
        return "the JSON does not say whether it was interrupted"
    return document.raw


@dataclass
class Campaign:
    """Counts runs and keeps their faults, those of one kind together."""

    name: str
    seed: int
    runs: int = 0
    codes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, ended: Ended, faults: Sequence[str], how: str) -> None:
        """`how` repeats the run."""
        self.runs += 1
        self.codes[ended.code] += 1
        for fault in faults:
            said = f"\n      it said: {ended.err.decode(errors='backslashreplace')[:300].strip()}"
            self.faults[fault].append(how + said)

    def complain(self, fault: str, how: str) -> None:
        """Of all runs together."""
        self.faults[fault].append(how)

    def finish(self) -> NoReturn:
        """Prints the account and exits, with 1 if there were faults."""
        codes = ", ".join(f"{code} {count} times" for code, count in sorted(self.codes.items()))
        print(f"{self.name}: {self.runs} runs of seed {self.seed}, exit codes: {codes}")
        for fault, hows in sorted(self.faults.items(), key=lambda item: -len(item[1])):
            print(f"\nFAULT, {len(hows)} times: {fault}")
            for how in hows[:3]:
                print("  " + "".join(letter if letter.isprintable() or letter == "\n" else
                                     repr(letter)[1:-1] for letter in how))
        total = sum(map(len, self.faults.values()))
        print(f"\n{self.name}: {total} faults of {len(self.faults)} kinds" if total else
              f"{self.name}: no faults")
        sys.exit(1 if total else 0)


def skip(reason: str) -> NoReturn:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def parser_of(description: str, count: Optional[int] = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--program", type=Path, required=True, help="the built convscale")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CONVSCALE_TEST_SEED", "1")),
                        help="repeats what is random (default: 1)")
    if count is not None:
        parser.add_argument("--count", type=int, default=count,
                            help=f"how many runs (default: {count}, for the usual tests)")
    return parser


class Place:
    """A folder for one run after another, empty again for each."""

    def __init__(self) -> None:
        self._above = Path(tempfile.mkdtemp(prefix="convscale-robustness-"))
        self.path = self._above / "here"

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._above, ignore_errors=True)

    def empty(self) -> Path:
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        return self.path

    @property
    def beside(self) -> Path:
        """What is kept from run to run."""
        return self._above
