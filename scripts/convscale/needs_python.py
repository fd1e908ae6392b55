# SPDX-License-Identifier: Apache-2.0
"""Imported first by each script: ends it with one line where this Python is too old to read the
rest, or finds others' modules in place of its own. Must itself be read by Python 3.6."""
import os
import sys

from convscale import import_errors

_LEAST = (3, 9) if import_errors.travels() else (3, 11)  # Debian's

if sys.version_info < _LEAST:
    sys.stderr.write("{0}: Python {1}.{2} is too old; start it with Python {3}.{4} or later, such "
                     "as python{3}.{4} {5}\n".format(os.path.basename(sys.argv[0]),
                                                     sys.version_info[0], sys.version_info[1],
                                                     _LEAST[0], _LEAST[1], sys.argv[0]))
    sys.exit(3)


def _end(kind, error, trace):  # type: ignore[no-untyped-def]
    """What fails while the first modules are imported: cli.run_script, which has lines for all
    else, is not there yet."""
    if issubclass(kind, KeyboardInterrupt):
        line, code = "interrupted by a signal", 130
    elif issubclass(kind, MemoryError):
        line, code = "out of memory", 5
    elif issubclass(kind, OSError):
        line, code = "{}: {}".format(error.filename or import_errors.file_of(error),
                                     error.strerror or error), 5
    elif import_errors.is_own(import_errors.file_of(error)):
        sys.__excepthook__(kind, error, trace)
        return
    else:
        line, code = import_errors.advice_on(error), 3
    sys.stderr.write("{}: {}\n".format(os.path.basename(sys.argv[0]), line))
    sys.stderr.flush()
    os._exit(code)


sys.excepthook = _end
