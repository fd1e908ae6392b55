# SPDX-License-Identifier: Apache-2.0
"""Faster, slower or the same: compares the times of results files, record by record."""
from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Sequence

from convscale import cli, compare_report, results
from convscale.cli import UsageError
from convscale.compare_judge import Result, Rules, compare, worst_first
from convscale.vocabulary import CONFIGURATION

SLOWER_CODE = 1


def _parser() -> cli.Parser:
    parser = cli.Parser(
        "compare.py",
        "Says for each record of results files whether it got faster, slower or stayed the same, "
        "by a rank test with effect size. Two files: their iterations are compared, which holds "
        "for these two runs. Several files a side: whole runs are compared. Exit codes: 0, also "
        "where something is slower; 1 only with --fail-slower; 2 for a bad option or file, and "
        "where there is nothing to compare; 5 if it could not finish.",
        "scripts/compare.py --before old1.json old2.json old3.json old4.json old5.json --after "
        "new1.json new2.json new3.json new4.json new5.json --fail-slower 5%")
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="before and after, one file each")
    add("--before", nargs="+", metavar="FILE", help="several runs before")
    add("--after", nargs="+", metavar="FILE", help="several runs after")
    add("--fail-slower", metavar="PERCENT",
        help="exit with 1 if a record is slower by more than this, or was measured before and is "
        "skipped, failed, interrupted or missing after")
    add("--alpha", default="0.01", metavar="P",
        help="the chance of calling any unchanged record faster or slower (default: 0.01)")
    add("--threshold", default="2%", metavar="PERCENT",
        help="a smaller change is called the same (default: 2%%, or what --fail-slower says if "
        "that is less)")
    add("--ignore", default="", metavar="LIST",
        help=f"compare records that differ in these: {', '.join(CONFIGURATION)}")
    add("--sort", action="store_true", help="the worst change first")
    add("--markdown", metavar="FILE", help="write the report as Markdown; - is standard output")
    add("--json", metavar="FILE", help="write all figures; - is standard output")
    return parser


def _sides(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    if options.before is None and options.after is None:
        if len(options.files) != 2:
            raise UsageError(f"expected two files, got {len(options.files)}; compare.py A.json "
                             "B.json, or --before A.json ... --after B.json ...")
        return [options.files[0]], [options.files[1]]
    if options.files:
        raise UsageError(f"{options.files[0]}: stands on no side; name it behind --before or "
                         "--after")
    if options.before is None or options.after is None:
        missing, there = (("--before", "--after") if options.before is None else
                          ("--after", "--before"))
        raise UsageError(f"{missing}: is missing beside {there}; name the files of both sides")
    for side in (options.before, options.after):
        seen: set[str] = set()
        for name in side:
            if os.path.realpath(name) in seen:
                raise UsageError(f"{name}: is given twice on a side; each file must be a run of "
                                 "its own")
            seen.add(os.path.realpath(name))
    return options.before, options.after


def _ignored(text: str) -> list[str]:
    if not text:
        return []
    names = [{"workers": "num_workers"}.get(name, name).replace("-", "_")
             for name in cli.parse_list("--ignore", text)]
    for name in names:
        if name not in CONFIGURATION:
            raise UsageError(f"--ignore {name}: expected some of {', '.join(CONFIGURATION)}; "
                             "different workloads are never compared")
    return names


def _alpha(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]{1,12}", text) or not 0 < float(text) <= 0.5:
        raise UsageError(f"--alpha {text}: expected a probability over 0 and up to 0.5, such as "
                         "0.01")
    return float(text)


def _check_outputs(options: argparse.Namespace, inputs: Sequence[str]) -> None:
    outputs = {option: name for option, name in (("--markdown", options.markdown),
                                                 ("--json", options.json)) if name is not None}
    if len(outputs) == 2 and (options.markdown == options.json or
                              os.path.realpath(options.markdown) == os.path.realpath(options.json)):
        raise UsageError(f"--json {options.json}: is where --markdown goes; give another file")
    for option, name in outputs.items():
        if name == "":
            raise UsageError(f"{option}: the name of the file is empty")
        if name != "-" and os.path.realpath(name) in [os.path.realpath(i) for i in inputs]:
            raise UsageError(f"{option} {name}: is one of the files to compare; give another name")


def main(args: Sequence[str]) -> int:
    options = _parser().parse_args(args)
    before, after = _sides(options)
    _check_outputs(options, [*before, *after])
    fail_slower = options.fail_slower
    rules = Rules(by_runs=len(before) > 1 or len(after) > 1, alpha=_alpha(options.alpha),
                  threshold=cli.parse_percent("--threshold", options.threshold),
                  fail_slower=None if fail_slower is None else
                  cli.parse_percent("--fail-slower", fail_slower))
    ignored = _ignored(options.ignore)
    result = compare([results.load(Path(name)) for name in before],
                     [results.load(Path(name)) for name in after], rules, ignored)
    _write(result, options)
    return SLOWER_CODE if result.regressions else cli.OK


def _write(result: Result, options: argparse.Namespace) -> None:
    if options.sort:
        result = worst_first(result)
    report = compare_report.arrange(result)
    to_stdout = "-" in (options.markdown, options.json)
    stream = sys.stderr if to_stdout else sys.stdout
    text = compare_report.as_text(report, compare_report.in_colour(stream))
    print(text, end="", file=stream)
    for name, text in ((options.markdown, compare_report.as_markdown(report)),
                       (options.json, compare_report.as_json(result))):
        if name == "-":
            print(text, end="")
        elif name is not None:
            cli.write_text(Path(name), text)
    for warning in result.warnings:
        print(f"compare.py: warning: {warning}", file=sys.stderr)
