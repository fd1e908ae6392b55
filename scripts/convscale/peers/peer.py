# SPDX-License-Identifier: Apache-2.0
"""What a peer is: a library that computes the workload on a device, and can be timed there.

A peer lives in a process of its own, in which its library is first imported by `missing`.
"""
from __future__ import annotations

import abc
import time
from typing import Callable, Optional

from convscale.generator import Array
from convscale.vocabulary import METHODS
from convscale.workload import Source

UNKNOWN_L2_BYTES = 128 << 20  # more than any card has today


def first_line(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def cudnn_version(number: Optional[int]) -> Optional[str]:
    """"9.1.0" of the number that cuDNN itself gives, 90100; cuDNN 8 gave 8902."""
    if not number:
        return None
    unit = 10000 if number >= 90000 else 1000
    return f"{number // unit}.{number % unit // 100}.{number % 100}"


class Peer(abc.ABC):
    """One library. `device` is "cuda", or "cpu" where the library has that, too."""

    name: str  # the backend of its records
    call: str  # the kernel of its records
    methods: tuple[str, ...] = METHODS
    most_images: Optional[int] = None  # unless the user asks for more

    def __init__(self, device: str = "cuda") -> None:
        self.device = device
        self.notes: list[str] = []  # become warnings of the record

    @abc.abstractmethod
    def missing(self) -> Optional[str]:
        """Imports the library. Why it cannot be used here; None if it can. May raise ImportError.
        """

    @abc.abstractmethod
    def software(self) -> str:
        """Versions: of the library, CUDA and cuDNN as far as they are known."""

    @abc.abstractmethod
    def device_name(self) -> str:
        """The driver's."""

    def l2_bytes(self) -> int:
        """Of the device's second-level cache."""
        return UNKNOWN_L2_BYTES

    def refuses(self, source: Source, method: str) -> Optional[str]:
        """Why this library cannot compute that; None if it can."""
        if method not in self.methods:
            return f"{self.call} of this library has no method {method}"
        return None

    @abc.abstractmethod
    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        """Has `copies` of the images (N, H, W) and the filters (N, K, K) on the device, and all
        ready for `run`."""

    @abc.abstractmethod
    def run(self, copy: int) -> None:
        """Queues one pass over one copy of the images; need not wait for it."""

    @abc.abstractmethod
    def synchronise(self) -> None:
        """Waits for all that was queued."""

    def device_seconds(self, work: Callable[[], None]) -> float:
        """What `work` queues takes on the device. By the host's clock where a library has no
        events: then it also holds what a launch costs, once for each call."""
        self.synchronise()
        start = time.perf_counter()
        work()
        self.synchronise()
        return time.perf_counter() - start

    def wipe(self) -> None:
        """Fills results with NaN, where they can be written, so that one that no pass wrote shows.
        """

    @abc.abstractmethod
    def result(self) -> Array:
        """Of the last pass, (N, out_height, out_width), on the host."""

    def release(self) -> None:
        """Frees what `prepare` took."""
