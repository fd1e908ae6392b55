# SPDX-License-Identifier: Apache-2.0
"""model.py from its options to its exit code."""
from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Optional, Sequence

from convscale.cli import Parser, UsageError, parse_count, parse_list, write_text
from convscale.model.fit import Fit, Kind, fit
from convscale.model.network import Job
from convscale.model.published import DEFAULT_JOB, LARGE_JOB
from convscale.model.report import (crossover_markdown, fit_markdown, links_text,
                                    times_markdown)
from convscale.packages import importing
from convscale.results import Document, load
from convscale.text import escape_markdown, printable

BEGIN, END = "<!-- fitted: begin -->", "<!-- fitted: end -->"
DEFAULT_LINKS = "10,25,100,200"


def main(args: Sequence[str]) -> int:
    given = _parser().parse_args(list(args))
    most = parse_count("--nodes", given.nodes, 2, 10**6)
    links = [_link(text) for text in parse_list("--links", given.links)]
    documents = [load(Path(name)) for name in given.files]
    found = fit([record for document in documents for record in document.records])
    if not found.machines:
        raise UsageError(f"{given.files[0]}: no record says how long a node takes for an image; "
                         "give results of one rank or of --distribute local")
    page = None if given.update is None else _page(Path(given.update))
    plots = None if given.plots is None else Path(given.plots)
    if page is not None and plots is None:
        plots = Path(given.update).parent
    text = _text(found, documents, links, most, plots, Path(given.update or "."))
    if page is None:
        sys.stdout.write(text + "\n")
    else:
        write_text(Path(given.update), f"{page[0]}{BEGIN}\n{text}\n{END}{page[1]}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser("model.py", "Fits the model of docs/scaling.md to results files: what a node, "
                    "rank 0's link and a barrier take; and says from how many nodes on scatter is "
                    "bound by that link.",
                    "model.py sweep/results.json --update docs/scaling.md")
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="results files: of one rank or --distribute local "
        "for the nodes, of --distribute scatter for the network")
    add("--links", metavar="LIST", default=DEFAULT_LINKS, help="links to compare, in Gbit/s "
        f"({DEFAULT_LINKS})")
    add("--nodes", metavar="N", default="1000", help="the most nodes (1000)")
    add("--update", metavar="FILE", help="write it between the marks of this Markdown file, not "
        "to standard output, and the plots beside the file")
    add("--plots", metavar="DIR", help="folder of the plots")
    return parser


def _link(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1e-3 <= value <= 1e6:
        raise UsageError(f"--links {text}: expected Gbit/s from 0.001 to 1000000, such as 10 or "
                         "200")
    return value


def _page(path: Path) -> tuple[str, str]:
    """What stands before and behind the marks."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise UsageError(f"--update {path}: {reason}; give a Markdown file with the marks") \
            from error
    before, begin, rest = text.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not begin or not end or BEGIN in behind or END in behind:
        raise UsageError(f"--update {path}: does not have {BEGIN} and then {END}, each once; write "
                         "them where the fit shall stand")
    return before, behind


def _text(found: Fit, documents: Sequence[Document], links: Sequence[float], most: int,
          plots: Optional[Path], page: Path) -> str:
    jobs = _jobs(found)
    parts = [fit_markdown(found, _sources(documents)),
             links_text(found.network), crossover_markdown(found, jobs, links, most)]
    for kind, job in jobs:
        machine = found.machines[kind]
        parts += [f"Times by the model for {job.text} ({kind.label}):",
                  times_markdown(job, machine, links, most, found.network.reach)]
        if plots is not None:
            name = _draw(kind, job, found, links, most, plots)
            at = name if plots == page.parent else str(plots / name)
            parts.append(f"![Model of {job.text}, {kind.method}: time against nodes]({at})")
    return "\n\n".join(parts)


def _draw(kind: Kind, job: Job, found: Fit, links: Sequence[float], most: int,
          plots: Path) -> str:
    # matplotlib takes long to load.
    with importing():
        from convscale.model.charts import model_chart
        from convscale.plots.draw import draw
    plot = draw(model_chart(kind, job, found.machines[kind], links, most, found.network.reach))
    write_text(plots / f"{plot.name}.svg", plot.standalone())
    return f"{plot.name}.svg"


def _jobs(found: Fit) -> list[tuple[Kind, Job]]:
    """The original's jobs on the fastest node that was measured with their size; or else, what was
    measured."""
    chosen: dict[tuple[str, str, Job], Kind] = {}
    for kind, machine in found.machines.items():
        for job in (DEFAULT_JOB, LARGE_JOB):
            if kind.job(job.images) == job:
                place = (kind.method, kind.dtype, job)
                if place not in chosen or machine.image_s < found.machines[chosen[place]].image_s:
                    chosen[place] = kind
    if chosen:
        return [(kind, place[2]) for place, kind in chosen.items()]
    kind = next(iter(found.machines))
    images = max(record.images for record in found.records)
    return [(kind, kind.job(images))]


def _sources(documents: Sequence[Document]) -> str:
    """Program, machine and day of each."""
    names = []
    for document in documents:
        program = document.raw.get("program") or {}
        day = str(document.raw.get("started_at") or "")[:10] or "an unknown day"
        name = " ".join(str(program[part]) for part in ("name", "version") if program.get(part))
        names.append(f"{name or 'an unknown program'} on {document.machine}, {day}")
    return escape_markdown(printable("; ".join(dict.fromkeys(names))))
