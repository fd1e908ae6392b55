#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the Markdown of gpu_report.sh, from the files that it wrote into a folder.

    gpu_report.py DIR >report.md
    gpu_report.py --full FILE --short FILE DIR

Needs Python 3.6 and nothing else. Figures are the records' own, or quotients of them.
"""
import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # python3 -I has it not
from gpu_report_reading import Folder, Record  # noqa: E402
from gpu_report_records import Judge, is_measured, vouch  # noqa: E402
from gpu_report_tables import (best_part, break_even_part, ceilings_part,  # noqa: E402
                               clocks_part, counters_part, measurements_part, others_part,
                               pageable_part, probe_part)
from gpu_report_text import decimal, one_line, share, table  # noqa: E402

DONE = ("ok", "failed", "cut short")
STEP_TITLES = "step | outcome | >seconds | remark"
SHORT_BYTES = 11000  # of the short report: what shows the last 12,000 characters shows all of it


def header(folder: Folder) -> List[str]:
    # gpu_probe writes no host, and other programs may be another version.
    document: Record = next((d for d in folder.documents if d["host"]["cpu"]), {})
    host, program = document.get("host", {}), document.get("program", {})
    machine = folder.text("machine.txt").splitlines()
    found = [after.split() for line, after in zip(machine, machine[1:]) if line == "$ uname -a"]
    name = host.get("name") or " ".join(word for words in found for word in words[1:2])
    lines = ["# GPU report" + (": " + one_line(str(name)) if name else ""), ""]
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
        lines.append("* Device: " + (one_line("; ".join(folder.device_names)) or
                                     "none was used; see the steps below"))
    lines += ["* " + line for line in machine[:3] if line.startswith(("cuDNN", "compute-san"))]
    return lines + ["* The machine: [machine.txt](machine.txt); what was done: "
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


def not_done(folder: Folder) -> List[str]:
    """What was not done, by the reason; and what cannot be used."""
    left: Dict[str, List[str]] = {}
    for outcome, _, name, remark, _, _ in folder.steps:
        if outcome not in DONE:
            reason = remark if outcome == "not done" else "{}: {}".format(outcome, remark)
            left.setdefault(reason, []).append("`{}`".format(name))
    lines = ["* {}: {}".format(reason, ", ".join(names)) for reason, names in left.items()]
    lines += ["* unreadable: {}".format(one_line(text)) for text in folder.unreadable]
    return lines and ["Not done:", ""] + lines + [""]


def steps_rows(folder: Folder, most: int = 0) -> List[Tuple[str, ...]]:
    return [(name, outcome if outcome == "ok" else "**" + outcome + "**", took,
             one_line(remark, most)) for outcome, took, name, remark, _, _ in folder.steps
            if outcome in DONE]


def steps_part(folder: Folder) -> List[str]:
    """What was done; below it what was not."""
    return ["## Steps", ""] + table(STEP_TITLES, steps_rows(folder)) + [""] + not_done(folder)


def tests_part(folder: Folder) -> List[str]:
    """Failed and skipped tests by name; of many the first ones."""
    most = 12
    lines = []
    for word, mark in (("failed", "[  FAILED  ]"), ("skipped", "[  SKIPPED ]")):
        names = []
        for line in (line for _, text in folder.texts("tests*.txt") for line in text.splitlines()):
            text = line[len(mark):].split(" (")[0].split(",")[0].strip()
            if line.startswith(mark) and "." in text and text not in names:
                names.append(text)
        if names:
            more = " and {} more".format(len(names) - most) if len(names) > most else ""
            lines += ["{} {}: {}{}".format(len(names), word, ", ".join(
                "`{}`".format(name) for name in names[:most]), more), ""]
    return ["## Tests that failed or were skipped", ""] + lines if lines else []


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


def report(folder: Folder) -> str:
    lines: List[str] = []
    for part in (header, targets_part, steps_part, tests_part, best_part, others_part,
                 pageable_part, break_even_part, probe_part, ceilings_part, counters_part,
                 clocks_part, measurements_part, remarks_part):
        lines += part(folder)
    if any(is_measured(r) and r["vouched"] == "not verified" for r in folder.records):
        lines += ["\"not verified\": some rows of large batches are not compared with the "
                  "reference; only their digests, with those of rows that are.", ""]
    if any(re.search(r"\| [0-9.]+! \|", line) for line in lines):
        lines += ["\"!\": more than the hardware can do; the measurement or its ceiling was "
                  "disturbed.", ""]
    return "\n".join(lines)


def short_steps_part(folder: Folder) -> List[str]:
    left = not_done(folder)
    shown = [one_line(line, 200) if line else "" for line in left[:12]]
    if len(left) > 12:
        shown += ["* and {} more in report.md".format(len(left) - 13), ""]
    return ["## Steps", ""] + table(STEP_TITLES, steps_rows(folder, 90)) + [""] + shown


def short_targets_part(folder: Folder) -> List[str]:
    measured = [t for t in Judge(folder.records).targets() if t.figure is not None]
    if not measured:
        return []
    return ["## Targets that were measured", ""] + table(
        "target | workload | dtype | >asked | >measured | verdict | how",
        ((t.name, t.workload, t.dtype, decimal(t.least), share(t.figure) if t.is_fraction else
          decimal(t.figure), t.verdict, t.how.split("; ")[-1]) for t in measured)) + [""]


def short_report(folder: Folder) -> str:
    """Whole parts, in the order of their worth, as far as they fit."""
    lines = [one_line(line, 400) for line in header(folder)]
    left = []
    for part in (short_steps_part, short_targets_part, others_part, break_even_part, counters_part,
                 best_part, ceilings_part, probe_part, clocks_part, tests_part):
        found = part(folder)
        if len("\n".join(lines + found).encode("utf-8", "replace")) <= SHORT_BYTES - 300:
            lines += found
        else:
            left.append(found[0].lstrip("# "))
    if left:
        lines += ["In report.md only: " + one_line("; ".join(left), 250)]
    return "\n".join(lines) + "\n"


def write(path: str, text: str) -> None:
    # What was read from a spoiled file may be no text.
    Path(path).write_bytes(text.encode("utf-8", "replace"))


class Parser(argparse.ArgumentParser):
    """A bad option is one line."""

    def error(self, message: str) -> Any:  # NoReturn came with 3.6.2
        self.exit(2, "gpu_report.py: {}\n".format(one_line(message)))


def main() -> int:
    parser = Parser(prog="gpu_report.py", description="Makes the Markdown of gpu_report.sh.")
    parser.add_argument("--full", metavar="FILE", help="write the report there, not to the output")
    parser.add_argument("--short", metavar="FILE", help="write its essence there")
    parser.add_argument("folder", metavar="DIR", help="what gpu_report.sh wrote")
    options = parser.parse_args()
    if not Path(options.folder).is_dir():
        parser.error("{}: is no folder".format(options.folder))
    if not any(os.path.exists(os.path.join(options.folder, one)) for one in ("runs", "steps.tsv")):
        parser.error("no report in {}: it has neither runs/ nor steps.tsv; give the folder that "
                     "gpu_report.sh wrote".format(options.folder))
    folder = Folder(Path(options.folder))
    vouch(folder.records)
    try:
        if options.short:
            write(options.short, short_report(folder))
        if options.full:
            write(options.full, report(folder))
    except OSError as error:
        print("gpu_report.py: {}: {}".format(error.filename, error.strerror), file=sys.stderr)
        return 5
    if not options.full and not options.short:
        sys.stdout.buffer.write(report(folder).encode("utf-8", "replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
