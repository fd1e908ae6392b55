#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The original's way: a pool of Python processes maps SciPy's convolution over the images.

Re-creates the timed loop of the SciPy image convolution benchmark of the Dragon HPC runtime
(scipy_scale_work.py) with the standard library's multiprocessing, to have something to compare
convscale with on the same machine. The time of an iteration is that of pool.map: pickling the
images to the workers, the convolutions, and pickling the results back, as in the original.
"""
from __future__ import annotations

import os

# Each worker is one thread. Set before NumPy is loaded, and inherited by the workers.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                  "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse
import datetime
import json
import multiprocessing
import multiprocessing.pool
import platform
import re
import signal
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterable, NamedTuple, NoReturn, Optional

try:
    import numpy as np
    import scipy
    from scipy.signal import convolve2d
except ImportError as missing:
    print(f"baseline.py: {missing} in {sys.executable}; install python3-numpy and python3-scipy, "
          "and run it with /usr/bin/python3", file=sys.stderr)
    sys.exit(3)

STRIDE = 5
FILTER_SIZE = 4
START_METHODS = ("spawn", "fork", "forkserver")
DEFAULT_WORKERS, DEFAULT_SIZE, DEFAULT_MEM = 4, "1000", "33554432"
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
         "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

Pair = tuple[np.ndarray, np.ndarray]
Results = list[np.ndarray]


class UsageError(Exception):
    """A bad option, value, combination or input file: one line."""


def convolve_image(pair: Pair) -> np.ndarray:
    """What a worker does with one image and its filter."""
    image, taps = pair
    return convolve2d(image, taps)[::STRIDE, ::STRIDE]


class Workload(NamedTuple):
    """N images (H, W), each with its filter (K, K), float64."""

    images: list[np.ndarray]
    filters: list[np.ndarray]
    fill: str

    @property
    def pairs(self) -> Iterable[Pair]:
        return zip(self.images, self.filters)


class Measurement(NamedTuple):
    setup_s: float
    times_s: list[float]  # of the iterations behind the burns
    results: Results  # of the last iteration
    interrupted: bool


# --- The benchmark


def leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def time_iterations(run: Callable[[Iterable[Pair]], Results], workload: Workload, iterations: int,
                    burns: int) -> tuple[list[float], Results, bool]:
    times: list[float] = []
    results: Results = []
    try:
        for _ in range(burns + iterations):
            results = []
            start = time.perf_counter()
            results = run(workload.pairs)
            times.append(time.perf_counter() - start)
    except KeyboardInterrupt:
        return times[burns:], results, True
    return times[burns:], results, False


def stop(pool: multiprocessing.pool.Pool) -> None:
    """Ends the workers. Where an interrupt left tasks, Pool.terminate may, once it has ended them,
    wait for ever for the thread that feeds them; it is left behind then."""
    stopping = threading.Thread(target=pool.terminate, daemon=True)
    stopping.start()
    stopping.join(timeout=2)


def measure_pool(workload: Workload, workers: int, start_method: str, iterations: int,
                 burns: int) -> Measurement:
    """A pool of processes. They start while the first iteration waits for them: burn it."""
    start = time.perf_counter()
    context = multiprocessing.get_context(start_method)
    pool = context.Pool(workers, initializer=leave_interrupts_to_the_parent)
    try:
        setup_s = time.perf_counter() - start
        measured = time_iterations(lambda pairs: pool.map(convolve_image, pairs), workload,
                                   iterations, burns)
    finally:
        stop(pool)
    return Measurement(setup_s, *measured)


def measure_serial(workload: Workload, iterations: int, burns: int) -> Measurement:
    """No pool: one loop in this process."""
    measured = time_iterations(lambda pairs: [convolve_image(pair) for pair in pairs], workload,
                               iterations, burns)
    return Measurement(0.0, *measured)


# --- The workload


def load_stack(option: str, path: str) -> np.ndarray:
    """A file's (N, H, W), or its one (H, W), as float64."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{option} {path}: {' '.join(str(error).split())}") from error
    if (not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or
            array.dtype.name not in ("float32", "float64", "uint8", "uint16")):
        raise UsageError(f"{option} {path}: give a .npy file with a stack (N, H, W) or one (H, W) "
                         "of float32, float64, uint8 or uint16")
    if array.size == 0:
        raise UsageError(f"{option} {path}: has shape {array.shape}, which is empty")
    return np.ascontiguousarray(array, np.float64).reshape((-1, *array.shape[-2:]))


