# SPDX-License-Identifier: Apache-2.0
"""How a worker of a pool begins. Imports nothing itself that may not work in the worker."""
from __future__ import annotations

import importlib
import os
import signal
from typing import Any

from convscale.cli import UNSUPPORTED, UnsupportedError
from convscale.packages import importing

TERMINATIONS = frozenset({signal.SIGTERM, signal.SIGHUP})


def begin(faults: Any) -> None:
    """Imports what the tasks need; ends the worker if that fails, with the reason in the queue
    `faults`, and nothing on standard error."""
    _leave_interrupts_to_the_parent()
    try:
        with importing(is_said_before=True):
            importlib.import_module("convscale.pools")
    except (Exception, SystemExit) as error:  # the parent could import it
        is_said = isinstance(error, (UnsupportedError, ModuleNotFoundError))
        reason = str(error) if is_said else f"{type(error).__name__}: {error}"
        faults.put(f"a worker process cannot work: {reason}")
        os._exit(UNSUPPORTED)  # an exception would be pages, from each that the pool makes anew


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in TERMINATIONS:  # a forked worker has the parent's handlers; Pool ends it by one
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:  # nohup's
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINATIONS)
