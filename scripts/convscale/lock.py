# SPDX-License-Identifier: Apache-2.0
"""One script at a time writes what is measured into a folder."""
from __future__ import annotations

import contextlib
import ctypes
import datetime
import errno
import fcntl
import json
import os
import platform
import tempfile
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
# ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, overlayfs, F2FS, ZFS, as in statfs(2)
_LOCAL = (0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x858458F6, 0x794C7630, 0xF2F52010,
          0x2FC12FC1)
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
            is_locked = _is_locked(folder, descriptor)
            if is_locked:
                _check_foreign(folder, descriptor)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                        os.truncate(descriptor, 0)
                        os.pwrite(descriptor, json.dumps(own).encode(), 0)
                        return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not is_locked:
            return _take_without_locks(folder, own)
        # Else its holder has deleted it meanwhile: once more.


def _is_locked(folder: Path, descriptor: int) -> bool:
    """False where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise InUse(folder, _read(descriptor), _WAIT) from error
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _check_foreign(folder: Path, descriptor: int) -> None:
    """The lock says all of this host, and of all where the files are on its own disk: then the
    host of another name, such as the container of the night before, has ended."""
    holder = _read(descriptor)
    if holder and holder.get("host") != platform.node() and not (
            _is_local(descriptor) and _is_free_for_clients(descriptor)):
        raise InUse(folder, holder, _unseen(folder))


def _unseen(folder: Path) -> str:
    return (f", which cannot be seen from {printable(platform.node())}; wait for it, or remove "
            f"{folder / NAME} if it is not so")


def _is_local(descriptor: int) -> bool:
    """Whether nobody but this host's kernel has this file system. False where that is not known."""
    status = ctypes.create_string_buffer(512)  # more than struct statfs, whose first word this is
    try:
        if ctypes.CDLL(None).fstatfs(descriptor, status) != 0:
            return False
    except (OSError, AttributeError):
        return False
    return ctypes.c_long.from_buffer(status).value & 0xFFFFFFFF in _LOCAL


def _is_free_for_clients(descriptor: int) -> bool:
    """On an NFS server its clients' locks are those of fcntl, which flock does not see."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
    except OSError:
        return False
    return True


def _take_without_locks(folder: Path, own: dict[str, Any]) -> int:
    """A second name, which a link gives to one only, is held while the first is looked at."""
    path, taking = folder / NAME, folder / f"{NAME}.taking"
    handle, name = tempfile.mkstemp(dir=folder, prefix=f"{NAME}.")
    try:
        os.write(handle, json.dumps(own).encode())
        _link_when_free(folder, name, taking)
        try:
            holder = _read_file(path)
            if holder and holder.get("host") != platform.node():
                raise InUse(folder, holder, _unseen(folder))
            if holder and not _has_ended(holder):
                raise InUse(folder, holder, _WAIT)
            os.chmod(name, 0o666 & ~_mask())
            os.replace(name, path)
        finally:
            taking.unlink(missing_ok=True)
        return handle
    except BaseException:
        os.close(handle)
        Path(name).unlink(missing_ok=True)
        raise


def _link_when_free(folder: Path, name: str, taking: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return os.link(name, taking)
        except FileExistsError:
            holder = _read_file(taking)
            if holder and holder.get("host") == platform.node() and _has_ended(holder):
                taking.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise InUse(folder, holder, f"; wait for it, or remove {taking} if it is not so"
                            ) from None
        time.sleep(0.001)


def _has_ended(holder: dict[str, Any]) -> bool:
    return _started(holder.get("process")) != holder.get("started")


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read_file(path: Path) -> dict[str, Any]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


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
