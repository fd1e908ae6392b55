# SPDX-License-Identifier: Apache-2.0
"""The process of one peer: says whether its library is there, waits for the data, and writes each
row behind the last as soon as it is done."""
from __future__ import annotations

import ctypes
import importlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from convscale.peers.measure import Request, measure
from convscale.peers.peer import Peer, first_line
from convscale.peers.shared import Shared

_PR_SET_PDEATHSIG = 1
_ITERATING = 0.7  # of a row's time; the comparison of the results comes after
# Where a module comes from a package of another name.
_PIP = {"cupy": "cupy-cuda12x", "jax": "'jax[cuda12]'"}


def make_peer(target: str) -> Peer:
    """Of "module:Class"."""
    module, name = target.split(":")
    peer: Peer = getattr(importlib.import_module(module), name)()
    return peer


def _missing(peer: Peer) -> Optional[str]:
    try:
        return peer.missing()
    except ModuleNotFoundError as error:
        module = str(error.name).partition(".")[0]
        needs = f"{peer.name} needs {module}: " if module != peer.name else ""
        return (f"{needs}{sys.executable} has no module {error.name}; start gpu_peers.py with the "
                f"python3 that has it, or {sys.executable} -m pip install "
                f"{_PIP.get(module, module)}")
    except (Exception, SystemExit) as error:  # whatever an import of others may raise
        return f"it cannot be imported: {first_line(error)}"


def _run(job: dict[str, Any], say: Callable[..., None]) -> None:
    peer = make_peer(job["peer"])
    reason = _missing(peer)
    if reason is not None:
        say(hello={"missing": reason, "call": peer.call})
        return
    say(hello={"missing": None, "call": peer.call, "software": peer.software(),
               "device": peer.device_name()})
    left_s = sys.stdin.readline()  # comes when the data is made
    if not left_s:
        return
    deadline = time.monotonic() + float(left_s)
    mapped: dict[int, Shared] = {}
    for place, number in enumerate(job["todo"]):
        row = job["rows"][number]
        share_s = (deadline - time.monotonic()) / (len(job["todo"]) - place)
        say(begun=number)
        if row["shared"] not in mapped:
            mapped = {row["shared"]: Shared.from_json(job["shared"][row["shared"]])}
        record = measure(peer, mapped[row["shared"]], Request(**row["request"]),
                         _ITERATING * share_s)
        say(number=number, record=record)


def main(arguments: Sequence[str]) -> int:
    """With the file of what is to be done, and the one that takes lines of JSON."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody would end it then
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    with open(arguments[1], "a", encoding="utf-8") as file:
        def say(**what: Any) -> None:
            file.write(json.dumps(what) + "\n")
            file.flush()

        _run(job, say)
    return 0
