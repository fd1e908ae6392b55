# SPDX-License-Identifier: Apache-2.0
"""Starting the commands of steps. Another launcher (of jobs on nodes) is another class with run."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Sequence

from convscale.cli import INTERRUPTED


class Launcher(Protocol):
    """Runs commands to their end."""

    def run(self, command: Sequence[str], output: Path) -> int:
        """Returns the exit code; standard output goes to the file `output`.

        Raises KeyboardInterrupt after an interrupted command has ended, and OSError where it cannot
        be started.
        """


class LocalLauncher:
    """Runs a command on this machine; its standard error is ours, so that its progress is seen."""

    def run(self, command: Sequence[str], output: Path) -> int:
        """See Launcher."""
        with open(output, "wb") as file:
            # A group of its own: a signal from the terminal reaches it through us, once, as a
            # second one would end the program before it has written what it measured.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file,
                                       process_group=0)
        interrupted = False
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                interrupted = True
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
        if interrupted or code in (INTERRUPTED, -signal.SIGINT, -signal.SIGTERM):
            raise KeyboardInterrupt
        return code if code >= 0 else 128 - code


def say(message: str) -> None:
    print(f"scaling.py: {message}", file=sys.stderr, flush=True)
