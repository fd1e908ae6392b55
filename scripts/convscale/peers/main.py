# SPDX-License-Identifier: Apache-2.0
"""The program's convolutions with the libraries that people use on a GPU from Python."""
from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

import numpy as np

from convscale.cli import (FAILURE, INTERRUPTED, OK, UNSUPPORTED, VERIFICATION, Error,
                           check_writable, interrupt_on_termination, write_text)
from convscale.host import check_memory, host_info
from convscale.peers.options import Options, parse_options
from convscale.peers.rows import PeerRows, environment_for, look
from convscale.peers.shared import Shared, memory_needed
from convscale.record import Json, make_document
from convscale.table import table_text

# In the order of their worth, should there be no time for all.
PEERS = {"torch": "convscale.peers.torch_peer:TorchPeer",
         "triton": "convscale.peers.triton_peer:TritonPeer",
         "cupy": "convscale.peers.cupy_peer:CupyPeer",
         "jax": "convscale.peers.jax_peer:JaxPeer"}
LEFT_OUT = {"npp": "left out: NVIDIA's NPP filters one image a call, and keeps every output",
            "cucim": "left out: it filters one image a call, and keeps every output"}


def _say(text: str) -> None:
    print(f"gpu_peers.py: {text}", file=sys.stderr, flush=True)


def _list(options: Options, peers: Mapping[str, str]) -> int:
    width = max(len(name) for name in (*options.peers, *LEFT_OUT))
    for name in options.peers:
        is_there, text = look(peers[name], options.device, options.limit_s)
        print(f"{name:{width}}  {text if is_there else f'not here: {text}'}", flush=True)
    for name, text in LEFT_OUT.items():
        print(f"{name:{width}}  {text}")
    return OK


def exit_code(records: Sequence[Json]) -> int:
    """The one that a user must know of first."""
    if any(record["verification"]["status"] == "failed" for record in records):
        return VERIFICATION
    statuses = {record["status"] for record in records}
    if "failed" in statuses:
        return FAILURE
    return OK if "ok" in statuses else UNSUPPORTED


def _too_large(options: Options) -> dict[int, str]:
    """Places of workloads for which there is no memory beside those before them, and why."""
    found, taken = {}, 0
    for place, source in enumerate(options.sources):
        try:
            check_memory(taken + memory_needed(source))
        except Error as error:
            found[place] = str(error)
        else:
            taken += memory_needed(source)
    return found


def _measure(options: Options, peers: Mapping[str, str], records: list[Json],
             keep: Callable[[], None]) -> bool:
    """Adds what is measured to `records`, and calls `keep` after each peer. Whether it was
    interrupted."""
    too_large = _too_large(options)
    workloads = [Shared(source) for source in options.sources]
    current: Optional[PeerRows] = None
    try:
        for name in options.peers:
            current = PeerRows(name, peers[name], options.rows, workloads, too_large,
                               options.limit_s, options.device, _say)
            current.run()
            records.extend(current.records)
            current = None
            keep()
    except KeyboardInterrupt:
        records.extend(current.records if current is not None else [])
        return True
    finally:
        for workload in workloads:
            workload.close()
    return False


def main(arguments: Sequence[str], peers: Mapping[str, str] = PEERS) -> int:
    """Returns the exit code. Raises what cli.run_script turns into one line. `peers` says in which
    "module:Class" the peer of a name is."""
    options = parse_options(arguments, list(peers))
    environment_for(options.device, os.environ)  # raises where that shows no such device
    interrupt_on_termination()
    if options.list:
        return _list(options, peers)
    started_at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    start, host = time.perf_counter(), host_info()
    if options.json not in (None, "-"):
        check_writable(Path(str(options.json)))
    records: list[Json] = []

    def document(is_interrupted: bool) -> str:
        made = make_document(
            "gpu_peers.py", arguments, started_at, time.perf_counter() - start, is_interrupted,
            f"NumPy {np.__version__}, Python {platform.python_version()}", host, records)
        made["devices"] = [{"name": name} for name in
                           dict.fromkeys(r["device"] for r in records if r["device"])]
        return json.dumps(made, indent=2) + "\n"

    def keep() -> None:
        """What would be lost, were this process killed. Only in a file that can be replaced; what
        goes wrong is said at the end."""
        if options.json not in (None, "-") and (not os.path.lexists(str(options.json)) or
                                                os.path.isfile(str(options.json))):
            with contextlib.suppress(OSError):
                write_text(Path(str(options.json)), document(True))

    is_interrupted = _measure(options, peers, records, keep)
    if records:
        print(table_text(records), end="", flush=True,
              file=sys.stderr if options.json == "-" else sys.stdout)
    for record in records:
        for warning in record["warnings"]:
            _say(f"warning: {record['backend']}: {warning}")
    if options.json == "-":
        sys.stdout.write(document(is_interrupted))
    elif options.json is not None:
        write_text(Path(options.json), document(is_interrupted))
    if is_interrupted:
        _say("interrupted by a signal")
        return INTERRUPTED
    return exit_code(records)
