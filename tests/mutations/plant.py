# SPDX-License-Identifier: Apache-2.0
"""Plants lies in a copy of the program, one at a time, and says what notices them."""
from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from checks import Built, Check, run
from convscale import cli
from convscale.cli import Error
from lies import Lie, Place, Sources, read_tables
from workplace import Workplace, require_cmake, source_paths

HERE = Path(__file__).resolve().parent
CAUGHT, SURVIVED, ERROR, SKIPPED = "caught", "SURVIVED", "ERROR", "skipped"
# A check that takes much longer than without a lie hangs; what is quick may be slow now and then.
_TIMES_LONGER = 20.0
# A test that the compiler runs: GCC's and clang's words.
_STATIC_ASSERTION = re.compile(r"tests/\S+: error: static(_assert| assertion) failed")
_UNHARMED_LIMIT_S = 900.0


@dataclass(frozen=True)
class Verdict:
    """What became of a lie."""

    lie: Lie
    state: str
    by: str  # who caught it, or what is wrong
    seconds: float = 0.0


def _parser() -> cli.Parser:
    parser = cli.Parser(
        "tests/mutations/run.py",
        "Plants each lie of the tables in a copy of the sources (build/mutations), builds what the "
        "lie's check needs, runs that check, and says who caught it. Exit codes: 0 if each lie is "
        "caught; 1 if one survives; 2 for a bad option or table, such as a text that does not "
        "occur exactly once, a lie that does not compile, or a check that fails without it; 3 for "
        "what is missing here; 5 if the copy does not build.",
        "./scripts/test.sh --mutations -- --only digest")
    add = parser.add_argument
    add("--only", default="", metavar="TEXT", help="lies with TEXT in what, kind or table's name")
    add("--list", action="store_true", help="name lies and checks, and do no more")
    add("--dry-run", action="store_true",
        help="build nothing: see that each text occurs once and, with --build, that there are "
        "such checks")
    add("--build", type=Path, metavar="FOLDER", help="for --dry-run: where all tests are built")
    add("--limit", type=float, default=120.0, metavar="SECONDS",
        help="the least time after which a check hangs, and has so noticed (120)")
    add("--markdown", type=Path, metavar="FILE", help="write the verdicts as a table")
    add("--tables", type=Path, default=HERE, metavar="FOLDER", help="of the *.toml (here)")
    add("--root", type=Path, default=HERE.parents[1], metavar="FOLDER", help="of the sources")
    return parser


def main(args: Sequence[str]) -> int:
    options = _parser().parse_args(args)
    lies = [lie for lie in read_tables(options.tables)
            if options.only.lower() in f"{lie.what} {lie.kind} {lie.table}".lower()]
    if not lies:
        raise cli.UsageError(f"--only {options.only}: no lie has that; --list shows them")
    if options.list:
        for lie in lies:
            print(f"{lie.kind:12} {lie.what}\n{'':12} {lie.check.name}")
        return cli.OK
    root: Path = options.root.resolve()
    if not options.dry_run:
        require_cmake()
    paths = source_paths(root)
    begin = time.monotonic()
    if options.dry_run:
        built = Built(root, options.build.resolve() / "bin") if options.build else None
        verdicts = _wrong_entries(lies, Sources(paths, root), built)
        for verdict in verdicts:
            _tell(verdict)
        print(f"{len(lies)} lies, {len(verdicts)} errors")
    else:
        cli.interrupt_on_termination()
        verdicts = _Planting(lies, root, paths, options.limit).verdicts()
        counts = Counter(verdict.state for verdict in verdicts)
        minutes, seconds = divmod(round(time.monotonic() - begin), 60)
        print(f"{len(lies)} lies: {counts[CAUGHT]} caught, {counts[SURVIVED]} survived, "
              f"{counts[SKIPPED]} skipped, {counts[ERROR]} errors; {minutes} min {seconds} s")
        if options.markdown:
            cli.write_text(options.markdown, _markdown(verdicts))
    states = {verdict.state for verdict in verdicts}
    return 1 if SURVIVED in states else cli.USAGE if ERROR in states else cli.OK


def _tell(verdict: Verdict, number: str = "") -> None:
    """A line for a log, and what went wrong in full."""
    took = f" ({verdict.seconds:.0f} s)" if verdict.seconds else ""
    print(f"{number}{verdict.state:8} {verdict.lie.kind}: {verdict.lie.what}\n"
          f"{'':{len(number) + 8}} {'by ' if verdict.state == CAUGHT else ''}{verdict.by}{took}",
          flush=True)


def _markdown(verdicts: Sequence[Verdict]) -> str:
    def cell(text: str) -> str:
        return text.replace("|", "\\|")
    lines = ["| kind | what the program then does wrong | verdict | by |", "|---|---|---|---|"]
    lines += [f"| {cell(v.lie.kind)} | {cell(v.lie.what)} | {v.state} | {cell(v.by)} |"
              for v in verdicts]
    return "\n".join(lines) + "\n"


