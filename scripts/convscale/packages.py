# SPDX-License-Identifier: Apache-2.0
"""NumPy, SciPy and Matplotlib: one line where what Python finds of them does not work.

A too new NumPy in ~/.local, or any numpy.py on PYTHONPATH, is found before those that fit, and
then fails in every way: with any exception, and pages on standard error that compiled code prints.
"""
from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import site
import sys
import traceback
from pathlib import Path
from typing import Iterator, Optional

from convscale import import_errors
from convscale.cli import Error, UnsupportedError
from convscale.text import printable

_NAMES = {"numpy": "NumPy", "scipy": "SciPy", "matplotlib": "Matplotlib"}
_LONGEST_REASON = 160
_OTHERS = (f"{sys.executable} -m pip install --force-reinstall numpy, which is all that this needs"
           if import_errors.travels() else "Debian's python3-numpy, python3-scipy and "
           "python3-matplotlib go together, with /usr/bin/python3")


@contextlib.contextmanager
def importing(is_said_before: bool = False) -> Iterator[None]:
    """Around what imports the packages: raises UnsupportedError with a remedy where they do not
    work, and ModuleNotFoundError where they are not there; faults of our own pass. What they print
    comes out afterwards, unless they fail, or another process has said it before."""
    with _held_back(not is_said_before):
        try:
            yield
        except (Error, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # whatever code of others may raise
            if _is_theirs(error):
                raise UnsupportedError(_advice(error)) from error
            raise


def advice_on(error: BaseException) -> Optional[str]:
    """Where packages that could be imported did not work when they were used; None where `error`
    is none of that."""
    is_lack = isinstance(error, AttributeError) and re.match(
        rf"(partially initialized )?module '({'|'.join(_NAMES)})[.']", str(error))
    is_part = isinstance(error, ImportError) and _is_theirs(error)
    return _advice(error) if is_lack or is_part else None


def _is_theirs(error: BaseException) -> bool:
    """Whether `error` came out of the packages, or of what stands in their place."""
    places = {name: place for name in _NAMES if (place := _place(name)) is not None}
    if isinstance(error, ImportError) and (error.name or "").split(".")[0] in places:
        return True
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return any(file.startswith((f"{place / name}{os.sep}", f"{place / name}."))
               for file in (*files, import_errors.file_of(error))
               for name, place in places.items())


@contextlib.contextmanager
def _held_back(is_shown: bool) -> Iterator[None]:
    """Standard error, of compiled code, too; dropped where the body raises Error."""
    try:
        real = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    held = os.memfd_create("stderr")
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held, 2)
        yield
    except Error:
        is_shown = False
        raise
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(real, 2)
        if is_shown and (size := os.lseek(held, 0, os.SEEK_END)):
            with contextlib.suppress(OSError):
                os.write(2, os.pread(held, size, 0))
        os.close(held)
        os.close(real)


def _place(name: str) -> Optional[Path]:
    """The folder in which Python finds a package, or a module of its name."""
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # what is half imported, or what a .pth file brought along, may raise any
        spec = None
    loaded = getattr(sys.modules.get(name), "__file__", None)
    origin = loaded or (spec.origin if spec is not None else None)
    if origin is None:
        return None
    path = Path(os.path.abspath(origin))
    return path.parent.parent if path.name == "__init__.py" else path.parent


def _version(name: str, place: Path) -> str:
    found = importlib.metadata.distributions(name=name, path=[str(place)])
    with contextlib.suppress(Exception):  # metadata of others may be anything
        return " " + next(iter(found)).version
    return ""


def _advice(error: BaseException) -> str:
    """One line: which packages, where, what they said, and what would work."""
    places = {name: place for name in _NAMES if (place := _place(name)) is not None}
    parts = []
    for place in dict.fromkeys(places.values()):
        names = [_NAMES[name] + _version(name, place) for name in places if places[name] == place]
        parts.append(f"{' and '.join(names)} in {place}")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    if len(reason) > _LONGEST_REASON:
        reason = reason[:_LONGEST_REASON] + "..."
    which = ", ".join(parts) or "the packages that this needs"
    return printable(f"{which}, as {sys.executable} finds them, cannot be used ({reason}); "
                     f"{_remedy(list(places.values()))}")


def _remedy(places: list[Path]) -> str:
    ways = []
    entries = os.environ.get("PYTHONPATH", "")
    if entries and any(Path(os.path.abspath(entry)) in (place, *place.parents)
                       for entry in entries.split(os.pathsep) for place in places):
        ways.append("env -u PYTHONPATH before the command leaves out what is there")
    with contextlib.suppress(Exception):  # no home, perhaps
        if Path(site.getusersitepackages()) in places:
            ways.append("PYTHONNOUSERSITE=1 before the command leaves out ~/.local")
    return f"{', and '.join(ways) or 'mend them there'}; {_OTHERS}"
