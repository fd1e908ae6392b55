# SPDX-License-Identifier: Apache-2.0
"""Scripts, and made-up programs, as processes that are forked from this one, which has loaded what
they import: with signals, locks, exit codes and streams of their own, and without the time that a
new Python takes to load NumPy, SciPy and Matplotlib. Other tests start each script alone."""
from __future__ import annotations

import functools
import gc
import multiprocessing.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any, Callable, Mapping, NoReturn, Optional, Sequence

import pytest

from convscale.cli import run_script

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LIMIT_S = 240.0  # of what hangs
_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
# In place of a program, which is never executed. Popen waits until its pipe is closed.
_INSTEAD: dict[str, Any] = {"executable": "/bin/false", "close_fds": False}


def _become(path: Path, args: Sequence[str], environment: Mapping[str, str],
            body: Callable[[], object], files: Sequence[int] = ()) -> NoReturn:
    """In a child: what a new Python would find, `body`, and what a Python does at its end. What is
    the parent's stays as it is, so that nothing of that is ended twice; but its open files go, all
    but `files`."""
    code = 1
    try:
        gc.freeze()
        for low, high in zip([2, *sorted(files)], [*sorted(files), 1 << 16]):
            os.closerange(low + 1, high)
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        os.environ.clear()
        os.environ.update(environment)
        kept = [sys.stdin, sys.stdout, sys.stderr]
        sys.stdin = open(0, encoding="utf-8", closefd=False)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)
        sys.argv = [str(path), *args]
        main = types.ModuleType("__main__")  # which the workers of a pool import
        main.__dict__.update(__file__=str(path), __spec__=None)
        sys.modules["__main__"] = main
        try:
            body()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        threading._shutdown()  # type: ignore[attr-defined]
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
        sys.stdout.flush()
        del kept
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class Script:
    """One of scripts/, or another `path`, by the function that is its body."""

    def __init__(self, name: str, main: Callable[[Sequence[str]], int],
                 path: Optional[Path] = None) -> None:
        self.name, self.main, self.path = name, main, path or SCRIPTS / name

    def start(self, *options: object, env: Optional[Mapping[str, str]] = None,
              **more: Any) -> "subprocess.Popen[str]":
        """As subprocess.Popen has it; in a session of its own."""
        args = [os.fsdecode(one) if isinstance(one, bytes) else str(one) for one in options]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
                "start_new_session": True, **more}
        environment = dict(os.environ if env is None else env)
        body = functools.partial(run_script, self.name, self.main)
        return subprocess.Popen(
            [str(self.path), *args], **_INSTEAD, **more,
            preexec_fn=lambda: _become(self.path, args, environment, body))

    def run(self, *options: object, **more: Any) -> "subprocess.CompletedProcess[str]":
        with self.start(*options, **more) as process:
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            finally:
                if process.poll() is None:
                    process.kill()
        assert "Traceback" not in (err or ""), err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class MadeUp:
    """Programs for tests, in Python: for shells, and, as long as they are what was written, forked
    where this process or one that was forked from it starts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._texts: dict[str, str] = {}
        monkeypatch.setattr(subprocess, "Popen", self._popen(subprocess.Popen))

    def write(self, path: Path, source: Path) -> Path:
        text = f"#!{sys.executable} -BSE\n{source.read_text(encoding='utf-8')}"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        self._texts[str(path)] = text
        return path

    def _found(self, program: object, environment: Mapping[str, str]) -> Optional[Path]:
        path = shutil.which(str(program), path=environment.get("PATH"))
        if path is None or path not in self._texts:
            return None
        return Path(path) if Path(path).read_text(encoding="utf-8") == self._texts[path] else None

    def _popen(self, popen: Any) -> Any:
        class Popen(popen):  # type: ignore[misc]
            def __init__(own, args: Any, **options: Any) -> None:
                environment = dict(options.get("env") or os.environ)
                path = None if isinstance(args, str) else self._found(args[0], environment)
                if path is None:
                    super().__init__(args, **options)
                    return
                code = _compiled(self._texts[str(path)], str(path))
                go, started = os.pipe()

                # What a signal raises while the callbacks of a fork run would be lost.
                mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)

                def body() -> None:
                    os.read(go, 1)  # until it is known who has been started, as it would be
                    os.close(go)
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                    exec(code, {"__name__": "__main__", "__file__": str(path)})

                files = [go, *options.pop("pass_fds", ())]
                words = [os.fspath(one) for one in args[1:]]
                try:
                    super().__init__(args, **{**options, **_INSTEAD, "preexec_fn": lambda: _become(
                        path, words, environment, body, files)})
                finally:
                    os.close(started)
                    os.close(go)
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return Popen


@functools.lru_cache
def _compiled(text: str, path: str) -> types.CodeType:
    return compile(text, path, "exec")