def generate_images(count: int, height: int, width: int, fill: str,
                    random: np.random.Generator) -> list[np.ndarray]:
    if fill == "zeros":
        return [np.zeros((height, width)) for _ in range(count)]
    return [random.random((height, width)) for _ in range(count)]


def make_workload(options: argparse.Namespace) -> Workload:
    random = np.random.default_rng(options.seed)
    if options.images is not None:
        for option, value in (("--size", options.size), ("--mem", options.mem),
                              ("--fill", options.fill)):
            if value is not None:
                raise UsageError(f"{option} beside --images: it is read from the file; leave "
                                 f"{option} out")
        images, fill = list(load_stack("--images", options.images)), "file"
    else:
        height, width = parse_size(options.size or DEFAULT_SIZE)
        pixels = parse_pixels(options.mem or DEFAULT_MEM)
        count = pixels // (height * width)
        if count == 0:
            raise UsageError(f"--mem {options.mem or DEFAULT_MEM}: holds no image of "
                             f"{height}x{width}; --mem {height * width} would hold one")
        fill = options.fill or "random"
        images = generate_images(count, height, width, fill, random)
    if options.filters is None:
        filters = [random.normal(size=(FILTER_SIZE, FILTER_SIZE)) for _ in images]
        return Workload(images, filters, fill)
    stack = load_stack("--filters", options.filters)
    if stack.shape[1] != stack.shape[2]:
        raise UsageError(f"--filters {options.filters}: filters are {stack.shape[1]}x"
                         f"{stack.shape[2]}; give square ones")
    if len(stack) not in (1, len(images)):
        raise UsageError(f"--filters {options.filters}: {len(stack)} filters for {len(images)} "
                         "images; give one for each image, or one for all")
    filters = list(stack) if len(stack) > 1 else [stack[0]] * len(images)
    return Workload(images, filters, fill)


# --- Options


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; {self.prog} --help lists the options")


def parse_count(option: str, text: str, least: int) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < least:
        raise UsageError(f"{option} {text}: expected a whole number of at least {least}")
    return int(text)


def parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,10})(?:x([0-9]{1,10}))?", text)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if height < 1 or width < 1:
        raise UsageError(f"--size {text}: expected SIDE or HEIGHTxWIDTH in pixels, each at least "
                         "1, such as 1000 or 480x640")
    return height, width


def parse_pixels(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})([kMGT]|[KMGT]i)?", text)
    if match is None or int(match[1]) < 1:
        raise UsageError(f"--mem {text}: expected a count of pixels of at least 1, such as "
                         "33554432, 32Mi or 1G")
    return int(match[1]) * UNITS[match[2] or ""]


