# SPDX-License-Identifier: Apache-2.0
"""The tables of gpu_report.py that are about figures. Each part is a list of lines, empty where
there is nothing to tell."""
import re
from typing import Any, Dict, List, Tuple

from gpu_report_reading import Folder, Record, Sample
from gpu_report_records import (Case, best, case_of, clock_s, fraction, is_measured, is_other,
                                is_ours, is_sound, kernel_s, name_of, ratio, workload_of)
from gpu_report_text import between, decimal, giga, seconds, share, table


def cases_of(folder: Folder) -> Dict[Case, List[Record]]:
    """What was measured on the card from pinned memory, by what was computed."""
    cases: Dict[Case, List[Record]] = {}
    for r in folder.records:
        if r["backend"] != "cpu" and is_measured(r) and r["host_memory"] != "pageable":
            cases.setdefault(case_of(r), []).append(r)
    return cases


def way_of(r: Record, name: str) -> str:
    """With the way that a kernel took inside, such as which of cuDNN's engines."""
    return "{} ({})".format(name, r["path"]) if r["path"] else name


def best_part(folder: Folder) -> List[str]:
    """Of each case the best of ours, by the clock."""
    cases = cases_of(folder)
    rows = []
    for case in sorted(cases):
        ours = best(filter(is_ours, cases[case]), clock_s)
        if ours is not None:
            rows.append((workload_of(ours), ours["method"], ours["scope"], ours["dtype"],
                         way_of(ours, ours["kernel"]), ours["num_workers"], seconds(clock_s(ours)),
                         share(fraction(ours, clock_s)), ours["vouched"]))
    if not rows:
        return []
    return ["## The best of our kernels, by the clock", ""] + table(
        "workload | method | scope | dtype | kernel | >streams | >median | >of bound | "
        "verification", rows) + [""]


def others_part(folder: Folder) -> List[str]:
    """Of each case, what is not ours beside the best of ours by the same time."""
    cases = cases_of(folder)
    rows = []
    for case in sorted(cases):
        names = {name_of(r) for r in cases[case] if is_other(r)}
        ours = [r for r in cases[case] if is_ours(r) and is_sound(r)]
        found = []
        for name in names:
            theirs = [r for r in cases[case] if is_other(r) and name_of(r) == name]
            row = best(theirs, clock_s)
            if row is None:
                continue
            found.append((row["median_s"], (
                workload_of(row), row["method"], row["scope"], row["dtype"],
                way_of(row, name),
                seconds(clock_s(row)),
                decimal(ratio(row, best(ours, clock_s), clock_s), "{:.1f}"),
                seconds(kernel_s(best(theirs, kernel_s) or row)),
                decimal(ratio(best(theirs, kernel_s), best(ours, kernel_s), kernel_s), "{:.1f}"),
                row["vouched"])))
        rows += [cells for _, cells in sorted(found)]
    if not rows:
        return []
    return ["## Libraries and other programs on this card", "",
            "times as fast: the best of our kernels whose results are known to be right, by the "
            "same time.", ""] + table(
        "workload | method | scope | dtype | what | >median | >ours times as fast | >kernel_s | "
        ">ours times as fast | verification", rows) + [""]


def measurements_part(folder: Folder) -> List[str]:
    """All rows, a table for each workload; how fast each is against the best of ours."""
    groups: Dict[Case, List[Record]] = {}
    for r in folder.records:
        if is_measured(r):
            groups.setdefault((-r["height"], r["images"], workload_of(r)), []).append(r)
    cases = cases_of(folder)
    lines = []
    for group in sorted(groups):
        rows = sorted(groups[group], key=lambda r: (r["method"], r["scope"], r["dtype"],
                                                    r["median_s"]))
        lines += ["## All rows of {}".format(group[2]), ""] + table(
            "method | scope | dtype | backend | kernel | >streams | host memory | >median | >cv | "
            ">vs ours | >of bound | limit | >GB/s | >kernel_s | >bound / kernel_s | verification",
            ((r["method"], r["scope"], r["dtype"], r["backend"], way_of(r, r["kernel"]),
              r["num_workers"], r["host_memory"] or "", seconds(clock_s(r)),
              decimal(r["cv"], "{:.1%}"),
              decimal(ratio(best(filter(is_ours, cases.get(case_of(r), [])), clock_s), r, clock_s)),
              share(fraction(r, clock_s)), r["bound"]["limit"] or "", giga(r["bytes_per_s"]),
              seconds(kernel_s(r)),
              share(fraction(r, kernel_s)) if r["scope"] == "resident" else "", r["vouched"])
             for r in rows)) + [""]
    return lines


