# SPDX-License-Identifier: Apache-2.0
"""How peers are timed and judged: plans, the reference, and a peer whose clock is made up."""
from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
import pytest
from scipy.signal import convolve2d

from convscale.generator import Array, make_filters, make_images
from convscale.peers import main, plan, process, rows
from convscale.peers.measure import Request, measure
from convscale.peers.peer import Peer
from convscale.peers.reference import compare, fill_expected
from convscale.peers.shared import Shared, memory_needed
from convscale.workload import Source

MB = 10**6

# --- Plans


@pytest.mark.parametrize("pass_s, batches", [
    (1.0, (0, 1)), (0.01, (0, 1)), (0.0099, (1, 3)), (2e-3, (2, 10)), (5e-5, (100, 400)),
    (2e-5, (250, 1000)), (1e-6, (250, 1000)), (0.0, (250, 1000))])
def test_batches(pass_s: float, batches: tuple[int, int]) -> None:
    assert plan.batches_of(pass_s) == batches


# --- The reference


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("height, width, size, stride", [
    (9, 14, 4, 5), (5, 5, 1, 1), (5, 7, 1, 2), (12, 11, 3, 1), (7, 6, 7, 1), (13, 8, 7, 5),
    (2, 3, 7, 2), (1, 17, 4, 5), (1, 1, 7, 5), (6, 6, 4, 100), (300, 200, 2, 1)])
def test_the_reference_is_scipys_convolution(height: int, width: int, size: int, stride: int,
                                             dtype: str) -> None:
    """Of integers, exactly, and its bound is that of the verification."""
    images = make_images("integers", 1, 3, height, width, dtype)
    filters = make_filters("integers", 1, 3, size, dtype)
    wide = images.astype(np.float64), filters.astype(np.float64)
    wanted = np.array([convolve2d(*pair)[::stride, ::stride] for pair in zip(*wide)])
    magnitudes = np.array([convolve2d(image, abs(taps))[::stride, ::stride]
                           for image, taps in zip(*wide)])
    values, bounds = np.full(wanted.shape, np.nan), np.full(wanted.shape, np.nan)
    fill_expected(images, filters, stride, values, bounds)
    assert (values == wanted).all()
    info = np.finfo(dtype)
    assert bounds == pytest.approx(size**2 * float(info.eps) * magnitudes, rel=1e-12, abs=1e-40)
    assert (bounds > 0).all()


@pytest.mark.parametrize("dtype, least", [("float64", 2.0**-1074), ("float32", 2.0**-149)])
def test_zeros_may_be_off_by_what_is_denormal(dtype: str, least: float) -> None:
    values, bounds = np.ones((2, 3, 3)), np.ones((2, 3, 3))
    fill_expected(np.zeros((2, 5, 5), dtype), np.ones((2, 2, 2), dtype), 2, values, bounds)
    assert (values == 0).all() and (bounds == 4 * least).all()
    assert compare(values.astype(dtype), values, bounds) == (18, 0, None)


@pytest.mark.parametrize("change, says", [
    (1.01, "image 1, output (2, 3): got "), (-1.01, "image 1, output (2, 3): got "),
    (np.nan, "got nan, expected"), (np.inf, "got inf, expected"), (-np.inf, "got -inf, expected")])
def test_what_is_beyond_the_bound_is_found_and_named(change: float, says: str) -> None:
    values = np.arange(1, 25.0).reshape(2, 3, 4)
    bounds = np.full(values.shape, 0.125)
    got = values.copy()
    assert compare(got, values, bounds) == (24, 0, None)
    got += np.sign(change) * 0.125 if np.isfinite(change) else 0.125
    assert compare(got, values, bounds) == (24, 1, None)
    got[1, 2, 3] = values[1, 2, 3] + change * 0.125
    verdict = compare(got, values, bounds)
    assert verdict.failure is not None and says in verdict.failure
    assert verdict.max_error_of_bound == (pytest.approx(1.01) if np.isfinite(change) else np.inf)


def test_results_of_another_shape_are_wrong() -> None:
    values = np.ones((2, 3, 4))
    assert compare(values[:, :, :3], values, values).failure is not None
    assert compare(values.reshape(2, 4, 3), values, values).failure is not None


# --- Data