def parse_options(args: list[str]) -> argparse.Namespace:
    parser = OneLineParser(
        prog="baseline.py", allow_abbrev=False,
        description="Times the original's way on this machine: a pool of Python processes maps "
        "scipy.signal.convolve2d(image, filter)[::5, ::5] over float64 images.",
        epilog="Example: scripts/baseline.py --num_workers 2 --start-method fork --json run.json")
    add = parser.add_argument
    add("-w", "--num_workers", "--num-workers", metavar="N",
        help=f"worker processes (default: {DEFAULT_WORKERS})")
    add("--iterations", default="10", metavar="N", help="measured iterations (default: 10)")
    add("--burns", default="2", metavar="N",
        help="iterations before that, not measured (default: 2)")
    add("--size", metavar="SIDE|HxW", help=f"image size in pixels (default: {DEFAULT_SIZE})")
    add("--mem", metavar="PIXELS",
        help="pixels of all images together; suffixes k M G T, Ki Mi Gi Ti "
        f"(default: {DEFAULT_MEM})")
    add("--fill", choices=("random", "zeros"),
        help="what the images hold: uniform random pixels, or zeros as in the original; filters "
        "are normal random numbers either way (default: random)")
    add("--seed", default="0", metavar="N", help="of NumPy's generator (default: 0)")
    add("--images", metavar="FILE.npy",
        help="read images (N, H, W) or (H, W) instead of generating them")
    add("--filters", metavar="FILE.npy", help="read N filters (N, K, K), or one for all")
    add("--start-method", choices=START_METHODS,
        help="how multiprocessing starts the workers (default: spawn, as the original)")
    add("--serial", action="store_true", help="no pool: one loop in this process")
    add("--json", metavar="FILE", help="write the record as convscale does; - is standard output")
    options = parser.parse_args(args)

    options.iterations = parse_count("--iterations", options.iterations, 1)
    options.burns = parse_count("--burns", options.burns, 0)
    options.seed = parse_count("--seed", options.seed, 0)
    if options.serial:
        for option, value in (("--num_workers", options.num_workers),
                              ("--start-method", options.start_method)):
            if value is not None:
                raise UsageError(f"{option} beside --serial: that is one loop in this process; "
                                 f"leave {option} out")
    workers = str(DEFAULT_WORKERS) if options.num_workers is None else options.num_workers
    options.num_workers = 1 if options.serial else parse_count("--num_workers", workers, 1)
    options.start_method = options.start_method or START_METHODS[0]
    return options


# --- The record: the fields of convscale's JSON; what is not known is null


def outliers_of(times: list[float]) -> int:
    """Modified z-score over 3.5 (Iglewicz and Hoaglin, 1993); none where the MAD is 0."""
    median = statistics.median(times)
    deviations = [abs(t - median) for t in times]
    mad = statistics.median(deviations)
    return sum(mad > 0 and 0.6745 * deviation / mad > 3.5 for deviation in deviations)


def host_info() -> dict[str, Any]:
    cpus = sorted(os.sched_getaffinity(0))
    model = None
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(),
                          re.MULTILINE)
        model = found[1] if found else None
    except OSError:
        pass
    return {"name": platform.node(), "os": f"{platform.system()} {platform.release()}",
            "cpu": model, "sockets": None, "cores": None, "threads": len(cpus), "smt": None,
            "numa_nodes": None, "caches": None,
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "isa": None,
            "affinity": ranges_text(cpus), "governor": None, "huge_pages": None,
            "hypervisor": None, "load": os.getloadavg()[0]}


