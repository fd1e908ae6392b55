# SPDX-License-Identifier: Apache-2.0
"""Imported first by each script: ends it with one line where this Python is too old to read the
rest, or finds others' modules in place of its own. Must itself be read by Python 3.6."""
import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("{}: Python {}.{} is too old; start it with Python 3.11 or later, such as "
                     "python3.11 {}\n".format(os.path.basename(sys.argv[0]), sys.version_info[0],
                                              sys.version_info[1], sys.argv[0]))
    sys.exit(3)


def _end(kind, error, trace):  # type: ignore[no-untyped-def]
    """What fails while the first modules are imported, as where a random.py on PYTHONPATH is found
    in place of Python's: cli.run_script, which has lines for all else, is not there yet."""
    if issubclass(kind, KeyboardInterrupt):
        line, code = "interrupted by a signal", 130
    else:
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = trace.tb_frame.f_code.co_filename if trace is not None else "a module"
        line, code = ("{} cannot be imported by {} ({}: {}); env -u PYTHONPATH "
                      "PYTHONNOUSERSITE=1 before the command leaves out what is not Python's own "
                      "or Debian's".format(where, sys.executable, kind.__name__,
                                           (str(error).splitlines() or [""])[0])), 3
    sys.stderr.write("{}: {}\n".format(os.path.basename(sys.argv[0]), line))
    sys.stderr.flush()
    os._exit(code)


sys.excepthook = _end
