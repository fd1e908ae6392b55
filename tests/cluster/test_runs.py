# SPDX-License-Identifier: Apache-2.0
"""Runs that succeed: who does what, the results, the bytes on the wire, the slowest host."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hosts import Cluster, ClusterError
from launch import Results, measure, measure_alone

SMALL = ("--size", 64, "--mem", "64Ki", "--iterations", 3)  # 16 images
IMAGES = 16


def of_ranks(results: Results, name: str) -> list[Any]:
    """One figure of each rank."""
    return [rank[name] for rank in results.record["per_rank"]]


@pytest.mark.parametrize(("distribute", "workers", "dealt"), [
    ("scatter", 6, [2, 2, 1, 1]), ("local", 4, [1, 1, 1, 1]), ("local", 2, [1, 1, 0, 0])])
def test_workers_are_dealt_round_robin_to_the_hosts(
        cluster: Cluster, program: Path, distribute: str, workers: int, dealt: list[int]) -> None:
    results = measure(cluster, program, *SMALL, "--num_workers", workers,
                      "--distribute", distribute)
    hosts = ["h1", "h2", "h3", "h4"]
    record = results.record
    assert results.file["ranks"] == record["ranks"] == 4
    assert results.file["hosts"] == hosts
    assert record["distribute"] == distribute
    assert record["num_workers"] == workers
    assert of_ranks(results, "rank") == [0, 1, 2, 3]
    assert of_ranks(results, "host") == hosts
    assert of_ranks(results, "num_workers") == dealt
    images = of_ranks(results, "images")
    assert sum(images) == IMAGES
    for mine, share in zip(dealt, images, strict=True):
        assert mine * (IMAGES // workers) <= share <= mine * -(-IMAGES // workers)
    times = of_ranks(results, "run_s")
    assert [time is not None for time in times] == [mine > 0 for mine in dealt]
    known = [time for time in times if time is not None]
    assert record["slowest_rank"]["run_s"] == max(known)
    assert record["fastest_rank"]["run_s"] == min(known)
    for named in (record["slowest_rank"], record["fastest_rank"]):
        assert (named["host"], named["run_s"]) == (hosts[named["rank"]], times[named["rank"]])


def test_two_ranks_of_a_host_share_its_processors(cluster: Cluster, program: Path) -> None:
    results = measure(cluster, program, *SMALL, "--num_workers", 8, ranks=8,
                      hostfile=cluster.hostfile(slots=2))
    assert of_ranks(results, "host") == ["h1", "h2", "h3", "h4"] * 2
    assert of_ranks(results, "num_workers") == [1] * 8
    cpus = of_ranks(results, "cpus")
    for first, second in zip(cpus[:4], cpus[4:], strict=True):
        assert not set(first) & set(second)
    # Nor is what the ranks of rank 0's host get on the wire.
    assert results.record["exchanged_bytes"] == 14 * (64 * 64 + 4 * 4 + 14 * 14) * 8
    assert results.record["wire_bytes"] == 12 * (64 * 64 + 4 * 4 + 14 * 14) * 8


@pytest.mark.parametrize(("method", "dtype"), [("full", "float64"), ("strided", "float32")])
def test_results_are_those_of_one_process(cluster: Cluster, program: Path, tmp_path: Path,
                                          method: str, dtype: str) -> None:
    options = (*SMALL, "--fill", "integers", "--method", method, "--dtype", dtype,
               "--num_workers", 6)
    alone = measure_alone(program, tmp_path, *options, "--save", tmp_path / "alone")
    for distribute in ("scatter", "local"):
        ranks = measure(cluster, program, *options, "--distribute", distribute, "--save",
                        tmp_path / distribute)
        for name in ("digest", "images", "fill", "method", "dtype"):
            assert ranks.record[name] == alone.record[name], distribute
        outputs = alone.record["verification"]["outputs"]
        assert ranks.record["verification"]["outputs"] == outputs, distribute
        for name in ("images.npy", "filters.npy", "results.npy"):
            expected = (tmp_path / "alone" / name).read_bytes()
            assert (tmp_path / distribute / name).read_bytes() == expected, (distribute, name)


def on_wire(cluster: Cluster, program: Path, iterations: int,
            *options: object) -> tuple[int, dict[str, Any]]:
    """What a run sent and received at rank 0's interface, and its record."""
    before = cluster.counters("h1")
    record = measure(cluster, program, "--size", 256, "--mem", "1Mi", "--burns", 0,
                     "--iterations", iterations, *options).record
    after = cluster.counters("h1")
    assert len(record["times_s"]) == record["iterations"] == iterations
    return sum(after) - sum(before), record