def test_shared_data_is_the_generators_and_no_reader_changes_it(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscale.peers.shared._AT_A_TIME", 5 * 9 * 8)  # several goes
    source = Source(13, 9, 8, 3, 2, "float32", "random", 5)
    owner = Shared(source)
    owner.fill()
    reader = Shared.from_json(owner.as_json())
    assert (reader.images == make_images("random", 5, 13, 9, 8, "float32")).all()
    assert (reader.filters == make_filters("random", 5, 13, 3, "float32")).all()
    assert compare(reader.values, owner.values, owner.bounds) == (13 * 6 * 5, 0, None)
    arrays = (owner.images, owner.filters, owner.values, owner.bounds)
    assert memory_needed(source) == sum(array.nbytes for array in arrays) + 13 * 6 * 5 * 4
    reader.images[:] = 7
    assert not (owner.images == 7).any() and (Shared.from_json(owner.as_json()).images < 1).all()
    owner.close()


# --- Measuring


class ClockedPeer(Peer):
    """On a device that takes `pass_s` for a pass, behind a host that takes `launch_s` to queue it
    and `wait_s` to see its end; by a clock that nothing else moves."""

    name, call = "clocked", "convolve"
    pass_s, launch_s, wait_s, first_s = 50e-6, 8e-6, 20e-6, 3.0

    def __init__(self, l2_bytes: int = 1000) -> None:
        super().__init__()
        self.now, self.busy_until = 0.0, 0.0
        self.l2 = l2_bytes
        self.copies: list[int] = []
        self.released = 0
        self.runs_at_wipe: Optional[int] = None

    def missing(self) -> Optional[str]:
        return None

    def software(self) -> str:
        return "made up"

    device_name = software

    def l2_bytes(self) -> int:
        return self.l2

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        self.now += 1.0
        self.results = np.array([convolve2d(*pair)[::stride, ::stride]
                                 for pair in zip(images, filters)])
        self.prepared = copies

    def run(self, copy: int) -> None:
        self.now += self.launch_s
        start = max(self.now, self.busy_until)
        self.busy_until = start + (self.pass_s if self.copies else self.first_s)
        self.copies.append(copy)

    def synchronise(self) -> None:
        self.now = max(self.now, self.busy_until) + self.wait_s

    def device_seconds(self, work: Callable[[], None]) -> float:
        self.synchronise()
        start = self.now
        work()
        took = max(self.now, self.busy_until) - start + 4e-6  # of the events
        self.synchronise()
        return took

    def wipe(self) -> None:
        self.runs_at_wipe = len(self.copies)

    def result(self) -> Array:
        return self.results

    def release(self) -> None:
        self.released += 1


def measured(peer: Peer, iterations: int = 10, timeout_s: float = 1e9) -> dict[str, Any]:
    shared = Shared(Source(5, 10, 8, 4, 5, "float32", "random", 1))
    shared.fill()
    request = Request("strided", iterations, 2, False)
    record = measure(peer, shared, request, timeout_s, lambda: getattr(peer, "now", 0.0))
    shared.close()
    return record


def test_both_times_are_what_they_say() -> None:
    peer = ClockedPeer()
    record = measured(peer)
    assert record["status"] == "ok"
    # The host's clock has the launch and the wait; the slope has neither, nor the events.
    assert record["times_s"] == pytest.approx([78e-6] * 10)
    assert record["burn_times_s"] == pytest.approx([78e-6] * 2)
    assert record["phases"]["kernel_s"] == pytest.approx(50e-6)
    assert record["setup_s"] > 4.0  # preparing, and the first pass
    assert record["stopped_by"] == "iterations" and peer.released == 1
    assert record["warnings"] == []


@pytest.mark.parametrize("iterations, samples", [(1, 10), (3, 10), (12, 12)])
def test_there_are_ten_samples_of_the_device_at_least(iterations: int, samples: int) -> None:
    peer = ClockedPeer()
    peer.pass_s = 0.02  # each sample is one pass by both clocks
    record = measured(peer, iterations=iterations)
    # The first of each copy, the warm-up's seven, two burns, and the samples.
    assert len(peer.copies) == peer.prepared + (1 + 2 + 4) + 2 + samples
    assert record["times_s"] == pytest.approx([0.02] * iterations, rel=0.01)
    assert record["phases"]["kernel_s"] == pytest.approx(0.02 + 8e-6 + 4e-6)
    assert (record["stopped_by"], record["timeout_s"]) == ("iterations", None)


def test_it_is_warm_before_it_is_timed() -> None:
    """At least 100 ms of work behind the first pass."""
    peer = ClockedPeer()
    record = measured(peer, iterations=1)
    assert record["setup_s"] < 4.1 and max(record["burn_times_s"]) < 1e-4
    before = plan.WARM_UP_S / peer.pass_s
    timed = 2 + 1 + 10 * sum(plan.batches_of(peer.pass_s))
    assert len(peer.copies) - peer.prepared - timed >= before


@pytest.mark.parametrize("timeout_s, passes, times", [
    (30.0, 2 + 1 + 2 + 10, 10), (14.5, 2 + 1 + 2 + 9, 9), (8.5, 2 + 1 + 2 + 3, 3),
    (0.5, 2 + 1 + 0 + 1, 1)])
def test_a_slow_row_has_fewer_iterations_and_says_so(timeout_s: float, passes: int,
                                                    times: int) -> None:
    peer = ClockedPeer(500)
    peer.pass_s = peer.first_s = 1.0
    record = measured(peer, timeout_s=timeout_s)
    assert (len(peer.copies), len(record["times_s"])) == (passes, times)
    assert record["status"] == "ok" and record["median_s"] == pytest.approx(1.0, rel=0.01)
    if times < 10:
        assert (record["stopped_by"], record["timeout_s"]) == ("timeout", timeout_s)
        assert record["warnings"] == [f"{times} of 10 iterations in this row's share of --limit"]


@pytest.mark.parametrize("l2_bytes, copies", [(300, 1), (400, 2), (1000, 3)])
def test_copies_are_used_in_turn(l2_bytes: int, copies: int) -> None:
    peer = ClockedPeer(l2_bytes)  # the images have 1600 bytes
    measured(peer)
    assert peer.prepared == copies
    runs = peer.copies
    assert peer.runs_at_wipe == copies  # each has once been used, and every result is seen to come
    assert all(b == (a + 1) % copies for a, b in zip(runs, runs[1:]))


@pytest.mark.parametrize("error, reason", [
    (MemoryError(), "out of memory"), (RuntimeError("a\nb"), "RuntimeError: a"),
    (ValueError(), "ValueError")])
def test_what_a_library_raises_is_the_reason(error: Exception, reason: str) -> None:
    class Raising(ClockedPeer):
        def run(self, copy: int) -> None:
            raise error

    peer = Raising()
    record = measured(peer)
    assert (record["status"], record["reason"], record["times_s"]) == ("failed", reason, [])
    assert peer.released == 1 and record["software"] == "made up"


def test_a_result_that_is_no_number_fails() -> None:
    class Nan(ClockedPeer):
        def result(self) -> Array:
            return np.where(self.results == self.results[0, 0, 0], np.nan, self.results)

    record = measured(Nan())
    assert record["verification"] == {"status": "failed", "outputs": 5 * 3 * 3,
                                      "max_error_of_bound": None}
    assert record["median_s"] is None and main.exit_code([record]) == 4


# --- Limits


def run_rows(peer: str, limit_s: float) -> list[dict[str, Any]]:
    """Of strided, full, strided."""
    shared = Shared(Source(3, 20, 14, 4, 5, "float64", "random", 0))
    one = rows.PeerRows(peer, f"made_up_peers:{peer}", [
        rows.Row(0, Request(method, 1, 0, False)) for method in ("strided", "full", "strided")],
        [shared], {}, limit_s, 0, lambda text: None)
    one.run()
    shared.close()
    return one.records


@pytest.mark.parametrize("peer, statuses", [
    ("HangingPeer", ["ok", "failed", "skipped"]),
    ("HangingImportPeer", ["failed", "skipped", "skipped"])])
def test_a_hang_is_ended_at_the_limit(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, peer: str,
                                      statuses: list[str]) -> None:
    """By a clock that leaps over the limit once the peer hangs, with what the peer has started."""
    from test_peers import HERE, assert_is_soon_gone
    child = tmp_path / "child"
    monkeypatch.setenv("CHILD", str(child))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    hangs: list[bool] = []

    class Time:
        sleep = staticmethod(lambda seconds: process_time.sleep(seconds))

        @staticmethod
        def monotonic() -> float:
            if child.exists() and child.read_text():
                hangs.append(True)
            return 1000.0 * len(hangs)

    process_time = process.time
    monkeypatch.setattr(process, "time", Time)
    records = run_rows(peer, 600)
    assert [record["status"] for record in records] == statuses
    failed = records[statuses.index("failed")]
    assert failed["reason"] == "it did not end within the 600 s that --limit gives to a peer"
    assert records[2]["reason"] == "nothing was left of the 600 s that --limit gives to a peer"
    assert_is_soon_gone(int(child.read_text()))
    child.unlink()
    hangs.clear()
    monkeypatch.setattr(process, "time", process_time)
    assert [record["status"] for record in run_rows("NumpyPeer", 600)] == ["ok"] * 3
