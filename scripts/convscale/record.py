# SPDX-License-Identifier: Apache-2.0
"""The baseline's records: the fields of the program's results file; what is not known is null."""
from __future__ import annotations

from typing import Any, Optional, Sequence

from convscale.host import job_nodes, processors
from convscale.pools import Job, Measurement
from convscale.results import SCHEMA_VERSION
from convscale.statistics import summarise
from convscale.workload import Source

Json = dict[str, Any]

_NOISY_CV = 0.1


def _figures(times: Sequence[float]) -> Json:
    if not times:
        return dict.fromkeys(("mean_s", "std_s", "min_s", "median_s", "median_low_s",
                              "median_high_s", "noise", "max_s", "cv", "outliers"))
    figures = summarise(times)
    low, high = figures.median_interval or (None, None)
    noise = None if low is None or high is None else (high - low) / 2 / figures.median
    return {"mean_s": figures.mean, "std_s": figures.std, "min_s": figures.min,
            "median_s": figures.median, "median_low_s": low, "median_high_s": high, "noise": noise,
            "max_s": figures.max, "cv": figures.cv, "outliers": figures.outliers}


def _rates(source: Source, job: Job, median: Optional[float]) -> Json:
    """With a work time the clock says what was asked for, not what the machine can do."""
    amounts = {"images_per_s": source.images, "pixels_per_s": source.pixels,
               "bytes_per_s": source.least_bytes, "flops_per_s": source.flops}
    return {name: amount / median if median and job.work_time == 0 else None
            for name, amount in amounts.items()}


def _warnings(job: Job, cv: Optional[float]) -> list[str]:
    warnings = []
    if job.num_workers > processors():
        warnings.append(f"{job.num_workers} workers on {processors()} processors")
    if cv is not None and cv > _NOISY_CV:
        warnings.append(f"the times vary by {100 * cv:.0f} % (coefficient of variation); is "
                        "anything else running?")
    return warnings


def make_record(source: Source, job: Job, measurement: Measurement, *, software: str,
                digest: Optional[int] = None) -> Json:
    """`software` says which Python and libraries ran it."""
    figures = _figures(measurement.times_s)
    return {
        "status": measurement.status, "reason": measurement.reason,
        "warnings": _warnings(job, figures["cv"]) if measurement.times_s else [],
        "backend": "python", "kernel": job.kernel, "method": "full", "scope": "end-to-end",
        "dtype": source.dtype, "height": source.height, "width": source.width,
        "images": source.images, "filter_size": source.filter_size, "stride": source.stride,
        "fill": "file" if source.images_file else source.fill, "seed": source.seed,
        "num_workers": job.num_workers, "cpus": None, "device": None, "host_memory": None,
        "schedule": None, "bind": None,
        # What Dragon spreads over nodes is not what runs on one.
        "ranks": job_nodes() if job.kernel == "scipy-dragon" else 1, "distribute": None,
        "iterations": job.iterations, "burns": job.burns, "work_time": job.work_time or None,
        "interleaved": False, "min_time_s": None, "max_noise": None, "timeout_s": None,
        "stopped_by": "iterations" if measurement.status == "ok" else None,
        "setup_s": measurement.setup_s, "load_s": None, "generation_s": measurement.generation_s,
        "ceilings_s": None, "checks_s": None, "verification_s": None,
        "burn_times_s": list(measurement.burn_times_s),
        "times_s": list(measurement.times_s), **figures,
        **_rates(source, job, figures["median_s"]),
        "bound": dict.fromkeys(("limit", "time_s", "fraction", "bytes", "flops",
                                "read_bytes_per_s", "copy_bytes_per_s", "peak_flops_per_s",
                                "up_bytes_per_s", "down_bytes_per_s", "duplex_bytes_per_s",
                                "scatter_bytes_per_s", "gather_bytes_per_s",
                                "network_bytes_per_s")),
        "phases": dict.fromkeys(("upload_s", "kernel_s", "download_s")),
        "workers": dict.fromkeys(("busy_min_s", "busy_max_s", "balance")),
        "per_rank": None, "fastest_rank": dict.fromkeys(("rank", "host", "run_s")),
        "slowest_rank": dict.fromkeys(("rank", "host", "run_s")), "exchanged_bytes": None,
        "wire_bytes": None, "communication_share": None, "barrier_s": None,
        "verification": {"status": "skipped", "outputs": None, "max_error_of_bound": None},
        "digest": None if digest is None else f"{digest:016x}",
        "path": None,
        "software": software,
    }


def make_document(arguments: Sequence[str], started_at: str, wall_s: float,
                  interrupted: bool, version: str, host: Json, records: list[Json]) -> Json:
    """The whole results file."""
    return {"schema_version": SCHEMA_VERSION,
            "program": {"name": "baseline.py", "version": version, "git": None,
                        "argv": ["baseline.py", *arguments]},
            "started_at": started_at, "wall_s": wall_s, "break_even_s": None,
            "interrupted": interrupted,
            "build": dict.fromkeys(("type", "compiler", "flags", "cuda", "cudnn", "mpi")),
            "host": host, "devices": [], "ranks": 1, "hosts": None, "records": records,
            "break_even": []}
