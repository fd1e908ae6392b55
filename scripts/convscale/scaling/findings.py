# SPDX-License-Identifier: Apache-2.0
"""What a sweep found, in sentences, computed from its records."""
from __future__ import annotations

import re
import statistics
from typing import Any, Iterator, Mapping, Optional, Sequence

from convscale.results import Record
from convscale.scaling import ranks
from convscale.scaling.collect import Sweep
from convscale.scaling.numbers import (count_text, digits, percent_text, plural, rate_text,
                                       ratio_text, time_text, workload_text)
from convscale.scaling.series import (Along, Series, Workload, along_of, balance, efficiency,
                                      fraction, is_in_turn_with_others, key_of, rate, series_of,
                                      size_of, speedup, workloads)
from convscale.text import IMPOSSIBLE_NOTE, is_impossible
from convscale.vocabulary import CREDIBLE


def findings(sweep: Sweep) -> list[str]:
    """The key findings; a sentence that the data do not support is not there."""
    sentences: list[str] = []
    for workload in workloads(record for record in sweep.records if record.is_measured):
        sentences.extend(_of_workload(sweep, workload))
    sentences.extend(break_even_sentence(entry) for entry in sweep.document["break_even"])
    return sentences or ["Nothing was measured."]


def _of_workload(sweep: Sweep, workload: Workload) -> Iterator[str]:
    along = along_of(sweep.request)
    strong = series_of(sweep.of_study("strong"), workload, along.of)
    own = [one for one in strong if one.key.is_own]
    for scope in dict.fromkeys(one.key.scope for one in own):  # never compared with each other
        yield _best_sentence(min((record for one in own for record in one.records
                                  if one.key.scope == scope),
                                 key=lambda record: record.median_s), workload, along)
    yield from (sentence for one in fastest_of_each(own)
                if (sentence := _strong_sentence(one, workload, along)))
    yield from _baseline_sentences(own, strong)
    weak = series_of(sweep.of_study("weak"), workload, along.of)
    yield from (sentence for one in fastest_of_each(weak)
                if (sentence := _weak_sentence(one, workload, along)))
    yield from (sentence for one in fastest_of_each(own or weak)
                if (sentence := ranks.sentence(_name(workload), one, along)))
    sizes = series_of(sweep.of_study("throughput"), workload, size_of)
    yield from (sentence for one in fastest_of_each(sizes)
                if (sentence := _size_sentence(one, workload)))


def fastest_of_each(series: Sequence[Series]) -> list[Series]:
    """The fastest kernel of each backend, scope and distribution of the program."""
    best: dict[tuple[str, str, Optional[str]], Series] = {}
    for one in series:
        place = (one.key.backend, one.key.scope, one.key.distribute)
        if one.key.is_own and (
                place not in best or _least_per_pixel(one) < _least_per_pixel(best[place])):
            best[place] = one
    return list(best.values())


def _least_per_pixel(series: Series) -> float:
    return min(record.median_s / max(record.pixels, 1) for record in series.records)


def _best_sentence(record: Record, workload: Workload, along: Along) -> str:
    per_second = rate(record, "images_per_s")
    speed = f"{rate_text(per_second)} images/s" if per_second is not None else "a median"
    text = (f"{_name(workload)}: the best of {workload_text(record)} is {speed} "
            f"({time_text(record.median_s)}), by {key_of(record).label} with {along.text(record)}"
            + (f" ({plural(record.num_workers, 'worker')})" if along.noun == "node" else ""))
    share = fraction(record)
    if share is None:
        return text + "."
    if is_impossible(share):
        return f"{text}: {ratio_text(share)} of the bound is more than the hardware can do."
    limit = (record.raw["bound"] or {}).get("limit")
    return f"{text}: {ratio_text(share)} of the bound, set by {limit}."


def _strong_sentence(series: Series, workload: Workload, along: Along) -> Optional[str]:
    first, last = series.records[0], series.records[-1]
    if first is last:
        return None
    text = (f"{_name(workload)}: {series.key.label} is {ratio_text(speedup(series, last))} times "
            f"as fast with {along.text(last)} as with {along.count(first)}, a parallel "
            f"efficiency of {ratio_text(efficiency(series, last))}")
    if series.key.backend == "cuda":
        return text + "."
    limit = balance(last.images, last.num_workers) / balance(first.images, first.num_workers)
    if efficiency(series, last) > limit * CREDIBLE:
        return (f"{text}, which is more than the {ratio_text(limit)} that whole images allow: one "
                "of the two was disturbed.")
    return f"{text} (whole images allow {ratio_text(limit)} at best)."


