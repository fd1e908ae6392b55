#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the Markdown of gpu_report.sh, from the files that it wrote into a folder.

    gpu_report.py DIR >report.md

Needs Python 3.6 and nothing else. Figures are the records' own, or quotients of them.
"""
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional

from gpu_report_records import (IMPOSSIBLE, Case, Folder, Judge, Record, best, clock_s, fraction,
                                is_measured, is_ours, kernel_s, ratio, workload_of)


# --- Writing


def seconds(value: Optional[float]) -> str:
    if value is None:
        return ""
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if abs(value) < limit:
            return "{:.4g} {}".format(value * factor, unit)
    return "{:.4g} s".format(value)


def decimal(value: Optional[float], form: str = "{:.2f}") -> str:
    return "" if value is None else form.format(value)


def share(value: Optional[float]) -> str:
    """Of a bound; marked where it is more than the hardware can do."""
    return decimal(value) + ("!" if value is not None and value > IMPOSSIBLE else "")


def giga(value: Optional[float]) -> str:
    return "" if value is None else "{:.1f}".format(value * 1e-9)


def table(titles: str, rows: Iterable[Iterable[Any]]) -> List[str]:
    """Titles are separated by " | "; those that begin with ">" are of right-aligned columns."""
    names = titles.split(" | ")
    lines = ["| " + " | ".join(name.lstrip(">") for name in names) + " |",
             "|" + "|".join("--:" if name.startswith(">") else "---" for name in names) + "|"]
    for row in rows:
        cells = (str(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else ["(none)"]


# --- The parts of the report


def header(folder: Folder) -> List[str]:
    document = folder.documents[0] if folder.documents else {}
    host, program = document.get("host", {}), document.get("program", {})
    machine = (folder.text("machine.txt").splitlines() + [""] * 5)[1].split()
    name = host.get("name") or " ".join(machine[1:2])
    lines = ["# GPU report" + (": " + name if name else ""), ""]
    version = folder.text("runs/version.txt").splitlines() or [
        "convscale {}".format(program.get("version", "(version not known)"))]
    lines += ["* Program: " + "; ".join(line for line in version if line)]
    if document:
        lines += ["* Begun: {} (UTC)".format(document.get("started_at")),
                  "* Host: {}, {} threads, {} NUMA node(s), {}".format(
                      host.get("cpu"), host.get("threads"), host.get("numa_nodes"), host.get("os"))]
    for index in sorted(folder.devices, key=str):
        lines.append("* Device {}: {}".format(index, device_text(folder.devices[index])))
    if not folder.devices:
        lines.append("* Device: none was used; see the steps below")
    return lines + ["* The machine: [machine.txt](machine.txt); everything that was printed: "
                    "[report.log](report.log); all records: `runs/*.json`", ""]


def device_text(d: Record) -> str:
    def unit(name: str, factor: float, form: str) -> str:
        return "?" if d.get(name) is None else form.format(d[name] * factor)
    return ("{}, compute capability {}, {} multiprocessors, {}, L2 {}; driver {} (CUDA {}), "
            "runtime {}; clocks {} of at most {}, memory {}; power limit {}".format(
                d.get("name"), d.get("compute_capability"), d.get("multiprocessors"),
                unit("memory_bytes", 1e-9, "{:.1f} GB"), unit("l2_bytes", 1e-6, "{:.1f} MB"),
                d.get("driver_version"), d.get("driver"), d.get("runtime"),
                unit("sm_clock_hz", 1e-6, "{:.0f} MHz"),
                unit("max_sm_clock_hz", 1e-6, "{:.0f} MHz"),
                unit("memory_clock_hz", 1e-6, "{:.0f} MHz"), unit("power_limit_w", 1, "{:.0f} W")))


def targets_part(folder: Folder) -> List[str]:
    targets = Judge(folder.records).targets()
    if all(target.figure is None for target in targets):
        return ["## Targets", "", "None of the {} was measured.".format(len(targets)), ""]
    return ["## Targets", "",
            "The best of our kernels whose results are known to be right, pinned host memory.", ""
            ] + table("target | workload | dtype | >asked | >measured | verdict | how",
                      ((t.name, t.workload, t.dtype, decimal(t.least),
                        share(t.figure) if t.is_fraction else decimal(t.figure), t.verdict, t.how)
                       for t in targets)) + [""]


def steps_part(folder: Folder) -> List[str]:
    """What was done; below it what was not, by the reason."""
    done = [s for s in folder.steps if s[0] in ("ok", "failed", "cut short")]
    left: Dict[str, List[str]] = {}
    for outcome, _, name, remark in (s for s in folder.steps if s not in done):
        reason = remark if outcome == "not done" else "{}: {}".format(outcome, remark)
        left.setdefault(reason, []).append("`{}`".format(name))
    lines = ["## Steps", ""] + table(
        "step | outcome | >seconds | remark",
        ((name, outcome if outcome == "ok" else "**" + outcome + "**", took, remark)
         for outcome, took, name, remark in done)) + [""]
    if left or folder.unreadable:
        lines += ["Not done:", ""]
        lines += ["* {}: {}".format(reason, ", ".join(names)) for reason, names in left.items()]
        lines += ["* unreadable: {}".format(text) for text in folder.unreadable] + [""]
    return lines


def tests_part(folder: Folder) -> List[str]:
    """Failed and skipped tests by name."""
    lines = []
    for word, mark in (("failed", "[  FAILED  ]"), ("skipped", "[  SKIPPED ]")):
        names = []
        for line in folder.text("runs/gpu_test.txt").splitlines():
            text = line[len(mark):].split(" (")[0].split(",")[0].strip()
            if line.startswith(mark) and "." in text and text not in names:
                names.append(text)
        if names:
            lines += ["{} {}: {}".format(len(names), word,
                                         ", ".join("`{}`".format(name) for name in names)), ""]
    return ["## Tests that failed or were skipped", ""] + lines if lines else []


def best_part(folder: Folder) -> List[str]:
    """Of each case the best of ours, by the clock, against cuDNN."""
    cases: Dict[Case, List[Record]] = {}
    for r in folder.records:
        if r["backend"] == "cuda" and is_measured(r) and r["host_memory"] != "pageable":
            case: Case = (-r["height"], r["images"], r["method"], r["scope"], r["dtype"])
            cases.setdefault(case, []).append(r)
    rows = []
    for case in sorted(cases):
        ours = best(filter(is_ours, cases[case]), clock_s)
        theirs = best((r for r in cases[case] if r["kernel"] == "cudnn"), clock_s)
        if ours is None:
            continue
        rows.append((workload_of(ours), ours["method"], ours["scope"], ours["dtype"],
                     ours["kernel"], ours["num_workers"], seconds(clock_s(ours)),
                     share(fraction(ours, clock_s)), ours["vouched"],
                     seconds(clock_s(theirs) if theirs else None),
                     decimal(ratio(theirs, ours, clock_s), "{:.1f}")))
    if not rows:
        return []
    return ["## The best of our kernels, by the clock", ""] + table(
        "workload | method | scope | dtype | kernel | >streams | >median | >of bound | "
        "verification | >cudnn | >times as fast", rows) + [""]


def measurements_part(folder: Folder) -> List[str]:
    """All rows, a table for each workload."""
    groups: Dict[Case, List[Record]] = {}
    for r in folder.records:
        if is_measured(r):
            groups.setdefault((-r["height"], r["images"], workload_of(r)), []).append(r)
    lines = []
    for group in sorted(groups):
        rows = sorted(groups[group], key=lambda r: (r["method"], r["scope"], r["dtype"],
                                                    r["median_s"]))
        lines += ["## All rows of {}".format(group[2]), ""] + table(
            "method | scope | dtype | backend | kernel | >streams | host memory | >median | >cv | "
            ">of bound | limit | >GB/s | >kernel_s | >bound / kernel_s | verification",
            ((r["method"], r["scope"], r["dtype"], r["backend"], r["kernel"], r["num_workers"],
              r["host_memory"] or "", seconds(clock_s(r)), decimal(r["cv"], "{:.1%}"),
              share(fraction(r, clock_s)), r["bound"]["limit"] or "", giga(r["bytes_per_s"]),
              seconds(kernel_s(r)),
              share(fraction(r, kernel_s)) if r["scope"] == "resident" else "", r["vouched"])
             for r in rows)) + [""]
    return lines


def ceilings_part(folder: Folder) -> List[str]:
    """The range over the rows of what the bounds are made of, each dtype."""
    rows = []
    for name, title, factor, unit in (
            ("read_bytes_per_s", "read bandwidth", 1e-9, "GB/s"),
            ("peak_flops_per_s", "FMA peak", 1e-12, "TFLOP/s"),
            ("up_bytes_per_s", "link, up", 1e-9, "GB/s"),
            ("down_bytes_per_s", "link, down", 1e-9, "GB/s"),
            ("duplex_bytes_per_s", "link, both at once", 1e-9, "GB/s")):
        for memory in ("pinned", "pageable"):
            for dtype in ("float64", "float32"):
                values = [r["bound"][name] * factor for r in folder.records
                          if r["backend"] == "cuda" and is_measured(r) and r["dtype"] == dtype and
                          r["host_memory"] == memory and r["bound"].get(name)]
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


def break_even_part(folder: Folder) -> List[str]:
    rows = []
    for e in folder.break_even:
        cpu, gpu = e["cpu"], e["cuda"]
        images = e["images_from"] or e["images_reason"] or "never"
        passes = e["passes"] or e["passes_reason"] or "never"
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


def remarks_part(folder: Folder) -> List[str]:
    """Rows without figures, and what makes the others doubtful, once each."""
    remarks: Dict[str, List[str]] = {}
    for r in folder.records:
        name = "{} ({} {} {})".format(r["run"], r["method"], r["scope"], r["dtype"])
        if r["status"] != "ok":
            remarks.setdefault("{}: {}".format(r["status"], r["reason"]), []).append(name)
        for warning in r["warnings"]:
            remarks.setdefault("warning: " + warning, []).append(name)
    if not remarks:
        return []
    lines = ["## Rows without figures, and warnings", ""]
    for text, names in remarks.items():
        shown = ", ".join(names[:3]) + (" and {} more".format(len(names) - 3) if len(names) > 3
                                        else "")
        lines.append("* {} -- {}".format(" ".join(text.split()), shown))
    return lines + [""]


def report(path: Path) -> str:
    folder = Folder(path)
    lines: List[str] = []
    for part in (header, targets_part, steps_part, tests_part, best_part, pageable_part,
                 break_even_part, ceilings_part, measurements_part, remarks_part):
        lines += part(folder)
    if any(is_measured(r) and r["vouched"] == "not verified" for r in folder.records):
        lines += ["\"not verified\": all results of the first workload and of `auto` are compared "
                  "with the reference; of the large batches' other rows only the digests, with "
                  "those.", ""]
    if any(re.search(r"\| [0-9.]+! \|", line) for line in lines):
        lines += ["\"!\": more than the hardware can do; the measurement or its ceiling was "
                  "disturbed.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: gpu_report.py DIR", file=sys.stderr)
        sys.exit(2)
    sys.stdout.buffer.write(report(Path(sys.argv[1])).encode("utf-8"))
