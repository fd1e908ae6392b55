# SPDX-License-Identifier: Apache-2.0
"""Each library's call gives the program's convolution: on the CPU, where the library is there."""
from __future__ import annotations

import contextlib
import os
from types import SimpleNamespace
from typing import Any, Callable, Iterator

import numpy as np
import pytest
from scipy.signal import convolve2d

from convscale.generator import make_filters, make_images
from convscale.peers.cupy_peer import convolve_each
from convscale.peers.jax_peer import JaxPeer
from convscale.peers.peer import Peer
from convscale.peers.reference import compare, fill_expected
from convscale.peers.torch_peer import TorchPeer
from convscale.peers.triton_peer import TritonPeer

# (images, height, width, filter size, stride): odd and even ones, one tap, more taps than pixels,
# a stride past the end, single rows and columns, a filter that is too large to unroll.
SHAPES = [(3, 9, 14, 4, 5), (2, 5, 5, 1, 1), (2, 5, 7, 1, 2), (4, 12, 11, 3, 1), (1, 33, 70, 3, 2),
          (5, 7, 6, 7, 1), (2, 13, 8, 7, 5), (3, 2, 3, 4, 1), (3, 2, 3, 7, 2), (2, 1, 17, 4, 5),
          (2, 17, 1, 4, 2), (1, 1, 1, 7, 5), (2, 6, 6, 4, 100), (2, 20, 21, 9, 2)]


def data_of(images: int, height: int, width: int, size: int, stride: int,
            dtype: str) -> tuple[Any, ...]:
    """Images, filters, and what compare takes beside the results."""
    pixels = make_images("random", 7, images, height, width, dtype)
    filters = make_filters("random", 7, images, size, dtype)
    shape = (images, *(-(-(side + size - 1) // stride) for side in (height, width)))
    expected = np.empty(shape), np.empty(shape)
    fill_expected(pixels, filters, stride, *expected)
    return pixels, filters, *expected


def peer_on_the_cpu(kind: type[Peer], monkeypatch: pytest.MonkeyPatch) -> Peer:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", os.devnull)  # is set anew by the peer
    peer = kind("cpu")
    try:
        reason = peer.missing()
    except ImportError as error:
        reason = str(error)
    if reason is not None:
        pytest.skip(reason)
    return peer


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind, method", [(TorchPeer, "full"), (TorchPeer, "strided"),
                                          (JaxPeer, "full"), (JaxPeer, "strided"),
                                          (TritonPeer, "strided")])
def test_a_library_computes_the_programs_convolution(
        kind: type[Peer], method: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = peer_on_the_cpu(kind, monkeypatch)
    assert peer.software() and peer.device_name() and peer.l2_bytes() > 0
    for shape in SHAPES:
        images, filters, values, bounds = data_of(*shape, dtype)
        peer.prepare(images, filters, method, shape[4], copies=2)
        peer.run(0)
        peer.synchronise()
        peer.wipe()
        assert peer.device_seconds(lambda: peer.run(1)) > 0
        got = peer.result()
        assert got.dtype == images.dtype and got.flags.c_contiguous
        verdict = compare(got, values, bounds)
        assert verdict.failure is None, (shape, verdict)
        peer.release()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cupys_call_with_scipy_in_its_place(dtype: str) -> None:
    for shape in SHAPES:
        images, filters, values, bounds = data_of(*shape, dtype)
        got = np.full(values.shape, np.nan, dtype)
        convolve_each(convolve2d, images, filters, shape[4], got)
        assert compare(got, values, bounds).failure is None, shape


# --- PyTorch's graphs, with made-up ones


class MadeUpCuda:
    """What is captured runs when it is replayed, and not before."""

    def __init__(self, fails_at: int) -> None:
        self.fails_at, self.captured, self.replayed = fails_at, 0, list[int]()
        self.pools: list[Any] = []
        self.synchronize = self.empty_cache = lambda: None

    def Stream(self) -> Any:
        return SimpleNamespace(wait_stream=lambda other: None)

    current_stream = Stream

    def stream(self, _stream: Any) -> Any:
        return contextlib.nullcontext()

    def CUDAGraph(self) -> Any:
        number = self.captured
        return SimpleNamespace(replay=lambda: self.replayed.append(number), pool=lambda: number)

    @contextlib.contextmanager
    def graph(self, _graph: Any, pool: Any) -> Iterator[None]:
        self.pools.append(pool)
        self.captured += 1
        if self.captured == self.fails_at:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        yield


class MadeUpTorch(TorchPeer):
    def __init__(self, fails_at: int = 0) -> None:
        super().__init__()
        self.cuda = MadeUpCuda(fails_at)
        self.done: list[str] = []
        self._torch: Any = SimpleNamespace(cuda=self.cuda, from_numpy=lambda array: SimpleNamespace(
            to=lambda device, copy=False: SimpleNamespace(name="first", clone=lambda: (
                SimpleNamespace(name="copy")))))

    def function(self, filters: Any, shape: tuple[int, ...], method: str,
                 stride: int) -> Callable[[Any], Any]:
        def convolve(images: Any) -> Any:
            self.done.append(images.name)
            return SimpleNamespace(fill_=lambda value: self.done.append("wiped"))
        return convolve


def test_each_copy_has_a_graph_that_is_replayed() -> None:
    peer = MadeUpTorch()
    pixels = make_images("random", 7, 1, 4, 4, "float32")
    peer.prepare(pixels, pixels, "full", 5, copies=3)
    assert peer.done == ["first"] * 3 + ["first", "copy", "copy"]  # warm-ups, and what is captured
    for copy in (0, 2, 1):
        peer.run(copy)
    assert peer.cuda.replayed == [0, 2, 1] and len(peer.done) == 6 and peer.notes == []
    assert peer.cuda.pools == [None, 0, 1]
    peer.wipe()
    assert peer.done[6:] == ["wiped"] * 3
    peer.release()


@pytest.mark.parametrize("fails_at", [1, 2])
def test_what_cannot_be_captured_runs_without_a_graph_and_says_so(fails_at: int) -> None:
    peer = MadeUpTorch(fails_at)
    pixels = make_images("random", 7, 1, 4, 4, "float32")
    peer.prepare(pixels, pixels, "full", 5, copies=2)
    assert peer.notes == ["not replayed as a CUDA graph: RuntimeError: operation not permitted "
                          "when stream is capturing"]
    peer.done.clear()
    peer.wipe()  # nothing of a broken capture is touched
    peer.run(1)
    peer.run(0)
    assert peer.done == ["copy", "first"] and peer.cuda.replayed == []
