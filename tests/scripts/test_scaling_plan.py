# SPDX-License-Identifier: Apache-2.0
"""scaling.py: from options to the steps of a sweep."""
from __future__ import annotations

import json
import re

import pytest
from scaling_model import request

from convscale.cli import UsageError
from convscale.scaling.options import Request, default_workers
from convscale.scaling.plan import BASELINE, Cell, Step, cells_of, check_plan, make_steps


def steps(*options: str) -> dict[str, dict[str, str]]:
    """The options of each step, by its name."""
    return {step.name: options_of(step) for step in make_steps(request(*options))}


def options_of(step: Step) -> dict[str, str]:
    return dict(zip(step.args, [*step.args[1:], ""]))


@pytest.mark.parametrize("cores, workers", [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]),
                                            (8, [1, 2, 4, 8]), (896, [*(2**i for i in range(10)),
                                                                      896])])
def test_default_workers_are_powers_of_two_and_the_cores(cores: int, workers: list[int]) -> None:
    assert default_workers(cores) == workers


def test_strong_scaling_is_one_step_with_fixed_work() -> None:
    plan = steps("--mode", "strong", "--num_workers", "4,1,2", "--method", "full", "--mem", "1M",
                 "--size", "100x200")
    assert list(plan) == ["strong-full-float64"]
    step = plan["strong-full-float64"]
    assert step["--num_workers"] == "1,2,4"
    assert (step["--size"], step["--mem"]) == ("100x200", "1000000")


def test_weak_scaling_has_a_step_for_each_number_of_workers() -> None:
    plan = steps("--mode", "weak", "--num_workers", "1,3", "--method", "strided", "--size", "10",
                 "--mem-per-worker", "250")
    assert {name: step["--mem"] for name, step in plan.items()} == {
        "weak-w1-strided-float64": "200", "weak-w3-strided-float64": "600"}


def test_weak_scaling_shares_the_memory_in_whole_images() -> None:
    asked = request("--mode", "weak", "--num_workers", "1,2,4", "--size", "10", "--mem", "1090")
    assert [cell.images for cell in cells_of(asked, "weak")] == [2, 4, 8]


def test_throughput_takes_the_most_workers_and_fixed_memory() -> None:
    plan = steps("--mode", "throughput", "--num_workers", "1,2", "--method", "full", "--sizes",
                 "64,32,16x64", "--mem", "64Ki")
    step = plan["throughput-full-float64"]
    assert step["--num_workers"] == "2"
    assert step["--size"] == "16x64,32x32,64x64"  # by pixels
    assert step["--mem"] == "65536"


def test_methods_and_types_are_steps_and_backends_are_lists() -> None:
    plan = steps("--mode", "strong", "--backend", "cpu,cuda", "--scope", "end-to-end,resident",
                 "--dtype", "float64,float32", "--kernel", "auto,scalar")
    assert list(plan) == [f"strong-{method}-{dtype}" for method in ("full", "strided")
                          for dtype in ("float64", "float32")]
    for step in plan.values():
        assert (step["--backend"], step["--kernel"]) == ("cpu,cuda", "auto,scalar")
        assert step["--scope"] == "end-to-end,resident"


def test_no_configuration_is_measured_twice() -> None:
    asked = request("--num_workers", "1,2,4", "--size", "100", "--sizes", "50,100", "--mem", "120k",
                    "--method", "full")
    seen: list[Cell] = []
    for step in make_steps(asked):
        options = options_of(step)
        for size in options["--size"].split(","):
            for workers in options["--num_workers"].split(","):
                height, width = map(int, size.split("x"))
                seen.append(Cell((height, width), int(options["--mem"]) // (height * width),
                                 int(workers)))
    assert len(seen) == len(set(seen))
    assert set(seen) == {cell for mode in ("strong", "weak", "throughput")
                         for cell in cells_of(asked, mode)}


def test_options_of_precision_reach_the_program_only() -> None:
    plan = steps("--mode", "strong", "--num_workers", "1,2", "--method", "full", "--min-time",
                 "0.5", "--max-noise", "1%", "--timeout", "9", "--interleave", "--baseline",
                 "scipy-spawn", "--iterations", "7", "--burns", "0")
    program, baseline = plan["strong-full-float64"], plan["strong-baseline-float64"]
    assert (program["--min-time"], program["--max-noise"], program["--timeout"]) == ("0.5", "1%",
                                                                                     "9")
    assert "--interleave" in program
    assert not {"--min-time", "--max-noise", "--timeout", "--interleave"} & set(baseline)
    for step in (program, baseline):
        assert (step["--iterations"], step["--burns"]) == ("7", "0")


