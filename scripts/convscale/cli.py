# SPDX-License-Identifier: Apache-2.0
"""What all scripts have in common on the command line: errors of one line, exit codes, values."""
from __future__ import annotations

import argparse
import errno
import fcntl
import glob
import importlib
import io
import os
import re
import secrets
import signal
import string
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Callable, NoReturn, Optional, Sequence, TypeVar

from convscale import import_errors

T = TypeVar("T")

OK, USAGE, UNSUPPORTED, VERIFICATION, FAILURE, INTERRUPTED = 0, 2, 3, 4, 5, 130

_PARTIAL, _RANDOM = ".partial-", 6  # of a temporary's name, and the letters behind it
_LETTERS = string.ascii_letters + string.digits

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
          "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class Error(Exception):
    """Ends a script: one line that says what, where, and what would work."""

    code = FAILURE


class UsageError(Error):
    """A bad option, value, combination or input file."""

    code = USAGE


class UnsupportedError(Error):
    """Something that this machine lacks."""

    code = UNSUPPORTED


class Parser(argparse.ArgumentParser):
    """Takes options by their whole name only; a bad one is a UsageError."""

    def __init__(self, prog: str, description: str, example: str) -> None:
        super().__init__(prog=prog, description=description, epilog=f"Example: {example}",
                         allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; {self.prog} --help lists the options")


def main_of(module: str) -> Callable[[Sequence[str]], int]:
    """`main` of a module that is imported when it runs: for `run_script`, which then has a line for
    a package that this Python lacks, or that does not work."""
    def body(args: Sequence[str]) -> int:
        from convscale.packages import importing
        with importing():
            main: Callable[[Sequence[str]], int] = importlib.import_module(module).main
        return main(args)
    return body


def run_script(prog: str, body: Callable[[Sequence[str]], int]) -> NoReturn:
    """Runs `body` with the arguments and exits with its code; what it raises becomes one line."""
    sys.excepthook = sys.__excepthook__  # from here on, each error has its line or its traceback
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files and machines may hold anything
            stream.reconfigure(errors="backslashreplace")
    try:
        code = body(sys.argv[1:])
        sys.stdout.flush()
    except Error as error:
        message, code = str(error), error.code
    except ModuleNotFoundError as error:
        remedy = (f"{sys.executable} -m pip install {error.name}, or start it with the python3 "
                  "that has it" if import_errors.travels() else "install Debian's python3-numpy, "
                  "python3-scipy and python3-matplotlib, and use /usr/bin/python3")
        message, code = f"{sys.executable} has no module {error.name}; {remedy}", UNSUPPORTED
    except MemoryError:
        message, code = "out of memory; fewer or smaller images would do", FAILURE
    except BrokenPipeError:
        _drop_output_that_does_not_go()  # nobody reads on
        sys.exit(FAILURE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message, code = f"{where}{error.strerror or error}", FAILURE
        _drop_output_that_does_not_go()
    except KeyboardInterrupt:
        message, code = "interrupted by a signal", INTERRUPTED
    except Exception as error:
        advice = _advice_on(error)
        if advice is None:
            raise
        message, code = advice, UNSUPPORTED
    else:
        sys.exit(code)
    print(f"{prog}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _advice_on(error: Exception) -> Optional[str]:
    """Where modules of others are at fault."""
    if import_errors.is_in_place_of_pythons(import_errors.file_of(error)):
        return import_errors.advice_on(error)
    from convscale.packages import advice_on
    return advice_on(error)


def _open_what_is_closed() -> None:
    """Standard input, output and error, on nothing: else the next file takes the number, and the
    text of a child lands in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))


def _drop_output_that_does_not_go() -> None:
    """Else Python tries once more at its end, and from 3.13 on ends with 120 for it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interrupt_on_termination() -> None:
    """From now on, termination and a closed terminal are interrupts, too; nohup's is no closed one.
    """
    def raise_interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, raise_interrupt)


def write_text(path: Path, text: str) -> None:
    """As write_file. What is no Unicode, such as part of another file's name, becomes an escape."""
    write_file(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def write_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Has `write` write `path` whole or not at all; what a link points to, and a device, a pipe or
    a descriptor such as /dev/stdout in place. Raises OSError that names `path`."""
    try:
        target = _follow_links(path)
        if _is_descriptor(target) or (target.exists() and not target.is_file()):
            if target == Path("/proc/self/fd/1"):
                sys.stdout.flush()  # what was said before stands before
            with _open_in_place(target) as file:
                write(file)
        else:
            _replace(target, write)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def check_writable(path: Path) -> None:
    """Raises OSError that names `path` where write_file could not write it; leaves it as it is."""
    try:
        target = _follow_links(path)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if _is_descriptor(target):
            _open_in_place(target).close()
        elif not target.exists() or target.is_file():
            tempfile.TemporaryFile(dir=target.parent).close()
        elif not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _follow_links(path: Path) -> Path:
    """What `path` leads to; but a descriptor, and not the file behind it."""
    folder = Path(os.path.realpath(path.parent))
    if _is_descriptor(folder / "0") and folder.is_relative_to(f"/proc/{os.getpid()}"):
        folder = Path("/proc/self/fd")
    target = folder / path.name
    if _is_descriptor(target) or not target.is_symlink():
        return target
    try:
        return _follow_links(folder / os.readlink(target))
    except RecursionError:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None


def _is_descriptor(path: Path) -> bool:
    return str(path.parent).startswith("/proc/") and path.parent.name == "fd"


def _open_in_place(target: Path) -> BinaryIO:
    """Of our descriptors a copy, which goes on where it is; opened anew, it would begin at the
    front."""
    if target.parent == Path("/proc/self/fd") and target.name.isdecimal():
        number = int(target.name)
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return open(os.dup(number), "wb")
    return open(target, "ab" if _is_descriptor(target) else "wb")


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    _remove_orphans(path)
    file, temporary = _make_temporary(path)
    try:
        with file:
            write(file)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)  # it is made as one that only its owner reads
            file.flush()
            os.fsync(file.fileno())  # says whether all is written
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _begin_of_temporaries(path: Path) -> str:
    """All of the name, unless that leaves no room: file systems take 255 bytes."""
    return os.fsdecode(os.fsencode(path.name)[:255 - len(_PARTIAL) - _RANDOM]) + _PARTIAL


def _make_temporary(path: Path) -> tuple[BinaryIO, Path]:
    """The name, and the lock that says that somebody writes to it, are those of the program, too
    (bench/data/output_file.cpp). One that was taken for an orphan's before it had the lock is
    gone, or will be: then another."""
    while True:
        letters = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
        temporary = path.with_name(_begin_of_temporaries(path) + letters)
        try:
            file = open(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                                0o600), "wb")
        except FileExistsError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            temporary.unlink(missing_ok=True)
            continue
        except OSError:
            pass  # where there are no locks, nothing is taken for an orphan
        if os.fstat(file.fileno()).st_nlink > 0:
            return file, temporary
        file.close()


def _remove_orphans(path: Path) -> None:
    """Takes away what runs that were killed have left: nobody holds their locks."""
    begin = glob.escape(_begin_of_temporaries(path))
    for orphan in path.parent.glob(begin + "?" * _RANDOM):
        with suppress(OSError), open(orphan, "r+b", opener=_not_by_a_link) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            orphan.unlink()


def _not_by_a_link(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def parse_count(option: str, text: str, least: int, most: Optional[int] = None) -> int:
    if (not re.fullmatch(r"[0-9]{1,20}", text) or int(text) < least
            or int(text) > (10**18 - 1 if most is None else most)):
        to = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise UsageError(f"{option} {text}: expected a whole number {to}")
    return int(text)


def parse_choice(option: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise UsageError(f"{option} {text}: expected one of {', '.join(known)}")
    return text


def parse_size(option: str, text: str) -> tuple[int, int]:
    """(height, width) of "1000" or "480x640"."""
    match = re.fullmatch(r"([0-9]{1,10})(?:x([0-9]{1,10}))?", text)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if height < 1 or width < 1:
        raise UsageError(f"{option} {text}: expected SIDE or HEIGHTxWIDTH in pixels, each at least "
                         "1, such as 1000 or 480x640")
    return height, width


def parse_pixels(option: str, text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})([kMGT]|[KMGT]i)?", text)
    if match is None or int(match[1]) < 1:
        raise UsageError(f"{option} {text}: expected a count of pixels of at least 1, such as "
                         "33554432, 32Mi or 1G")
    return int(match[1]) * _UNITS[match[2] or ""]


def parse_seconds(option: str, text: str) -> float:
    """A finite number of seconds of at least 0."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text):
        raise UsageError(f"{option} {text}: expected a number of seconds, such as 0.5")
    return float(text)


def parse_percent(option: str, text: str) -> float:
    """The fraction of "5%" or "5": 0.05."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]*)?|\.[0-9]+) ?%?", text)
    if match is None:
        raise UsageError(f"{option} {text}: expected a percentage, such as 5%")
    return float(match[1]) / 100


def parse_list(option: str, text: str) -> list[str]:
    """The elements of "a,b,c", none of them empty."""
    elements = [element.strip() for element in text.split(",")]
    if not all(elements):
        raise UsageError(f"{option} {text}: expected elements between commas, such as 1,2,4"
                         if text.strip() else f"{option}: the list is empty")
    return elements


def parse_choices(option: str, text: str, known: Sequence[str]) -> list[str]:
    return [parse_choice(option, value, known) for value in parse_list(option, text)]


def parse_unique(option: str, text: str, parse: Callable[[str, str], T]) -> tuple[T, ...]:
    """The elements of a list, in its order, by `parse`, none of them twice."""
    parsed = [parse(option, element) for element in parse_list(option, text)]
    unique = tuple(dict.fromkeys(parsed))
    if len(unique) != len(parsed):
        raise UsageError(f"{option} {text}: has an element twice; leave one out")
    return unique
