# SPDX-License-Identifier: Apache-2.0
"""Records of scripts: the fields of the program's results file; what is not known is null."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence

from convscale.host import job_nodes, processors
from convscale.results import SCHEMA_VERSION
from convscale.samples import summarise
from convscale.vocabulary import FIELDS, NEWER
from convscale.workload import Source

if TYPE_CHECKING:  # it loads SciPy, which not all that make records need
    from convscale.pools import Job, Measurement

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


def _rates(source: Source, median: Optional[float]) -> Json:
    amounts = {"images_per_s": source.images, "pixels_per_s": source.pixels,
               "bytes_per_s": source.least_bytes, "flops_per_s": source.flops}
    return {name: amount / median if median else None for name, amount in amounts.items()}


def noise_warnings(cv: Optional[float]) -> list[str]:
    if cv is None or cv <= _NOISY_CV:
        return []
    return [f"the times vary by {100 * cv:.0f} % (coefficient of variation); is anything else "
            "running?"]


def _unknown(fields: Mapping[str, Mapping[str, Any]]) -> Json:
    """All `fields` of an object, with nothing in them."""
    return {name: _unknown(field["properties"]) if field["type"] == "object" else
            [] if field["type"] == "array" else None for name, field in fields.items()}


def fill_record(source: Source, times_s: Sequence[float], **known: Any) -> Json:
    """All fields in their order, with the figures of the times; of the others, what is `known`."""
    figures = _figures(times_s)
    record: Json = {
        **_unknown(FIELDS), **NEWER, "status": "ok",
        "dtype": source.dtype, "height": source.height, "width": source.width,
        "images": source.images, "filter_size": source.filter_size, "stride": source.stride,
        "fill": "file" if source.images_file else source.fill, "seed": source.seed,
        "num_workers": 1, "ranks": 1, "interleaved": False,
        "stopped_by": "iterations" if known.get("status", "ok") == "ok" else None,
        "times_s": list(times_s), **figures, **_rates(source, figures["median_s"]),
        "software": None,
    }
    record["verification"]["status"] = "skipped"
    assert known.keys() <= record.keys(), known.keys() - record.keys()
    return {**record, **known}


def make_record(source: Source, job: Job, measurement: Measurement, *, software: str,
                digest: Optional[int] = None) -> Json:
    """The baseline's. `software` says which Python and libraries ran it."""
    record = fill_record(
        source, measurement.times_s, status=measurement.status, reason=measurement.reason,
        backend="python", kernel=job.kernel, method="full", scope="end-to-end",
        num_workers=job.num_workers,
        # What Dragon spreads over nodes is not what runs on one.
        ranks=job_nodes() if job.kernel == "scipy-dragon" else 1,
        iterations=job.iterations, burns=job.burns, work_time=job.work_time or None,
        setup_s=measurement.setup_s, generation_s=measurement.generation_s,
        burn_times_s=list(measurement.burn_times_s),
        digest=None if digest is None else f"{digest:016x}", software=software)
    if job.work_time:  # the clock says what was asked for, not what the machine can do
        record.update(_rates(source, None))
    if measurement.times_s:
        if job.num_workers > processors():
            record["warnings"] += [f"{job.num_workers} workers on {processors()} processors"]
        record["warnings"] += noise_warnings(record["cv"])
    return record


def make_document(name: str, arguments: Sequence[str], started_at: str, wall_s: float,
                  interrupted: bool, version: str, host: Json, records: list[Json]) -> Json:
    """The whole results file of the script `name`."""
    return {"schema_version": SCHEMA_VERSION,
            "program": {"name": name, "version": version, "git": None,
                        "argv": [name, *arguments]},
            "started_at": started_at, "wall_s": wall_s, "break_even_s": None,
            "interrupted": interrupted,
            "build": dict.fromkeys(("type", "compiler", "flags", "cuda", "cudnn", "mpi")),
            "host": host, "devices": [], "ranks": 1, "hosts": None, "records": records,
            "break_even": []}
