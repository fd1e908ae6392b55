# SPDX-License-Identifier: Apache-2.0
"""The model of runs over nodes: its formulas, its fit and its plot. All times are made up."""
from __future__ import annotations

import math

import pytest
from model_records import ALL, BARRIER, IMAGE, LINK, MESSAGE, machine, modelled, over, records

from convscale.model.charts import model_chart
from convscale.model.fit import checks, fit, fit_network, kind_of
from convscale.model.network import (GBIT, Job, Machine, best_speedup, bound_from, compute_s,
                                     crossover_nodes, exchanged_bytes, floor_s, link_s, local_s,
                                     scatter_s)
from convscale.model.published import DEFAULT_JOB, LARGE_JOB
from convscale.model.report import doubts


# --- Formulas


def test_what_crosses_the_network() -> None:
    assert Job(1, 1000, 1000).sent_bytes == 8 * (1000 * 1000 + 16)
    assert Job(1, 1000, 1000).returned_bytes == 8 * 201 * 201
    assert Job(1, 6, 2, 4, filter_size=3, stride=2).image_bytes == 4 * (12 + 9 + 4 * 2)
    assert exchanged_bytes(DEFAULT_JOB, 1) == 0
    assert exchanged_bytes(DEFAULT_JOB, 4) == pytest.approx(33 * 0.75 * DEFAULT_JOB.image_bytes)


def test_one_node_computes_and_nothing_else() -> None:
    job = Job(8, 100, 100)
    assert local_s(job, machine(message_s=1.0, barrier_s=1.0), 1) == pytest.approx(8 * IMAGE)
    assert scatter_s(job, machine(message_s=1.0, barrier_s=1.0), 1) == pytest.approx(8 * IMAGE)


def test_whole_images_bound_the_computing() -> None:
    # 33 images on 4 workers: 9 for the busiest, each at a quarter of a node's speed.
    assert compute_s(DEFAULT_JOB, machine(), 1) == pytest.approx(9 * 4 * IMAGE)
    assert compute_s(DEFAULT_JOB, machine(), 1000) == pytest.approx(4 * IMAGE)  # one image


def test_the_longer_of_link_and_computing_counts() -> None:
    slow, fast = machine(link_bytes_per_s=1e6), machine(link_bytes_per_s=1e15)
    assert scatter_s(LARGE_JOB, slow, 8) == pytest.approx(link_s(LARGE_JOB, slow, 8))
    assert scatter_s(LARGE_JOB, fast, 8) == pytest.approx(compute_s(LARGE_JOB, fast, 8))
    late = machine(link_bytes_per_s=1e15, message_s=1.0)
    assert scatter_s(LARGE_JOB, late, 8) == pytest.approx(7.0)


@pytest.mark.parametrize("link", [1e8, 2e9, 5e10])
@pytest.mark.parametrize("images", [10**6, 10**8])
def test_the_crossover_is_where_the_link_becomes_the_longer(link: float, images: int) -> None:
    job, made = Job(images, 256, 256), machine(link_bytes_per_s=link, workers=1)
    first = max(2, math.ceil(crossover_nodes(job, made)))
    assert link_s(job, made, first) >= compute_s(job, made, first) * 0.999
    if first > 2:
        assert link_s(job, made, first - 1) < compute_s(job, made, first - 1)
    # From there on it stays so, and tends to the floor.
    assert all(scatter_s(job, made, nodes) == link_s(job, made, nodes)
               for nodes in (first + 1, 2 * first, 1000 * first))
    assert link_s(job, made, 10**6) == pytest.approx(floor_s(job, link), rel=1e-5)
    assert bound_from(job, made, 10**6) in (first, first + 1)  # a tie may fall to either side


@pytest.mark.parametrize("job", [DEFAULT_JOB, LARGE_JOB, Job(1, 64, 64), Job(10**5, 256, 256)])
@pytest.mark.parametrize("workers", [1, 4, 28])
@pytest.mark.parametrize("link", [1e7, 2e9, 1e11, 1e14])
@pytest.mark.parametrize("message, barrier", [(0.0, 0.0), (MESSAGE, 0.0), (0.0, 1e-3),
                                              (1e-3, 1e-4)])