def _baseline_sentences(own: Sequence[Series], strong: Sequence[Series]) -> Iterator[str]:
    """Program against baseline, with the same workload and as many workers."""
    for one in strong:
        if one.key.backend != "python":
            continue
        pairs = [(record, rival) for record in one.records for series in own
                 for rival in series.records
                 if rival.workload == record.workload and rival.num_workers == record.num_workers]
        if not pairs:
            continue
        workers = max(record.num_workers for record, _ in pairs)
        record, rival = min((pair for pair in pairs if pair[0].num_workers == workers),
                            key=lambda pair: pair[1].median_s)
        alone = (", measured in turn with other rows" if is_in_turn_with_others(rival) and
                 not is_in_turn_with_others(record) else "")
        yield (f"With {plural(workers, 'worker')}, {one.key.label} takes "
               f"{ratio_text(record.median_s / rival.median_s)} times as long as "
               f"{key_of(rival).label}{alone}: {time_text(record.median_s)} against "
               f"{time_text(rival.median_s)} for {workload_text(record)} ({record.raw['method']}).")


def _weak_sentence(series: Series, workload: Workload, along: Along) -> Optional[str]:
    first, last = series.records[0], series.records[-1]
    if first is last:
        return None
    each = plural(first.images // first.num_workers, "image")
    return (f"{_name(workload)}: with {each} for each worker, {series.key.label} takes "
            f"{time_text(first.median_s)} with {along.text(first)} and "
            f"{time_text(last.median_s)} with {along.count(last)}, a weak efficiency of "
            f"{ratio_text(first.median_s / last.median_s)}.")


def _size_sentence(series: Series, workload: Workload) -> Optional[str]:
    def pixels(record: Record) -> float:
        return rate(record, "pixels_per_s") or 0.0
    most, least = max(series.records, key=pixels), min(series.records, key=pixels)
    if pixels(most) <= pixels(least) or pixels(least) <= 0:
        return None
    return (f"{_name(workload)}: over the sizes, {series.key.label} does the most pixels a second "
            f"with {most.size} ({digits(pixels(most) / 1e6)} million), and the fewest with "
            f"{least.size} ({digits(pixels(least) / 1e6)} million).")


def break_even_sentence(entry: Mapping[str, Any]) -> str:
    what = f"{entry['method']}, {entry['dtype']}, {entry['height']}x{entry['width']}"
    if entry["images_from"] is not None:
        text = f"The GPU pays from {plural(entry['images_from'], 'image')} on ({what})"
    elif entry.get("images_reason"):
        text = f"From how many images the GPU pays is not known ({what}): {entry['images_reason']}"
    else:
        text = f"The GPU does not pay, for any number of images ({what})"
    if entry.get("passes") is not None:
        text += (f"; one upload has paid after {entry['passes']} pass"
                 f"{'' if entry['passes'] == 1 else 'es'} over the same data")
    return text + "."


def _name(workload: Workload) -> str:
    return f"{workload.method.capitalize()}, {workload.dtype}"


def noise_text(records: Sequence[Record]) -> str:
    """How much the times vary, as a fact for the head of the report."""
    spreads = [float(record.raw["cv"]) for record in records
               if record.is_measured and record.raw.get("cv") is not None]
    noises = [float(record.raw["noise"]) for record in records
              if record.is_measured and record.raw.get("noise") is not None]
    if not spreads:
        return "not known"
    text = (f"coefficient of variation {percent_text(statistics.median(spreads))} (median of "
            f"{plural(len(spreads), 'row')}), {percent_text(max(spreads))} at worst")
    return text + (f"; medians are known to {percent_text(statistics.median(noises))} (half of "
                   "their 95 % confidence interval)" if noises else "")


def warnings(sweep: Sweep) -> list[str]:
    """Those of the records; ones that differ in their numbers only are one, with the count."""
    groups: dict[str, list[str]] = {}
    for record in sweep.records:
        for warning in record.raw.get("warnings") or []:
            groups.setdefault(re.sub(r"[0-9][0-9.]*", "#", str(warning)), []).append(str(warning))
    lines = []
    for alike in groups.values():
        different = list(dict.fromkeys(alike))
        suffix = "" if len(different) == 1 else f", such as: {different[0]}"
        lines.append(f"{different[0]} ({plural(len(alike), 'row')})" if not suffix
                     else f"{count_text(len(alike))} rows{suffix}")
    impossible = sum(record.is_measured and is_impossible(fraction(record))
                     for record in sweep.records)
    if impossible:
        lines.insert(0, f"{IMPOSSIBLE_NOTE} ({plural(impossible, 'row')})")
    lines = ranks.host_warnings(sweep.records, sweep.request.ranks_per_node) + lines
    if len(sweep.hosts) > 1:
        lines.insert(0, f"the steps ran on different hosts: {', '.join(sweep.hosts)}")
    return lines
