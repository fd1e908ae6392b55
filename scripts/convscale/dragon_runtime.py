# SPDX-License-Identifier: Apache-2.0
"""The kernel scipy-dragon: the same pool in the Dragon runtime, which has a launcher of its own."""
from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator, Optional

import numpy as np

from convscale.cli import Error, UnsupportedError
from convscale.host import job_nodes
from convscale.pools import Job, Measurement, OnTime
from convscale.workload import Source

_HOW_TO_GET = ("scripts/dragon_env.sh makes an environment with it; then give --dragon=FOLDER or "
               "set CONVSCALE_DRAGON to that folder")
_CHECK = """
import dragon, importlib.metadata, numpy, platform, scipy.signal
print(f"Dragon {importlib.metadata.version('dragonhpc')}, SciPy {scipy.__version__}, "
      f"NumPy {numpy.__version__}, Python {platform.python_version()}")
"""
_SHARED_BYTES = 5 * 10**9  # with more than that free, room is not why it does not start
_POLL_S = 0.2
_START_S = 120.0  # from the launcher's start to the job's; a few seconds where all is well
_START_ON_NODES_S = 600.0
_END_S = 20.0


@dataclass(frozen=True)
class Runtime:
    """A Dragon installation that works."""

    launcher: Path
    software: str


def _launcher_in(path: Path) -> Path:
    """Of a launcher, a Python interpreter beside one, or a virtual environment."""
    if path.is_dir():
        return path / "bin" / "dragon"
    return path if path.name == "dragon" else path.parent / "dragon"


def _candidates(option: Optional[str]) -> Iterator[Path]:
    given = option or os.environ.get("CONVSCALE_DRAGON")
    if given:
        yield _launcher_in(Path(given))
        return
    yield Path(sys.executable).parent / "dragon"
    found = shutil.which("dragon")
    if found:
        yield Path(found)


def _python_of(launcher: Path) -> str:
    """The interpreter that runs the launcher, and so the job."""
    beside = launcher.parent / "python3"
    if beside.exists():
        return str(beside)
    with open(launcher, "rb") as file:
        first = file.readline(4096).decode("utf-8", "replace")
    return first.removeprefix("#!").strip() if first.startswith("#!") else sys.executable


def find_runtime(option: Optional[str]) -> Runtime:
    """Raises UnsupportedError where there is no Dragon, or none that works."""
    launchers = [path for path in _candidates(option) if path.is_file()]
    if not launchers:
        where = option or os.environ.get("CONVSCALE_DRAGON")
        raise UnsupportedError(f"no Dragon runtime {f'in {where}' if where else 'here'} (package "
                               f"dragonhpc); {_HOW_TO_GET}")
    launcher = Path(os.path.abspath(launchers[0]))
    python = _python_of(launcher)
    try:
        done = subprocess.run([python, "-c", _CHECK], capture_output=True, text=True,
                              timeout=_START_S, check=False, env=_without_path())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnsupportedError(f"{launcher}: its Python does not run ({error}); "
                               f"{_HOW_TO_GET}") from error
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UnsupportedError(f"{launcher}: is of no Dragon that works ({why}); {_HOW_TO_GET}")
    return Runtime(launcher, done.stdout.strip())


