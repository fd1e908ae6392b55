# SPDX-License-Identifier: Apache-2.0
"""What a report holds, before it becomes Markdown or a page."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from convscale.plots.model import Chart
from convscale.scaling.charts.break_even import break_even_charts
from convscale.scaling.charts.common import styles_of
from convscale.scaling.charts.ranks import rank_charts
from convscale.scaling.charts.roofline import roofline_chart
from convscale.scaling.charts.sizes import size_charts
from convscale.scaling.charts.workers import strong_charts, weak_charts
from convscale.scaling.collect import Sweep
from convscale.scaling.findings import findings, noise_text, warnings
from convscale.scaling.numbers import plural
from convscale.scaling.series import along_of, workloads
from convscale.scaling.tables import Table, tables
from convscale.text import printable


@dataclass(frozen=True)
class Report:
    title: str
    facts: list[tuple[str, str]]  # what was measured where
    findings: list[str]
    problems: list[str]  # steps that are missing or failed
    warnings: list[str]
    charts: list[Chart]
    tables: list[Table]


def make_report(sweep: Sweep) -> Report:
    host = sweep.document["host"] or {}
    name = printable(str(host.get("name") or "an unknown host"))
    where = f"over nodes (first: {name})" if sweep.request.nodes else f"on {name}"
    return Report(title=f"Scaling of convscale {where}",
                  facts=[(name, printable(text)) for name, text in _facts(sweep, host)],
                  findings=list(map(printable, findings(sweep))),
                  problems=list(map(printable, sweep.problems)),
                  warnings=list(map(printable, warnings(sweep))), charts=make_charts(sweep),
                  tables=[replace(table, rows=[list(map(printable, row)) for row in table.rows])
                          for table in tables(sweep)])


def make_charts(sweep: Sweep) -> list[Chart]:
    """Those that the records support, in the order of the report."""
    measured = [record for record in sweep.records if record.is_measured]
    styles = styles_of(measured)
    charts: list[Chart] = []
    along = along_of(sweep.request)
    for study, make in (("strong", strong_charts), ("weak", weak_charts)):
        records = sweep.of_study(study)
        for workload in workloads(records):
            charts.extend(make(records, workload, styles, along))
            charts.extend(rank_charts(study, records, workload, styles, along))
    records = sweep.of_study("throughput")
    for workload in workloads(records):
        charts.extend(size_charts(records, workload, styles))
    strong = sweep.of_study("strong") or sweep.of_study("throughput")
    most = [record for record in strong if record.num_workers == sweep.request.num_workers[-1]]
    sizes = {record.size for record in most}
    largest = [record for record in most if record.size == max(sizes, key=lambda size: (
        max(r.pixels // max(r.images, 1) for r in most if r.size == size), size))]
    for dtype in sweep.request.dtypes:
        chart = roofline_chart(largest, dtype, styles)
        charts.extend([chart] if chart else [])
    charts.extend(break_even_charts(sweep.document["break_even"], sweep.request.size, styles))
    return charts


def _nodes_text(sweep: Sweep) -> str:
    request = sweep.request
    if not request.nodes:
        return ""
    hosts = sweep.document["hosts"] or []
    mpi = (sweep.document["build"] or {}).get("mpi")
    named = ", ".join(hosts[:8]) + (f" and {len(hosts) - 8} more" if len(hosts) > 8 else "")
    workers = plural(request.workers_per_node or 0, "worker")
    return (f"{', '.join(map(str, request.nodes))} of {workers} "
            f"in {plural(request.ranks_per_node, 'rank')} each"
            + (f", on {named}" if named else "") + (f"; {mpi}" if mpi else ""))


def _facts(sweep: Sweep, host: dict[str, Any]) -> list[tuple[str, str]]:
    program = sweep.document["program"] or {}
    build = sweep.document["build"] or {}
    cores = [plural(host["cores"], "core") if host.get("cores") else "",
             plural(host["threads"], "thread") if host.get("threads") else "",
             f"affinity {host['affinity']}" if host.get("affinity") else ""]
    devices = [str(device.get("name") or "unknown")
               for device in sweep.document["devices"]]
    measured = sum(record.is_measured for record in sweep.records)
    request = sweep.request
    facts = [
        ("Host", f"{host.get('name') or '-'}, {host.get('os') or '-'}"),
        ("Processor", ", ".join(filter(None, [str(host.get("cpu") or "-"), *cores]))),
        ("GPU", ", ".join(devices)),
        ("Nodes", _nodes_text(sweep)),
        ("Program", f"{program.get('name') or '-'} {program.get('version') or ''}"
                    + (f" (git {program['git']})" if program.get("git") else "")
                    + (f", {build['compiler']}, {build.get('type') or ''} build"
                       if build.get("compiler") else "")),
        ("Baseline", ", ".join(request.baseline)),
        ("Began", str(sweep.document["started_at"] or "-")),
        ("Rows", f"{measured} measured of {len(sweep.records)}; {request.iterations} iterations "
                 f"after {plural(request.burns, 'burn')}"
                 + (", interleaved" if request.interleave else "")),
        ("Noise", noise_text(sweep.records))]
    return [(name, text) for name, text in facts if text]