def ranges_text(numbers: list[int]) -> str:
    """[0, 1, 2, 8] as "0-2,8"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def warnings_of(options: argparse.Namespace, times: list[float]) -> list[str]:
    warnings = []
    processors = len(os.sched_getaffinity(0))
    if options.num_workers > processors:
        warnings.append(f"{options.num_workers} workers on {processors} processors")
    variation = np.std(times) / np.mean(times) if times else 0
    if variation > 0.1:
        warnings.append(f"the times vary by {100 * variation:.0f} % (coefficient of variation); is "
                        "anything else running?")
    return warnings


def make_record(options: argparse.Namespace, workload: Workload, generation_s: float,
                measurement: Measurement) -> dict[str, Any]:
    times = measurement.times_s
    count, (height, width) = len(workload.images), workload.images[0].shape
    filter_size = len(workload.filters[0])
    outputs = -(-(height + filter_size - 1) // STRIDE) * -(-(width + filter_size - 1) // STRIDE)
    image_bytes = -(-count * height * width * 8 // 64) * 64
    least_bytes = image_bytes + count * outputs * 8
    flops = 2 * filter_size**2 * height * width * count
    median = statistics.median(times) if times else None

    def rate(amount: int) -> Optional[float]:
        return amount / median if median else None

    def figure(of: Callable[[list[float]], Any]) -> Optional[float]:
        return float(of(times)) if times else None

    return {
        "status": "interrupted" if measurement.interrupted else "ok",
        "reason": "interrupted by a signal" if measurement.interrupted else None,
        "warnings": warnings_of(options, times),
        "backend": "python",
        "kernel": "scipy-serial" if options.serial else f"scipy-{options.start_method}",
        "method": "full", "scope": "end-to-end", "dtype": "float64",
        "height": height, "width": width, "images": count, "filter_size": filter_size,
        "stride": STRIDE, "fill": workload.fill, "seed": options.seed,
        "num_workers": options.num_workers, "cpus": None, "device": None, "host_memory": None,
        "schedule": None, "bind": None, "ranks": 1, "distribute": None,
        "iterations": options.iterations, "burns": options.burns, "work_time": None,
        "interleaved": False, "setup_s": measurement.setup_s, "generation_s": generation_s,
        "verification_s": None, "times_s": times, "mean_s": figure(np.mean),
        "std_s": figure(np.std), "min_s": figure(min), "median_s": median, "max_s": figure(max),
        "cv": figure(lambda t: np.std(t) / np.mean(t)),
        "outliers": outliers_of(times) if times else None,
        "images_per_s": rate(count), "pixels_per_s": rate(count * height * width),
        "bytes_per_s": rate(least_bytes), "flops_per_s": rate(flops),
        "bound": dict.fromkeys(("limit", "time_s", "fraction", "bytes", "flops",
                                "read_bytes_per_s", "peak_flops_per_s", "up_bytes_per_s",
                                "down_bytes_per_s")),
        "phases": dict.fromkeys(("upload_s", "kernel_s", "download_s")),
        "workers": dict.fromkeys(("busy_min_s", "busy_max_s", "balance")),
        "per_rank": None, "wire_bytes": None, "communication_share": None,
        "verification": {"status": "skipped", "outputs": None, "max_error_of_bound": None},
        "digest": None}


def make_document(args: list[str], started_at: str, host: dict[str, Any],
                  record: dict[str, Any]) -> dict[str, Any]:
    version = (f"SciPy {scipy.__version__}, NumPy {np.__version__}, "
               f"Python {platform.python_version()}")
    return {"schema_version": "1",
            "program": {"name": "baseline.py", "version": version, "git": None,
                        "argv": ["baseline.py", *args]},
            "started_at": started_at, "interrupted": record["status"] == "interrupted",
            "build": dict.fromkeys(("type", "compiler", "flags", "cuda", "cudnn", "mpi")),
            "host": host, "devices": [], "ranks": 1, "records": [record]}


# --- The program


def original_lines(record: dict[str, Any]) -> str:
    def seconds(value: float) -> str:
        return np.format_float_positional(value, precision=5, unique=False, fractional=False,
                                          trim="-")

    return (f"Number of workers: {record['num_workers']}\n"
            f"Number of images: {record['images']}\n"
            f"Average time: {seconds(record['mean_s'])} second(s)\n"
            f"Standard deviation: {seconds(record['std_s'])} second(s)\n")


def write_json(document: dict[str, Any], target: str) -> None:
    text = json.dumps(document, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        Path(target).write_text(text, encoding="utf-8")


def run(args: list[str]) -> int:
    options = parse_options(args)
    started_at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    host = host_info()
    start = time.perf_counter()
    workload = make_workload(options)
    generation_s = time.perf_counter() - start
    if options.json not in (None, "-"):
        open(options.json, "a").close()  # a run is not to be lost to a folder that does not exist
    if options.serial:
        measurement = measure_serial(workload, options.iterations, options.burns)
    else:
        measurement = measure_pool(workload, options.num_workers, options.start_method,
                                   options.iterations, options.burns)
    record = make_record(options, workload, generation_s, measurement)
    if record["times_s"]:
        print(original_lines(record), end="", flush=True,
              file=sys.stderr if options.json == "-" else sys.stdout)
    for warning in record["warnings"]:
        print(f"baseline.py: warning: {warning}", file=sys.stderr)
    if options.json is not None:
        write_json(make_document(args, started_at, host, record), options.json)
    if measurement.interrupted:
        print("baseline.py: interrupted by a signal", file=sys.stderr)
        return 130
    return 0


def main(args: list[str]) -> int:
    try:
        return run(args)
    except UsageError as error:
        message, code = str(error), 2
    except MemoryError:
        message, code = "out of memory; a smaller --mem would do", 5
    except OSError as error:
        message, code = f"cannot finish: {error}", 5
    except KeyboardInterrupt:
        message, code = "interrupted by a signal", 130
    print(f"baseline.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