def ceilings_part(folder: Folder) -> List[str]:
    """The range over the rows of what the bounds are made of, each dtype."""
    rows: List[Tuple[Any, ...]] = []
    for name, title, factor, unit in (
            ("read_bytes_per_s", "read bandwidth", 1e-9, "GB/s"),
            ("copy_bytes_per_s", "copy on the device", 1e-9, "GB/s"),
            ("peak_flops_per_s", "FMA peak", 1e-12, "TFLOP/s"),
            ("up_bytes_per_s", "link, up", 1e-9, "GB/s"),
            ("down_bytes_per_s", "link, down", 1e-9, "GB/s"),
            ("duplex_bytes_per_s", "link, both at once", 1e-9, "GB/s")):
        # Only the link knows of host memory.
        for memory in ("pinned", "pageable") if title.startswith("link") else ("",):
            for dtype in ("float64", "float32"):
                values = [r["bound"][name] * factor for r in folder.records
                          if r["backend"] == "cuda" and is_measured(r) and r["dtype"] == dtype and
                          memory in ("", r["host_memory"]) and r["bound"].get(name)]
                if values:
                    rows.append((title, memory, dtype, len(values), "{:.2f}".format(min(values)),
                                 "{:.2f}".format(max(values)), unit))
    if not rows:
        return []
    return ["## Ceilings", "", "Measured with each row; the least and the most of all rows.", ""
            ] + table("ceiling | host memory | dtype | >rows | >least | >most | unit", rows) + [""]


def pageable_part(folder: Folder) -> List[str]:
    """Each pageable row beside the pinned one that is like it in all else."""
    def like(r: Record) -> Case:
        return tuple(r[name] for name in ("kernel", "method", "scope", "dtype", "height", "width",
                                          "images", "num_workers"))
    pinned = {like(r): r for r in folder.records if is_measured(r) and r["host_memory"] == "pinned"}
    pairs = [(r, pinned[like(r)]) for r in folder.records
             if is_measured(r) and r["host_memory"] == "pageable" and like(r) in pinned]
    if not pairs:
        return []
    return ["## Pinned against pageable host memory", ""] + table(
        "workload | method | dtype | kernel | >streams | >pinned | >pageable | >times as long",
        ((workload_of(slow), slow["method"], slow["dtype"], slow["kernel"], slow["num_workers"],
          seconds(clock_s(fast)), seconds(clock_s(slow)),
          decimal(slow["median_s"] / fast["median_s"])) for slow, fast in pairs)) + [""]


def images_text(value: Any) -> str:
    return "" if value is None else "{:.0f}".format(value)


