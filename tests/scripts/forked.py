# SPDX-License-Identifier: Apache-2.0
"""Scripts as processes that are forked from this one, which has loaded what they import: with
signals, locks, exit codes and streams of their own, and without the seconds that a new Python takes
to load NumPy, SciPy and Matplotlib. That each script starts alone, too, other tests see."""
from __future__ import annotations

import gc
import io
import multiprocessing.util
import os
import signal
import subprocess
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any, Callable, Mapping, NoReturn, Optional, Sequence

from convscale.cli import run_script

Main = Callable[[Sequence[str]], int]
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LIMIT_S = 240.0  # of what hangs


class Script:
    """One of scripts/, or of another folder, by the function that is its body."""

    def __init__(self, name: str, main: Main, folder: Path = SCRIPTS) -> None:
        self.path, self.main = folder / name, main

    def start(self, *options: object, env: Optional[Mapping[str, str]] = None,
              **more: Any) -> "subprocess.Popen[str]":
        """As subprocess.Popen has it: `env` is all of the environment; in a session of its own."""
        args = [os.fsdecode(os.fspath(one)) if isinstance(one, (bytes, os.PathLike)) else str(one)
                for one in options]
        environment = dict(os.environ if env is None else env)
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
                "start_new_session": True, **more}
        return subprocess.Popen([str(self.path), *args], executable="/bin/false", close_fds=False,
                                preexec_fn=lambda: self._become(args, environment), **more)

    def run(self, *options: object, **more: Any) -> "subprocess.CompletedProcess[str]":
        with self.start(*options, **more) as process:
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            finally:
                if process.poll() is None:
                    process.kill()
        assert "Traceback" not in (err or ""), err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def _become(self, args: list[str], environment: Mapping[str, str]) -> NoReturn:
        """In the child, in place of another program. What is this process's stays as it is, so that
        nothing of it is ended twice."""
        code = 1
        try:
            kept = [sys.stdin, sys.stdout, sys.stderr]
            gc.freeze()
            # Nothing is inherited, as where a program is executed: Popen waits for one of these.
            os.closerange(3, 1 << 16)
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            os.environ.clear()
            os.environ.update(environment)
            sys.stdin = open(0, encoding="utf-8", closefd=False)
            for name, number in (("stdout", 1), ("stderr", 2)):
                stream = io.open(number, "w", encoding="utf-8", closefd=False)
                stream.reconfigure(line_buffering=number == 2 or stream.isatty())
                setattr(sys, name, stream)
            sys.argv = [str(self.path), *args]
            main = types.ModuleType("__main__")  # which the workers of a pool import
            main.__dict__.update(__file__=str(self.path), __spec__=None)
            sys.modules["__main__"] = main
            code = self._end(kept)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _end(self, _kept: list[Any]) -> int:
        code = 1
        try:
            run_script(self.path.name, self.main)
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        threading._shutdown()  # type: ignore[attr-defined]  # as at a Python's own end
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                pass
        return code
