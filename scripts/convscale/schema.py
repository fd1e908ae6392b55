# SPDX-License-Identifier: Apache-2.0
"""What a results file may hold where the scripts look: types, and which fields must be there.

docs/results-format.md says what the fields mean. All others may hold anything.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Union

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Object:
    """A JSON object; fields that are not named here are not looked at."""

    required: Mapping[str, "Spec"]
    optional: Mapping[str, "Spec"]  # missing, null, or as the spec says
    sides: Optional["Object"] = None  # of the two fields that are objects, whatever their names


@dataclass(frozen=True)
class Array:
    element: "Spec"


Spec = Union[Check, Object, Array]


def fault(spec: Spec, value: Any, name: str = "") -> Optional[str]:
    """The name of the first field that is not as `spec` says; None if all are."""
    if isinstance(spec, Array):
        if not isinstance(value, list):
            return name
        found = (fault(spec.element, one, f"{name}[{i}]") for i, one in enumerate(value))
        return next((one for one in found if one), None)
    if not isinstance(spec, Object):
        return None if spec(value) else name
    if not isinstance(value, dict):
        return name
    prefix = f"{name}." if name else ""
    for field, of_field in spec.required.items():
        bad = fault(of_field, value[field], prefix + field) if field in value else prefix + field
        if bad:
            return bad
    for field, of_field in spec.optional.items():
        if value.get(field) is not None:
            bad = fault(of_field, value[field], prefix + field)
            if bad:
                return bad
    if spec.sides:
        sides = sides_of(value)
        if len(sides) != 2:
            return name
        found = (fault(spec.sides, value[side], prefix + side) for side in sides)
        return next((one for one in found if one), None)
    return None


def sides_of(entry: Mapping[str, Any]) -> list[str]:
    """The names of the backends that an element of `break_even` compares, the GPU's last."""
    return [name for name, value in entry.items() if isinstance(value, dict)]


# --- Values


def is_number(value: Any) -> bool:
    """Of at least 0, and such that products and ratios of a few of them are still numbers."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and 0 <= value <= 1e60)


def is_time(value: Any) -> bool:
    """Seconds of a measurement. The bounds keep ratios of two of them finite."""
    return is_number(value) and 1e-30 <= value <= 1e30


def _is_signed(value: Any) -> bool:
    return is_number(value) or (isinstance(value, (int, float)) and not isinstance(value, bool)
                                and is_number(-value))


def _is_natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _is_count(value: Any) -> bool:
    return _is_natural(value) and value >= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_names(value: Any) -> bool:
    """One, or a list of them."""
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


# --- A file


_BOUND = Object({}, {
    "limit": _is_text, "time_s": is_time,
    **dict.fromkeys(("fraction", "bytes", "flops", "read_bytes_per_s", "copy_bytes_per_s",
                     "peak_flops_per_s", "up_bytes_per_s", "down_bytes_per_s", "duplex_bytes_per_s",
                     "network_bytes_per_s", "scatter_bytes_per_s",
                     "gather_bytes_per_s"), is_number)})

_RANK = Object({"rank": _is_natural, "host": _is_name},
               {**dict.fromkeys(("num_workers", "images"), _is_natural), "kernel": _is_text,
                **dict.fromkeys(("busy_s", "run_s"), is_number)})
_ONE_RANK = Object({}, {"rank": _is_natural, "host": _is_name, "run_s": is_number})

RECORD = Object(
    {**dict.fromkeys(("status", "backend", "kernel", "method", "scope", "dtype"), _is_name),
     **dict.fromkeys(("height", "width", "images", "filter_size", "stride"), _is_count),
     "fill": _is_name, "seed": _is_natural, "num_workers": _is_count,
     "times_s": lambda value: isinstance(value, list),  # looked at by `results`
     "median_s": _or_null(is_time),
     "bound": lambda value: value is None or isinstance(value, dict)},
    {"bound": _BOUND, "reason": _is_text, "warnings": Array(_is_text),
     "verification": Object({}, {"status": _is_text}),
     **dict.fromkeys(("median_low_s", "median_high_s", "mean_s", "min_s", "max_s"), is_time),
     **dict.fromkeys(("cv", "noise", "std_s", "work_time", "images_per_s", "pixels_per_s",
                      "bytes_per_s", "flops_per_s", "iterations", "burns", "exchanged_bytes",
                      "wire_bytes", "communication_share", "barrier_s"), is_number),
     **dict.fromkeys(("schedule", "bind", "host_memory", "distribute", "digest", "path",
                      "stopped_by", "software"), _is_text),
     "device": _is_names, "ranks": _is_count, "interleaved": _is_flag,
     "per_rank": Array(_RANK), "fastest_rank": _ONE_RANK, "slowest_rank": _ONE_RANK,
     "burn_times_s": Array(is_time)})

_SIDE = Object(
    {"kernel": _is_name, "num_workers": _is_count,
     "points": Array(Object({"images": _is_count, "median_s": is_time}, {}))},
    {"fixed_s": _is_signed, "per_image_s": _is_signed})

_BREAK_EVEN = Object(
    {"method": _is_name, "dtype": _is_name, "height": _is_count, "width": _is_count,
     "images_from": _or_null(_is_natural)},
    {"images": _is_count, "filter_size": _is_count, "stride": _is_count, "passes": _is_natural,
     **dict.fromkeys(("upload_s", "resident_s", "cpu_s"), is_number),
     **dict.fromkeys(("images_reason", "passes_reason"), _is_text)}, sides=_SIDE)

DOCUMENT = Object({}, {
    "program": Object({}, {**dict.fromkeys(("name", "version", "git"), _is_text),
                           "argv": Array(_is_text)}),
    "started_at": _is_text, "interrupted": _is_flag, "wall_s": is_number,
    "build": Object({}, dict.fromkeys(("type", "compiler", "flags", "mpi"), _is_text)),
    "host": Object({}, {**dict.fromkeys(("name", "os", "cpu", "affinity"), _is_text),
                        **dict.fromkeys(("cores", "threads"), _is_count)}),
    "devices": Array(Object({}, {"name": _is_text})), "ranks": _is_count,
    "hosts": Array(_is_name),
    "break_even": Array(_BREAK_EVEN)})
