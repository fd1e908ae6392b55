# SPDX-License-Identifier: Apache-2.0
"""Peers for the tests, which need no device: NumPy in a library's place, and such as go wrong in
the ways of libraries."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

import numpy as np

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from convscale.generator import Array  # noqa: E402
from convscale.peers.peer import Peer  # noqa: E402


class NumpyPeer(Peer):
    name, call = "numpy", "sums"

    def missing(self) -> Optional[str]:
        return None

    def software(self) -> str:
        return "NumPy of the tests"

    def device_name(self) -> str:
        return f"device {os.environ['CUDA_VISIBLE_DEVICES']}"

    def l2_bytes(self) -> int:
        return 1 << 14

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        self.copies = [images.copy() for _ in range(copies)]
        self.filters, self.stride = filters, stride

    def run(self, copy: int) -> None:
        images = self.copies[copy]
        (count, height, width), size = images.shape, self.filters.shape[1]
        full = np.zeros((count, height + size - 1, width + size - 1), images.dtype)
        for y, x in np.ndindex(size, size):
            full[:, y:y + height, x:x + width] += images * self.filters[:, y, x, None, None]
        self.results = np.ascontiguousarray(full[:, ::self.stride, ::self.stride])

    def synchronise(self) -> None:
        pass

    def result(self) -> Array:
        return self.results


class FullPeer(NumpyPeer):
    name, methods = "full", ("full",)


class FewPeer(NumpyPeer):
    name, most_images = "few", 64


class WrongPeer(NumpyPeer):
    """One output of the last image is off by a little more than rounding explains."""

    name = "wrong"

    def result(self) -> Array:
        results = self.results.copy()
        results[-1, -1, -1] += 1e-3
        return results


class RaisingPeer(NumpyPeer):
    """Has no memory for the method full."""

    name = "raising"

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        if method == "full":
            raise RuntimeError("CUDA out of memory.\nTried to allocate 4 GiB")
        super().prepare(images, filters, method, stride, copies)


class CrashingPeer(NumpyPeer):
    """Dies in the method full, with what it did before and after that well done."""

    name = "crashing"

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        if method == "full":
            print("something is wrong\nin the driver\n", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        super().prepare(images, filters, method, stride, copies)


def _hang() -> None:
    """With a child, whose number the file CHILD then holds."""
    child = subprocess.Popen(["sleep", "600"])
    Path(os.environ["CHILD"]).write_text(str(child.pid), encoding="utf-8")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


class HangingPeer(NumpyPeer):
    """Never ends the method full."""

    name = "hanging"

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        if method == "full":
            _hang()
        super().prepare(images, filters, method, stride, copies)


class HangingImportPeer(NumpyPeer):
    name = "import"

    def missing(self) -> Optional[str]:
        _hang()
        return None


class DyingImportPeer(NumpyPeer):
    name = "dying"

    def missing(self) -> Optional[str]:
        os._exit(7)


class MissingPeer(NumpyPeer):
    name = "missing"

    def missing(self) -> Optional[str]:
        import no_such_module  # type: ignore[import-not-found]
        return str(no_such_module)


class BrokenPeer(NumpyPeer):
    name = "broken"

    def missing(self) -> Optional[str]:
        raise OSError("libno.so: cannot open\nshared object file")


PEERS: dict[str, Any] = {kind.name: f"made_up_peers:{kind.__name__}" for kind in (
    NumpyPeer, FullPeer, FewPeer, WrongPeer, RaisingPeer, CrashingPeer, HangingPeer,
    HangingImportPeer, DyingImportPeer, MissingPeer, BrokenPeer)}