def _wrong_entries(lies: Sequence[Lie], sources: Sources, built: Optional[Built]) -> list[Verdict]:
    """What can be said against the tables without a build of their own."""
    wrong: list[Verdict] = []
    listed: dict[Check, Optional[str]] = {}
    for lie in lies:
        place = sources.place_of(lie)
        if isinstance(place, str):
            wrong.append(Verdict(lie, ERROR, place))
        if built and not _lacking(lie):
            if lie.check not in listed:
                listed[lie.check] = _unlisted(lie.check, built)
            if complaint := listed[lie.check]:
                wrong.append(Verdict(lie, ERROR, f"{lie.check.name}: {complaint}"))
    return wrong


def _unlisted(check: Check, built: Built) -> Optional[str]:
    """Says so where there is no such check in a complete build."""
    for target in check.targets:
        if not (built.bin / target).is_file():
            return f"there is no {built.bin / target}"
    command = check.listing(built)
    if command and not check.is_listed(run(command, built.tree, _UNHARMED_LIMIT_S)):
        return "there is no such test"
    return None


def _lacking(lie: Lie) -> list[str]:
    """What the processor lacks of what the lie's check needs."""
    flags: set[str] = set()
    if lie.needs:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("flags"):
                flags.update(line.split(":")[1].split())
    return [flag for flag in lie.needs if flag not in flags]


class _Planting:
    """A run over lies: a copy, its build, the checks without a lie, and then one lie at a time."""

    def __init__(self, lies: Sequence[Lie], root: Path, paths: Sequence[str],
                 least_limit_s: float) -> None:
        self._lies = lies
        self._least_limit_s = least_limit_s
        self._sources = Sources(paths, root)
        self._folder = root / "build" / "mutations"
        (self._folder / "log").mkdir(parents=True, exist_ok=True)
        for old in (self._folder / "log").iterdir():
            old.unlink()
        self._place = Workplace(self._folder)
        self._place.copy(root, paths)
        self._limits: dict[Check, float] = {}
        self._complaints: dict[Check, str] = {}

    def verdicts(self) -> list[Verdict]:
        settled = {lie: self._settled(lie) for lie in self._lies}
        checks = list(dict.fromkeys(lie.check for lie, known in settled.items() if not known))
        self._build(checks)
        self._try_unharmed(checks)
        self._place.keep()
        verdicts = []
        for number, lie in enumerate(self._lies, 1):
            verdict = settled[lie] or self._plant(lie, self._log(f"{number:02}"))
            _tell(verdict, f"[{number:2}/{len(self._lies)}] ")
            verdicts.append(verdict)
        return verdicts

    def _log(self, name: str) -> Path:
        return self._folder / "log" / f"{name}.log"

    def _settled(self, lie: Lie) -> Optional[Verdict]:
        """The verdict where nothing has to be built for it."""
        if lacking := _lacking(lie):
            return Verdict(lie, SKIPPED, f"this processor has no {', '.join(lacking)}")
        place = self._sources.place_of(lie)
        return Verdict(lie, ERROR, place) if isinstance(place, str) else None

    def _build(self, checks: Sequence[Check]) -> None:
        targets = sorted({target for check in checks for target in check.targets})
        if not targets:
            return
        print(f"building {', '.join(targets)} without a lie in {self._folder}, which takes minutes "
              "the first time", flush=True)
        begin = time.monotonic()
        if errors := self._place.build(targets, self._log("build")):
            raise Error(f"without a lie: {errors[0]} (log: {self._log('build')})")
        print(f"built in {time.monotonic() - begin:.0f} s; now {len(checks)} checks without a lie",
              flush=True)

    def _try_unharmed(self, checks: Sequence[Check]) -> None:
        for check in checks:
            done = run(check.command(self._place.built), self._place.built.tree, _UNHARMED_LIMIT_S)
            self._limits[check] = max(self._least_limit_s, _TIMES_LONGER * done.seconds)
            if complaint := check.complaint(done):
                self._complaints[check] = complaint
                with open(self._log("build"), "a", encoding="utf-8") as file:
                    file.write(done.text)

    def _plant(self, lie: Lie, log: Path) -> Verdict:
        if complaint := self._complaints.get(lie.check):
            return Verdict(lie, ERROR, f"{lie.check.name}: {complaint}")
        place = self._sources.place_of(lie)
        assert isinstance(place, Place)
        begin = time.monotonic()
        self._place.apply(place.path, place.harmed)
        try:
            state, by = self._try(lie, log)
        finally:
            self._place.restore()
        return Verdict(lie, state, by, time.monotonic() - begin)

    def _try(self, lie: Lie, log: Path) -> tuple[str, str]:
        if errors := self._place.build(lie.check.targets, log):
            if all(_STATIC_ASSERTION.match(error) for error in errors):
                return CAUGHT, f"{errors[0].split(': ')[0]}, a static assertion"
            return ERROR, f"it does not build: {errors[0]}"
        built = self._place.built
        done = run(lie.check.command(built), built.tree, self._limits[lie.check])
        with open(log, "a", encoding="utf-8") as file:
            file.write(done.text)
        if by := lie.check.catch(done):
            return CAUGHT, by
        return SURVIVED, f"{lie.check.name} passes (log: {log})"