def break_even_part(folder: Folder) -> List[str]:
    rows = []
    for e in folder.break_even:
        cpu, gpu = e["cpu"], e["cuda"]
        images = images_text(e["images_from"]) or e["images_reason"] or "never"
        passes = images_text(e["passes"]) or e["passes_reason"] or "never"
        rows.append((workload_of(e), e["method"], e["dtype"],
                     "{}, {}".format(cpu["kernel"], cpu["num_workers"]),
                     "{}, {}".format(gpu["kernel"], gpu["num_workers"]),
                     seconds(cpu["fixed_s"]), seconds(cpu["per_image_s"]), seconds(gpu["fixed_s"]),
                     seconds(gpu["per_image_s"]), images, seconds(e["upload_s"]),
                     seconds(e["resident_s"]), seconds(e["cpu_s"]), passes))
    if not rows:
        return []
    return ["## When the GPU pays", "",
            "Time = fixed + images x per image, from host memory to host memory; and the passes "
            "over the same data after which one upload has paid.", ""] + table(
        "workload | method | dtype | CPU kernel, workers | GPU kernel, streams | >CPU fixed | "
        ">per image | >GPU fixed | >per image | >GPU pays from images | >upload | >resident pass | "
        ">CPU pass | >passes", rows) + [""]


def amount_text(p: Record) -> str:
    """Of one repetition; launches and events are counted one by one."""
    for unit, factor, name in (("byte", 1e-6, "MB"), ("FLOP", 1e-9, "GFLOP")):
        if p["unit"] == unit and p["amount"] is not None:
            return "{:.4g} {}".format(p["amount"] * factor, name)
    return ""


def rate_text(p: Record) -> str:
    if p["flops_per_s"] is not None:
        return "{:.2f} TFLOP/s".format(p["flops_per_s"] * 1e-12)
    return giga(p["bytes_per_s"]) + " GB/s" if p["bytes_per_s"] is not None else ""


def probe_part(folder: Folder) -> List[str]:
    """The micro-benchmarks of gpu_probe."""
    if not folder.probes:
        return []
    return ["## Reads, copies and launches by themselves (gpu_probe)", ""] + table(
        "what | variant | >amount | >time | >rate",
        ((p["name"], "" if p["variant"] is None else p["variant"], amount_text(p),
          seconds(p["seconds"]), rate_text(p)) for p in folder.probes)) + [""]


def clocks_part(folder: Folder) -> List[str]:
    """The range of the clocks during each step, of the card that drew the most."""
    rows = []
    for _, _, name, _, begin, end in folder.steps:
        cards: Dict[str, List[Sample]] = {}
        for sample in folder.samples:
            if begin and begin <= sample.when <= end:
                cards.setdefault(sample.card, []).append(sample)
        if cards:
            index = max(cards, key=lambda i: max(s.figures[2] for s in cards[i]))
            columns = list(zip(*(sample.figures for sample in cards[index])))
            rows.append([name, index, len(cards[index])] +
                        ["" if max(c) < 0 else between([v for v in c if v >= 0]) for c in columns])
    if not rows:
        return []
    return ["## Clocks", "", "Each second, by nvidia-smi; of the card that drew the most. "
            "All: [clocks.csv](clocks.csv).", ""] + table(
        "step | card | >samples | >SM, MHz | >memory, MHz | >power, W | >C", rows) + [""]


# As Nsight Compute calls them, and the titles here.
COUNTERS = (("Duration", "duration"), ("DRAM Throughput", "DRAM"), ("Memory Throughput", "memory"),
            ("Compute (SM) Throughput", "SM"), ("L2 Hit Rate", "L2 hits"),
            ("Achieved Occupancy", "occupancy"), ("Registers Per Thread", "registers"))


def counters_part(folder: Folder) -> List[str]:
    """What Nsight Compute said of each kernel."""
    rows = []
    for name, text in folder.texts("ncu-*.txt"):
        values = []
        for counter, _ in COUNTERS:
            found = re.search(r"(?m)^ +" + re.escape(counter) + r" +(\S+) +([\d.,]+)\s*$", text)
            values.append("{} {}".format(found.group(2), found.group(1)) if found else "")
        if any(values):
            rows.append([name[4:]] + values)
    if not rows:
        return []
    return ["## Nsight Compute", "", "One launch each, at the clocks as they were; more in "
            "`runs/ncu-*.txt`.", ""] + table(
        "kernel | >" + " | >".join(title for _, title in COUNTERS), rows) + [""]