def test_what_is_in_turn_is_shared_with_its_like_only() -> None:
    asked = request("--num_workers", "1,2", "--method", "full", "--interleave", "--mem", "4M",
                    "--sizes", "500,1000,2000")
    made = {step.name: options_of(step) for step in make_steps(asked)}
    assert made["throughput-full-float64"]["--size"] == "500x500,2000x2000"  # both in turn
    assert "weak-w2-full-float64" in made  # alone, and in turn in strong scaling


def test_a_large_plan_is_refused_before_it_runs() -> None:
    with pytest.raises(UsageError, match="more than 2\\^48 pixels"):
        check_plan(request("--mem", "200T", "--mem-per-worker", "200T", "--num_workers", "1,2"),
                   False)
    many = ",".join(map(str, range(1, 102)))
    kernels = ",".join(f"k{i}" for i in range(1000))
    with pytest.raises(UsageError, match="101000 rows in step strong-full-float64, and at most"):
        check_plan(request("--mode", "strong", "--num_workers", many, "--kernel", kernels), True)


def test_the_baseline_has_the_programs_workloads() -> None:
    asked = request("--num_workers", "1,2", "--baseline", "scipy-spawn,scipy-serial", "--mem", "4M",
                    "--sizes", "500,250")
    cells: set[tuple[str, str, str]] = set()
    for step in make_steps(asked):
        options = options_of(step)
        if step.tool == BASELINE:
            pixels = [int(side) for side in options["--size"].split("x")]
            images = int(options["--mem"]) // (pixels[0] * pixels[1])
            cells |= {(options["--size"], str(images), workers)
                      for workers in options["--num_workers"].split(",")}
    assert cells == {(f"{cell.size[0]}x{cell.size[1]}", str(cell.images), str(cell.num_workers))
                     for mode in ("strong", "weak", "throughput")
                     for cell in cells_of(asked, mode)}


def test_a_serial_baseline_stands_where_one_worker_does() -> None:
    plan = steps("--num_workers", "1,2", "--baseline", "scipy-serial", "--method", "full")
    assert [name for name in plan if "baseline" in name] == [
        "strong-baseline-float64", "weak-w1-baseline-float64"]


def test_a_request_survives_its_plan_file() -> None:
    asked = request("--min-time", "1", "--baseline", "scipy-spawn", "--mem-per-worker", "2M")
    assert Request.from_json(json.loads(json.dumps(asked.to_json()))) == asked


@pytest.mark.parametrize("options, message", [
    (["--num_workers", ""], "--num_workers: the list is empty"),
    (["--num_workers", "2,2"], "--num_workers 2,2: has an element twice"),
    (["--sizes", "64,big"], "--sizes big: expected SIDE or HEIGHTxWIDTH"),
    (["--sizes", "64,64x64"], "--sizes 64,64x64: has an element twice"),
    (["--kernel", "--x"], "--kernel"),
    (["--mem", "1"], "--mem 1 holds no image of 64x64; --mem 4096 holds one"),
    (["--mem-per-worker", "9"], "--mem-per-worker 9 holds no image of 1000x1000"),
    (["--iterations", "0"], "--iterations 0: expected a whole number from 1 to 1000000"),
    (["--max-noise", "little"], "--max-noise little: expected a percentage"),
    (["--baseline", "scipy-spwan"], "--baseline scipy-spwan: expected one of"),
    (["--max-noise", "101%"], "--max-noise 101%: expected over 0 % and up to 100 %"),
    (["--timeout", "2000000000"], "--timeout 2000000000: expected at most 1000000000 seconds"),
    (["--out", ""], "--out: is empty"),
    (["--baseline", "scipy-spawn", "--method", "strided"], "--baseline beside --method strided"),
    (["--report-only", "--dry-run"], "--dry-run beside --report-only"),
    (["--report-only", "--fresh"], "--fresh beside --report-only"),
    (["--what"], "unrecognized arguments: --what"),
])
def test_bad_options_are_one_line(options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        request(*options)
    assert "\n" not in str(caught.value)
