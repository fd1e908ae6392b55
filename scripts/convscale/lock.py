# SPDX-License-Identifier: Apache-2.0
"""One script at a time writes what is measured into a folder."""
from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import platform
import time
from pathlib import Path
from typing import Any, Iterator, Optional

from convscale.cli import UsageError
from convscale.text import printable

NAME = ".lock"  # of the file, in the folder

# Of the locks that this process holds. What measures gets them along (Popen's pass_fds): it may
# outlive a script that is killed, and the folder is not free before both have ended.
_HELD: list[int] = []
_PATIENCE_S = 60.0  # with a report, which takes a few seconds
_WAIT = "; wait for it, or give another folder"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)  # of a file system


class InUse(UsageError):
    """Somebody else is at work in the folder."""

    def __init__(self, folder: Path, holder: dict[str, Any], advice: str) -> None:
        super().__init__(f"--out {folder}: {_at_work(holder)}{advice}")
        self.is_brief = bool(holder.get("is_brief"))


def held() -> tuple[int, ...]:
    """Descriptors for pass_fds of what this process starts to write into the folder."""
    return tuple(_HELD)


@contextlib.contextmanager
def only_one(folder: Path, script: str, is_brief: bool = False) -> Iterator[None]:
    """Makes the folder, and has it to itself. Raises InUse, and OSError where it cannot be made or
    written. A folder that was made for this and is empty afterwards goes again.

    One that `is_brief`, such as a report, is waited for."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = _wait(folder, {**_own(script), "is_brief": is_brief})
        _HELD.append(descriptor)
        try:
            yield
        finally:
            _HELD.remove(descriptor)
            with contextlib.suppress(OSError):
                (folder / NAME).unlink()
            os.close(descriptor)
    finally:
        for path in made:
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()


def _wait(folder: Path, own: dict[str, Any]) -> int:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return _take(folder, own)
        except InUse as error:
            if not error.is_brief or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _take(folder: Path, own: dict[str, Any]) -> int:
    """The kernel's lock on a file ends with its holder, however that ends; the text in the file
    says who that is, also to hosts and file systems that such locks do not reach."""
    path = folder / NAME
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _check_free(folder, descriptor)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    os.truncate(descriptor, 0)
                    os.pwrite(descriptor, json.dumps(own).encode(), 0)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder has deleted it meanwhile: once more


def _check_free(folder: Path, descriptor: int) -> None:
    is_known = True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise InUse(folder, _read(descriptor), _WAIT) from error
        if error.errno not in _NO_LOCKS:
            raise
        is_known = False
    holder = _read(descriptor)
    if not holder:
        return
    if holder.get("host") != platform.node():
        raise InUse(folder, holder, f", which cannot be seen from {printable(platform.node())}; "
                    f"wait for it, or remove {folder / NAME} if it is not so")
    if not is_known and _started(holder.get("process")) == holder.get("started"):
        raise InUse(folder, holder, _WAIT)


def _read(descriptor: int) -> dict[str, Any]:
    """Empty where the holder has not said anything yet, or nothing that is understood."""
    try:
        raw = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


def _own(script: str) -> dict[str, Any]:
    now = datetime.datetime.now().astimezone()
    return {"script": script, "process": os.getpid(), "host": platform.node(),
            "started": _started(os.getpid()), "since": now.strftime("%Y-%m-%d %H:%M:%S %Z")}


def _started(process: object) -> Optional[str]:
    """When a process of this host began, in ticks since the host did; None: there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _at_work(holder: dict[str, Any]) -> str:
    """Who, for a person."""
    if not holder:
        return "another process is at work there"
    process, host = holder.get("process"), holder.get("host")
    text = printable(f"{holder.get('script')}, process {process} on {host}, since "
                     f"{holder.get('since')}")
    if host == platform.node() and _started(process) != holder.get("started"):
        return f"what {text}, has started is still at work there, though that process has ended"
    return f"{text}, is at work there"
