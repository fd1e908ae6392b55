# SPDX-License-Identifier: Apache-2.0
"""A peer in a process group of its own, which ends at a limit; what it finished is kept."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from convscale.record import Json
from convscale.text import printable

_SCRIPTS = Path(__file__).resolve().parents[2]
_CODE = ("import sys; sys.path.insert(0, sys.argv.pop(1)); "
         "from convscale.peers.child import main; sys.exit(main(sys.argv[1:]))")
_POLL_S = 0.05
_END_S = 5.0  # for a process that a driver keeps


class Ended(Exception):
    """The process is gone before it was done; the text says why."""


class TimeUp(Ended):
    """It was ended at its limit."""


class PeerProcess:
    """Used as a context, at whose end all of the process group is gone."""

    def __init__(self, job: dict[str, Any], files: Sequence[int], environment: dict[str, str],
                 left_s: float) -> None:
        self._job, self._files, self._environment = job, files, environment
        self.left_s = left_s  # goes down while it is waited for
        self.hello: Optional[dict[str, Any]] = None
        self.begun: Optional[int] = None  # the number of the row that it is at
        self.records: dict[int, Json] = {}
        self._offset = 0

    def __enter__(self) -> "PeerProcess":
        self._folder = tempfile.TemporaryDirectory(prefix="convscale-peer-",
                                                   ignore_cleanup_errors=True) \
            if sys.version_info >= (3, 10) else tempfile.TemporaryDirectory(
                prefix="convscale-peer-")
        folder = Path(self._folder.name)
        self._said, self._log = folder / "said.jsonl", folder / "log.txt"
        (folder / "job.json").write_text(json.dumps(self._job), encoding="utf-8")
        self._said.touch()
        flags = ["-B"] if sys.dont_write_bytecode else []
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-c", _CODE, str(_SCRIPTS), str(folder / "job.json"),
                 str(self._said)], stdin=subprocess.PIPE, stdout=log, stderr=log,
                pass_fds=self._files, env=self._environment, start_new_session=True)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):  # also what an ended one left behind
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._read()
        self._folder.cleanup()

    def go(self) -> None:
        """The data is there, and so much time is left."""
        with contextlib.suppress(OSError):  # it has ended, which is seen elsewhere
            self._process.stdin.write(b"%f\n" % self.left_s)  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def wait(self, is_done: Callable[[], bool]) -> None:
        """Until `is_done` of what it has said. Raises Ended where it ends before."""
        while True:
            is_running = self._process.poll() is None
            self._read()
            if is_done():
                return
            if not is_running:
                raise Ended(self._how_it_ended())
            if self.left_s <= 0:
                raise TimeUp
            start = time.monotonic()
            time.sleep(_POLL_S)
            self.left_s -= time.monotonic() - start

    def _read(self) -> None:
        with open(self._said, "rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[:text.rfind(b"\n") + 1]  # what follows is not written yet
        self._offset += len(whole)
        for line in whole.splitlines():
            said = json.loads(line)
            self.hello = said.get("hello", self.hello)
            self.begun = said.get("begun", self.begun)
            if "record" in said:
                self.records[said["number"]] = said["record"]
                self.begun = None

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        if code >= 0:
            how = f"its process ended with exit code {code}"
        else:
            with contextlib.suppress(ValueError):
                code = signal.Signals(-code).name
            how = f"its process was ended by {code}"
        return printable(f"{how}: {said[:200]}")
