# SPDX-License-Identifier: Apache-2.0
"""Whose fault it is that a module cannot be imported: ours, or that of one which is found in place
of another. Read by Python 3.6, too, for needs_python."""
import os
import sys


def travels() -> bool:
    """Whether this is gpu_peers.py, which goes to nodes, where the libraries come with a Python of
    their own, perhaps an older one, and where nobody installs Debian's packages."""
    return os.path.basename(sys.argv[0]) == "gpu_peers.py"


def file_of(error: BaseException) -> str:
    """Of what fails: the module that cannot be read, or lacks what is asked of it, or raises."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    lacking = getattr(error, "obj", None)  # of AttributeError
    if isinstance(error, SyntaxError):
        found = error.filename
    elif isinstance(error, ImportError):
        found = error.path
    else:
        found = getattr(lacking, "__file__", None) if isinstance(lacking, type(sys)) else None
    return str(found or (trace.tb_frame.f_code.co_filename if trace is not None else "a module"))


def is_own(path: str) -> bool:
    scripts = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return os.path.abspath(path).startswith(scripts + os.sep)


def is_in_place_of_pythons(path: str) -> bool:
    """Whether this module is found before one of that name of Python's own."""
    folder, name = os.path.split(os.path.abspath(path))
    if name == "__init__.py":
        folder, name = os.path.split(folder)
    own = getattr(sys, "stdlib_module_names", ())  # since Python 3.10
    return (os.path.splitext(name)[0] in own and not is_own(path)
            and folder != os.path.dirname(os.__file__)
            and folder in [os.path.abspath(entry) for entry in sys.path])


def advice_on(error: BaseException) -> str:
    """One line, where a random.py on PYTHONPATH is found in place of Python's, or such."""
    return ("{} cannot be imported by {} ({}: {}); env -u PYTHONPATH PYTHONNOUSERSITE=1 before the "
            "command leaves out what is not Python's own or Debian's".format(
                file_of(error), sys.executable, type(error).__name__,
                (str(error).splitlines() or [""])[0]))