def _without_path() -> dict[str, str]:
    """The job has a PYTHONPATH of its own, and not that of this Python."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _start(runtime: Runtime, folder: Path) -> subprocess.Popen[bytes]:
    package = Path(__file__).resolve().parent
    # Dragon's workers find the package by PYTHONPATH alone. The folder holds nothing else, and the
    # job a copy in another, so that none of our modules is in the way of another's of that name.
    path = folder / "path"
    path.mkdir()
    (path / "convscale").symlink_to(package)
    job = shutil.copyfile(package / "dragon_job.py", folder / "job.py")
    bin_folder = runtime.launcher.parent
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(path),
                   "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    # A session of its own: an interrupt from the terminal is passed on by _interrupt only, and what
    # does not end can be found. The shell leads it, since Dragon makes itself leader of a process
    # group, which a session's leader cannot, and then waits for ever.
    mode = "-m" if job_nodes() > 1 else "-s"
    command = ["sh", "-c", '"$@"; exit "$?"', "sh", str(runtime.launcher), mode, str(job),
               str(folder)]
    with open(folder / "log.txt", "wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                env=environment, start_new_session=True)


def _interrupt(launcher: subprocess.Popen[bytes], folder: Path) -> None:
    """Has the job end by itself, so that the runtime leaves no process and no shared memory; a
    launcher that is told so hangs."""
    deadline = time.monotonic() + _END_S
    while (launcher.poll() is None and not (folder / "pid.txt").exists() and
           time.monotonic() < deadline):
        time.sleep(_POLL_S)
    with contextlib.suppress(OSError, ValueError):
        number, host = (folder / "pid.txt").read_text().split(" ", 1)
        if host == platform.node():  # of several nodes, it may run on another
            os.kill(int(number), signal.SIGINT)
    _end(launcher)


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """Waits for the runtime to end, and kills what does not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        launcher.wait(_END_S)
        return
    shared: set[str] = set()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if process.name.isdigit() and os.getsid(int(process.name)) == launcher.pid:
                shared |= set(re.findall(r"/dev/shm/\S+", (process / "maps").read_text()))
                os.kill(int(process.name), signal.SIGKILL)
    launcher.wait()
    for name in shared:  # killed processes leave it
        Path(name).unlink(missing_ok=True)


class _Times:
    """The lines of times.txt, as they come."""

    def __init__(self, path: Path, on_time: OnTime) -> None:
        self._path, self._on_time = path, on_time
        self.times_s: list[float] = []

    def read(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            lines = self._path.read_text().split("\n")[:-1]  # what follows the last is not whole
            for line in lines[len(self.times_s):]:
                self.times_s.append(float(line))
                self._on_time(float(line))


def _wait(launcher: subprocess.Popen[bytes], folder: Path, times: _Times) -> None:
    started = time.monotonic()
    most = _START_ON_NODES_S if job_nodes() > 1 else _START_S
    while launcher.poll() is None and not (folder / "reply.json").exists():
        if time.monotonic() - started > most and not (folder / "pid.txt").exists():
            raise Error(f"Dragon's runtime did not start within {most:.0f} s")
        with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(_POLL_S)
        times.read()


def _last_line(folder: Path) -> str:
    lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip() and not line.startswith("+++")]
    return said[-1] if said else "it said nothing"


def _shared_memory_hint() -> str:
    with contextlib.suppress(OSError):
        free = shutil.disk_usage("/dev/shm").free
        if free < _SHARED_BYTES:
            return f"; /dev/shm has {free / 1e9:.2f} GB free, which may be too little"
    return ""


def measure(runtime: Runtime, source: Source, job: Job, on_time: OnTime) -> Measurement:
    """As pools.measure, in a runtime of its own, which makes the data, too. On several nodes, its
    files are in the current directory, which all of them must see."""
    with tempfile.TemporaryDirectory(prefix="convscale-dragon-", ignore_cleanup_errors=True,
                                     dir=Path.cwd() if job_nodes() > 1 else None) as name:
        folder = Path(name)
        request = {"source": asdict(source), "job": asdict(job)}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        times = _Times(folder / "times.txt", on_time)
        measurement = Measurement()
        launcher = _start(runtime, folder)
        try:
            _wait(launcher, folder, times)
        except KeyboardInterrupt:
            measurement.status, measurement.reason = "interrupted", "interrupted by a signal"
            _interrupt(launcher, folder)
        except Error as error:
            measurement.status, measurement.reason = "failed", str(error)
            _interrupt(launcher, folder)
        finally:
            _end(launcher)
        times.read()
        measurement.take_times(job, times.times_s)
        _take_reply(measurement, folder)
        return measurement


def _take_reply(measurement: Measurement, folder: Path) -> None:
    reply_file = folder / "reply.json"
    if not reply_file.exists():
        if measurement.status == "ok":
            measurement.status = "failed"
            measurement.reason = (f"Dragon's runtime ended early: {_last_line(folder)}"
                                  f"{_shared_memory_hint()}")
        return
    reply = json.loads(reply_file.read_text(encoding="utf-8"))
    if measurement.status == "ok":
        measurement.status, measurement.reason = reply["status"], reply["reason"]
    measurement.setup_s, measurement.generation_s = reply["setup_s"], reply["generation_s"]
    if (folder / "results.npy").exists():
        measurement.results = np.load(folder / "results.npy")