# Two runs that differ in the number of their iterations differ in nothing else on the wire, if they
# have as many passes of the network's ceiling for each iteration: one before each of the first
# 20 (burns count), and then none while the passes have taken longer than the iterations. A pass
# exchanges the payload a whole number of times, which the record does not say.
#
# What an iteration has beside its payload is headers (66 bytes a frame; a veth pair carries frames
# of up to 64 KiB), acknowledgements (66 bytes for some of the frames), barriers, and what the ranks
# agree on (10 KB): 0.4 % in all. The number of acknowledgements varies: by some 1 MB between two
# runs of 400 MB, which is 2 % of the ten iterations in question.
CEILING_PASSES = 20
TOLERANCE = 0.03
TOLERANCE_AFTER_PASSES = 0.1


def test_the_record_says_what_is_on_the_wire(cluster: Cluster, program: Path) -> None:
    few, record = on_wire(cluster, program, 2, "--distribute", "scatter")
    more, _ = on_wire(cluster, program, 12, "--distribute", "scatter")
    # Of 16 images, 12 go out with their 4 x 4 filters, and 52 x 52 results each come back.
    assert record["exchanged_bytes"] == 12 * (256 * 256 + 4 * 4 + 52 * 52) * 8
    assert record["wire_bytes"] == record["exchanged_bytes"]
    payloads = (more - few) / (10 * record["wire_bytes"])
    assert round(payloads) >= 2  # the iteration's, and the pass's
    assert 0.999 <= payloads / round(payloads) <= 1 + TOLERANCE  # a pass leaves out the filters

    many, _ = on_wire(cluster, program, CEILING_PASSES, "--distribute", "scatter")
    for _ in range(20):  # some of the last ten have a pass where iterations were slow by chance
        most, record = on_wire(cluster, program, CEILING_PASSES + 10, "--distribute", "scatter")
        if record["ceilings_s"] > sum(record["times_s"]):
            break
    else:
        pytest.fail("in none of 20 runs were the ceilings measured in time")
    payloads = (most - many) / (10 * record["wire_bytes"])
    assert abs(payloads - 1) <= TOLERANCE_AFTER_PASSES


def test_local_leaves_the_wire_alone(cluster: Cluster, program: Path) -> None:
    few, _ = on_wire(cluster, program, 2, "--distribute", "local")
    more, record = on_wire(cluster, program, 12, "--distribute", "local")
    assert record["wire_bytes"] == record["exchanged_bytes"] == 0
    # Barriers, and what the ranks agree on: 9 KB an iteration, of 8 MB of images.
    assert more - few < 10 * 30_000


def check_slowest(results: Results) -> None:
    """The record names the slowest rank: that of the slow host, unless another was slower still,
    which a busy machine kept from its work."""
    times = of_ranks(results, "run_s")
    slowest = results.record["slowest_rank"]
    assert slowest["run_s"] == max(times) >= times[2]
    assert slowest["host"] == of_ranks(results, "host")[times.index(max(times))]


def test_a_slow_link_is_named(cluster: Cluster, program: Path) -> None:
    try:
        cluster.limit_link("h3", "10mbit")
    except ClusterError as error:
        pytest.skip(f"no rate limit here: {error}")
    # A share of 4 images takes some 100 ms to h3, of which a bucket of 64 kB goes at once.
    results = measure(cluster, program, *SMALL, "--distribute", "scatter")
    assert of_ranks(results, "run_s")[2] > (4 * 64 * 64 * 8 - 64_000) * 8 / 10e6
    check_slowest(results)


def test_a_slow_host_is_named(cluster: Cluster, program: Path) -> None:
    # The rank on h3 runs for 2 ms at a time, and not for the next 38. A share is 103 million
    # multiply-adds, two at a time: more than 2 ms on any processor.
    with cluster.slowed("h3", program.name):
        results = measure(cluster, program, "--size", 256, "--mem", "8Mi", "--burns", 0,
                          "--iterations", 2, "--distribute", "local", "--kernel", "scalar",
                          "--method", "full", "--filter-size", 7)
    assert of_ranks(results, "run_s")[2] > 0.038
    check_slowest(results)