def test_the_best_speedup_is_that_of_trying_every_number_of_nodes(
        job: Job, workers: int, link: float, message: float, barrier: float) -> None:
    made = Machine(workers, IMAGE, link, message, barrier)
    for most in (2, 3, 700):
        times = {nodes: scatter_s(job, made, nodes) for nodes in range(2, most + 1)}
        best = best_speedup(job, made, most)
        assert best.factor == pytest.approx(scatter_s(job, made, 1) / min(times.values()))
        assert times[best.nodes] == min(times.values())
        bound = [nodes for nodes in times
                 if link_s(job, made, nodes) >= compute_s(job, made, nodes)]
        assert bound_from(job, made, most) == (bound[0] if bound else None)


# --- Fit


def test_the_fit_finds_what_made_the_records() -> None:
    found = fit(records(*ALL))
    (kind, made), = found.machines.items()
    assert (kind.method, kind.workers, kind.height) == ("full", 4, 256)
    assert made.image_s == pytest.approx(IMAGE)
    assert made.link_bytes_per_s == pytest.approx(LINK)
    assert made.message_s == pytest.approx(MESSAGE)
    assert made.barrier_s == pytest.approx(BARRIER)
    assert found.network.link_error == pytest.approx(0, abs=1e-9)
    assert (found.network.link_records, found.network.barrier_records) == (3, 6)
    assert found.network.link_ranks == found.network.barrier_ranks == (2, 3, 8)
    assert (found.network.link_exchanges, found.network.link_unknowns) == (3, 2)
    assert found.network.reach == 16 * 8
    for check in checks(found):
        assert check.model_s == pytest.approx(check.record.median_s)
    assert len(checks(found)) == len(ALL)


def test_one_exchange_says_nothing_of_latency() -> None:
    network = fit_network(records(modelled(2, "scatter"), modelled(2, "scatter")))
    assert network.message_s == 0
    size = exchanged_bytes(Job(64, 256, 256), 2)
    assert network.link_bytes_per_s == pytest.approx(size / (size / LINK + MESSAGE))
    assert (network.link_records, network.link_exchanges, network.link_unknowns) == (2, 1, 1)
    exact, taken, grows = doubts(network)
    assert "B is from 1 exchange" in exact and "nothing checks" in exact and "Repeats" in exact
    assert "λ cannot be told from B" in taken and "β is from 2 ranks only" in grows


def test_what_is_no_node_is_left_out() -> None:
    odd = [over(1, None, 1.0, scope="resident"), over(1, None, 1.0, work_time=0.5),
           {**over(2, "local", 1.0), "num_workers": 7}, over(1, None, 1.0, backend="python"),
           over(1, None, 1.0, backend="torch"), {**over(1, None, 1.0), "status": "failed"}]
    found = fit(records(*odd))
    assert not found.machines and found.network.link_bytes_per_s is None
    assert [kind_of(one) for one in records(*odd[:5])] == [None] * 5


def test_a_rank_alone_says_what_a_node_takes() -> None:
    disturbed = modelled(4, "local", 3.0)
    (alone,) = fit(records(disturbed, modelled(1, None))).machines.values()
    assert alone.image_s == pytest.approx(IMAGE)
    (together,) = fit(records(disturbed)).machines.values()
    assert together.image_s > 2.9 * IMAGE


# --- Plot


def test_the_plot_has_both_distributions_and_what_was_published() -> None:
    found = fit(records(*ALL))
    (kind, made), = found.machines.items()
    chart = model_chart(kind, LARGE_JOB, made, [10, 200], 1000, found.network.reach)
    lines = {line.label: line for line in chart.panels[0].lines}
    assert list(lines) == ["local", "scatter, as measured", "scatter, 10 Gbit/s",
                           "scatter, 200 Gbit/s", "published, Dragon 0.3"]
    assert list(lines["published, Dragon 0.3"].xs) == [64]
    assert lines["local"].xs[0] == 1 and lines["local"].xs[-1] == 1000
    measured = lines["scatter, as measured"]
    assert 64 < measured.xs[-1] <= 128 and len(measured.xs) == len(measured.ys)
    assert "16 times the most ranks measured" in chart.caption and "= 0" in chart.caption
    ratio = lines["scatter, 10 Gbit/s"].ys[-1] / lines["published, Dragon 0.3"].ys[0]
    assert ratio == pytest.approx(scatter_s(LARGE_JOB, made.with_link(10 * GBIT), 1000) / 1.46)
